"""A client whose words a test writes: what it says and hears reads as a transcript.

Phase 1 is done by the engine's own client; what comes after stays between the test and the gateway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ike_engine.ikev1.envelope import Phase2Transport
from ike_engine.ikev1.messages import QuickMode2, Transaction
from ike_engine.ikev1.numbers import ExchangeType, TransactionType, XauthAttribute
from ike_engine.ikev1.payloads import Attributes
from ike_engine.path import Path
from ike_engine.wire.attributes import Attribute
from ike_engine.wire.header import Header
from tests.ike_engine.lab import newest_sa

if TYPE_CHECKING:
    from ike_engine.ikev1.isakmp_sa import IsakmpSa
    from ike_engine.wire.shapes import Message
    from tests.ike_engine.lab import Pair
    from tests.ike_engine.network import Station

M = TypeVar("M", bound="Message")
PHASE_1 = (ExchangeType.IDENTITY_PROTECTION, ExchangeType.AGGRESSIVE)
PATIENCE_SECONDS = 60.0


class Script:
    """The test's side of what follows phase 1.

    Attributes:
        message_id: Of the transaction, quick mode or informational that is under way.
        transport: Its keys and IVs; quick mode's nonces are the test's to set.
    """

    def __init__(self, lab: Pair, *, phase_1: bool = True) -> None:
        """Begin, by having the lab's client do phase 1; whoever does it otherwise sets ``sa``."""
        self.lab = lab
        self._inbox: list[bytes] = []
        self._heard: set[bytes] = set()
        self._transports: dict[int, Phase2Transport] = {}
        self._others = lab.network.hook
        lab.network.hook = self._between
        self.message_id = 0
        self.sa: IsakmpSa
        if phase_1:
            lab.connect(seconds=1)
            self.sa = newest_sa(lab.client)

    def _between(self, sender: Station, data: bytes, way: Path) -> tuple[bytes, Path] | None:
        if Header.parse(data).exchange_type in PHASE_1:
            return self._others(sender, data, way)
        if sender is self.lab.gateway and data not in self._heard:
            self._heard.add(data)
            self._inbox.append(data)
        return None

    @property
    def transport(self) -> Phase2Transport:
        return self._transports[self.message_id]

    def begin(self, exchange_type: ExchangeType, message_id: int) -> None:
        """The client begins an exchange."""
        self.message_id = message_id
        self._transports[message_id] = Phase2Transport(self.sa, exchange_type, message_id)

    def says(self, message: Message) -> bytes:
        """In the exchange under way; gives the datagram, for saying it again."""
        data = self.prepares(message)
        self.repeats(data)
        return data

    def prepares(self, message: Message) -> bytes:
        """The datagram, which somebody else may deliver."""
        (transmit,) = self.transport.seal(message)
        return transmit.data

    def repeats(self, data: bytes) -> None:
        """The very octets."""
        way = self.sa.path
        if self.sa.initiator:
            way = Path(way.remote, way.local, way.nat_t)
        self.lab.network.deliver(self.lab.gateway, data, way)

    def hears(self, shape: type[M]) -> M:
        """The next message of the gateway that is not a repetition; its exchange is then the one under way."""
        self.lab.network.run(PATIENCE_SECONDS, until=lambda: bool(self._inbox))
        assert self._inbox, "the gateway is silent"
        data = self._inbox.pop(0)
        header = Header.parse(data)
        if header.message_id not in self._transports:
            self.begin(ExchangeType(header.exchange_type), header.message_id)
        self.message_id = header.message_id
        opened = self.transport.open(data, self.sa.path)
        opened.take()
        return shape.match(opened.payloads)

    def hears_nothing(self, seconds: float = 0.5) -> None:
        self.lab.network.run(seconds, until=lambda: bool(self._inbox))
        assert not self._inbox

    def waits(self, seconds: float) -> None:
        self.lab.network.run(seconds)

    def hears_quick_mode_2(self, ni: bytes) -> QuickMode2:
        """The gateway's answer to a quick mode whose nonce was ``ni``; what follows is message 3."""
        self.transport.nonces = ni
        m2 = self.hears(QuickMode2)
        self.transport.prefix, self.transport.nonces = b"\0", ni + m2.nonce.data
        return m2

    # ---- transactions -----------------------------------------------------------------------------

    def hears_asked(self) -> Attributes:
        """A transaction's attributes."""
        return self.hears(Transaction).attributes

    def answers(
        self, *attributes: Attribute, kind: TransactionType = TransactionType.REPLY, identifier: int = 0
    ) -> bytes:
        """In the transaction under way."""
        return self.says(Transaction(attributes=Attributes(type=kind, identifier=identifier, attributes=attributes)))

    def asks(self, *attributes: Attribute, message_id: int = 0x300, identifier: int = 0) -> bytes:
        """A Mode Config REQUEST."""
        self.begin(ExchangeType.TRANSACTION, message_id)
        return self.answers(*attributes, kind=TransactionType.REQUEST, identifier=identifier)

    def logs_in(self, name: bytes = b"alice", password: bytes = b"s3cret") -> None:
        """Xauth, the way most clients do it."""
        asked = self.hears_asked()
        assert asked.type == TransactionType.REQUEST
        self.answers(Attribute(XauthAttribute.USER_NAME, name), Attribute(XauthAttribute.USER_PASSWORD, password))
        told = self.hears_asked()
        assert told.type == TransactionType.SET
        assert told.attributes == (Attribute(XauthAttribute.STATUS, 1),)
        self.answers(Attribute(XauthAttribute.STATUS, 1), kind=TransactionType.ACK)

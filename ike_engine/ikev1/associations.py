"""All ISAKMP SAs of an endpoint, and the way of every datagram to its exchange.

A datagram finds its SA by the cookies and its exchange by the message id. What comes too early (it
overtook a fragmented message, or a login is still being judged) is parked; what nobody waits for
is counted and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from ike_engine.errors import IkeError, Malformed
from ike_engine.events import DatagramDropped, IsakmpSaEstablished
from ike_engine.exchange import OWNED, Exchange, Host, Incident, park
from ike_engine.ikev1 import informational
from ike_engine.ikev1.crowd import Crowd
from ike_engine.ikev1.envelope import Phase1Transport, Phase2Transport
from ike_engine.ikev1.fragmentation import Reassemblies
from ike_engine.ikev1.isakmp_sa import IsakmpSa
from ike_engine.ikev1.messages import Informational
from ike_engine.ikev1.numbers import ExchangeType, NotifyType, PayloadType, ProtocolId
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, Delete, Fragment, Notification
from ike_engine.ikev1.transcript import Transcript
from ike_engine.policy import Phase1Mode, Policy
from ike_engine.wire.chain import parse_chain
from ike_engine.wire.header import HEADER_OCTETS, Flags, Header

if TYPE_CHECKING:
    from datetime import datetime

    from ike_engine.ikev1.dead_peer_detection import DeadPeerDetection
    from ike_engine.path import Path
    from ike_engine.peer import Peer, Peers

NO_COOKIE = bytes(8)
MODES = {ExchangeType.IDENTITY_PROTECTION: Phase1Mode.MAIN, ExchangeType.AGGRESSIVE: Phase1Mode.AGGRESSIVE}

LONGEST_PHASE_1_MESSAGE = 16_384
"""Octets; more than any certificate chain needs. Of what it holds, much is kept until a login is over."""

Run = Callable[[Exchange], Coroutine[object, Any, Any]]


def never_answered(sa: IsakmpSa) -> bool:
    """Whether nothing but message 1 came, which may carry a stranger's address."""
    return not sa.initiator and (sa.phase_1 is None or sa.phase_1.taken < 2)


class Role(Protocol):
    """What an SA is for: the gateway's side of remote access, or the client's."""

    def phase_1(self, sa: IsakmpSa) -> Exchange:
        """The exchange that answers message 1 (gateway only)."""

    def phase_2(self, sa: IsakmpSa, exchange_type: int, transport: Phase2Transport) -> Exchange | None:
        """A new exchange that the peer begins; ``None``: too early, park it."""

    def doubted(self, sa: IsakmpSa) -> None:
        """A message of phase 1 was not believed, or the peer complained unprotected."""

    def notified(self, sa: IsakmpSa, notification: Notification) -> None:
        """An authentic notification other than of DPD."""

    def children_deleted(self, sa: IsakmpSa, spis: tuple[int, ...]) -> None:
        """The peer deleted ESP SAs, named by SPI."""

    def isakmp_deleted(self, sa: IsakmpSa) -> None:
        """The peer deleted this ISAKMP SA."""


class Associations:
    """The ISAKMP SAs of one endpoint and what they share.

    Attributes:
        gateway, client: The two roles; set once by whoever builds them around this.
    """

    gateway: Role
    client: Role
    dpd: DeadPeerDetection

    def __init__(
        self,
        host: Host,
        policy: Policy,
        peers: Peers,
        *,
        entropy: Callable[[int], bytes],
        wall_clock: Callable[[], datetime],
        draw_cookie: Callable[[], bytes],
    ) -> None:
        self.host = host
        self.policy = policy
        self.peers = peers
        self.entropy = entropy
        self.wall_clock = wall_clock
        self._draw_cookie = draw_cookie
        self._by_own_cookie: dict[bytes, IsakmpSa] = {}
        self._by_first_message: dict[tuple[bytes, str], IsakmpSa] = {}
        self._half_open: Crowd[IsakmpSa] = Crowd()
        self._logging_in: Crowd[IsakmpSa] = Crowd()
        self._reassemblies = Reassemblies()
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._by_own_cookie)

    @property
    def half_open(self) -> int:
        """SAs whose phase 1 is not done."""
        return len(self._half_open)

    # ---- datagrams --------------------------------------------------------------------------------

    def receive(self, header: Header, data: bytes, path: Path) -> None:
        """Take in one IKEv1 datagram; anything may be in it."""
        fragments = 1
        if header.next_payload == PayloadType.FRAGMENT:
            whole = self._reassemble(header, data, path)
            if whole is None:
                return
            data, fragments = whole, 2  # or more
            header = Header.parse(data)
            if header.next_payload == PayloadType.FRAGMENT:
                raise Malformed("fragments within fragments")
        if header.exchange_type in MODES and header.length > LONGEST_PHASE_1_MESSAGE:
            raise Malformed(f"a message of {header.length} octets in phase 1")
        sa = self._find(header, path)
        if sa is None:
            if header.responder_spi != NO_COOKIE:
                self._drop(path, "unknown cookies")
            else:
                self._first_message(header, data, path)
            return
        sa.transcript.fragments = fragments
        try:
            self._of_sa(sa, header, data, path)
        except IkeError as error:
            sa.transcript.happened(Incident.DROPPED, str(error))
            raise

    def _of_sa(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        if header.exchange_type in MODES:
            self._phase_1(sa, header, data, path)
        elif sa.closing:
            self._drop(path, "the SA is closing")
        elif header.exchange_type == ExchangeType.INFORMATIONAL:
            self._informational(sa, header, data, path)
        else:
            self._phase_2(sa, header, data, path)

    def _find(self, header: Header, path: Path) -> IsakmpSa | None:
        """By our own cookie; a repeated message 1 does not know the responder's yet."""
        if header.responder_spi == NO_COOKIE:
            sa = self._by_first_message.get((header.initiator_spi, path.remote.ip))
            if sa is None and header.exchange_type == ExchangeType.INFORMATIONAL:
                # A responder that refuses our message 1 may do so before it has a cookie.
                sa = self._by_own_cookie.get(header.initiator_spi)
                return sa if sa is not None and sa.initiator and not sa.established else None
            return sa
        sa = self._by_own_cookie.get(header.responder_spi)
        if sa is not None and not sa.initiator and sa.cky_i == header.initiator_spi:
            return sa
        sa = self._by_own_cookie.get(header.initiator_spi)
        if sa is not None and sa.initiator and sa.cky_r in (NO_COOKIE, header.responder_spi):
            return sa
        return None

    def _reassemble(self, header: Header, data: bytes, path: Path) -> bytes | None:
        """Fragments may come before there is any state for their cookies: what is held is bounded in every way."""
        payloads, _ = parse_chain(header.next_payload, data[HEADER_OCTETS : header.length], IKEV1_PAYLOADS)
        fragment = payloads[0]
        if not isinstance(fragment, Fragment):
            raise Malformed("no fragment")
        sa = self._find(header, path)
        known = sa is not None and sa.path.remote.ip == path.remote.ip
        key = (header.initiator_spi, header.responder_spi, path, fragment.identifier)
        return self._reassemblies.add(key, path.remote.ip, fragment, self.host.now, self.policy.limits, known=known)

    def _first_message(self, header: Header, data: bytes, path: Path) -> None:
        mode = MODES.get(header.exchange_type)  # type: ignore[call-overload]
        if mode is None or header.initiator_spi == NO_COOKIE or header.flags & Flags.ENCRYPTION:
            self._drop(path, "no first message of a known exchange")
            return
        if not self._room_for(path.remote.ip):
            self._drop(path, "too many half-open SAs")
            return
        sa = self._new(header.initiator_spi, self._draw_cookie(), path, initiator=False)
        sa.mode = mode
        exchange = sa.phase_1 = self.gateway.phase_1(sa)
        exchange.on_datagram(data, path)
        if not exchange.taken:
            self.drop_exchange(path, exchange)
            self.remove(sa)

    def _room_for(self, source: str) -> bool:
        """Whether one more may try: who never answered makes way, who is at work stays."""
        limits = self.policy.limits
        if not self._logging_in.room_for(source, limits.logging_in, limits.logging_in_per_source):
            return False
        if self._half_open.room_for(source, limits.half_open, limits.half_open_per_source):
            return True
        silent = self._half_open.oldest(source, limits.half_open_per_source, never_answered)
        if silent is None:
            return False
        self.remove(silent)
        return True

    def _phase_1(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        if sa.phase_1 is None or header.message_id:
            self._drop(path, "no phase 1 is under way")
            return
        learning = sa.initiator and sa.cky_r == NO_COOKIE
        if learning:
            sa.cky_r = header.responder_spi
        before = sa.phase_1.dropped
        sa.phase_1.on_datagram(data, path)
        if sa.phase_1.dropped > before:
            self.drop_exchange(path, sa.phase_1)
            self._role(sa).doubted(sa)
            if learning and not sa.phase_1.taken:
                sa.cky_r = NO_COOKIE

    def _phase_2(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        exchange = sa.exchanges.get(header.message_id)
        if exchange is None:
            if not header.message_id or header.exchange_type not in (ExchangeType.TRANSACTION, ExchangeType.QUICK):
                self._drop(path, f"no exchange of type {header.exchange_type}", sa)
                return
            if not sa.takes_message_id(header.message_id):
                self._repeated(sa, header, path)
                return
            if len(sa.exchanges) >= self.policy.limits.exchanges_per_sa:
                self._drop(path, "too many exchanges at once", sa)
                return
            role = self._role(sa)
            transport = Phase2Transport(sa, header.exchange_type, header.message_id) if sa.established else None
            exchange = role.phase_2(sa, header.exchange_type, transport) if transport is not None else None
            if exchange is None:
                # quirk: strongSwan 5.9.8, RSA aggressive: Mode Config overtakes the fragments of message 3.
                park(sa.parked, data, path)
                return
            sa.exchanges[header.message_id] = exchange
            if not exchange.on_datagram(data, path):
                self.drop_exchange(path, exchange)
                sa.exchanges.pop(header.message_id, None)
                exchange.discard()
                return
            sa.claim_message_id(header.message_id)
            self._heard(sa)
            return
        before = exchange.dropped
        if exchange.on_datagram(data, path):
            self._heard(sa)
        elif exchange.dropped > before:
            self.drop_exchange(path, exchange)

    def unpark(self, sa: IsakmpSa) -> None:
        """Something was decided: look again at what came too early."""
        parked, sa.parked = sa.parked, []
        for data, path in parked:
            try:
                self.receive(Header.parse(data), data, path)
            except IkeError as error:
                self._drop(path, str(error))

    def _heard(self, sa: IsakmpSa) -> None:
        """Something new and authentic came: the peer lives, where the SA's path says."""
        if sa.peer is not None and not sa.peer.gone and sa.peer.ike_sas and sa.peer.ike_sas[-1] is sa:
            self.peers.heard(sa.peer, sa.path)

    def _informational(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        if not header.flags & Flags.ENCRYPTION or not sa.established:
            self._clear_informational(sa, header, data, path)
            return
        if not sa.takes_message_id(header.message_id):
            self._repeated(sa, header, path)
            return
        opened = Phase2Transport(sa, ExchangeType.INFORMATIONAL, header.message_id).open(data, path)
        message = Informational.match(opened.payloads)
        sa.claim_message_id(header.message_id)
        opened.take()
        self._heard(sa)
        for notification in message.notifications:
            if notification.type in (NotifyType.R_U_THERE, NotifyType.R_U_THERE_ACK):
                self.dpd.received(sa, notification)
            else:
                self._role(sa).notified(sa, notification)
        for delete in message.deletes:
            self._deleted(sa, delete)

    def _deleted(self, sa: IsakmpSa, delete: Delete) -> None:
        role = self._role(sa)
        if delete.protocol == ProtocolId.ESP:
            role.children_deleted(sa, tuple(int.from_bytes(spi, "big") for spi in delete.spis))
        elif delete.protocol == ProtocolId.ISAKMP and (sa.cky_i + sa.cky_r) in delete.spis and not sa.closing:
            role.isakmp_deleted(sa)

    def _clear_informational(self, sa: IsakmpSa, header: Header, data: bytes, path: Path) -> None:
        """Nobody can be sure who wrote it: it is told to the administrator. Only a client gives up on it."""
        if header.flags & Flags.ENCRYPTION:
            self._drop(path, "encrypted before phase 1 is done", sa)
            return
        payloads, _ = parse_chain(header.next_payload, data[HEADER_OCTETS : header.length], IKEV1_PAYLOADS)
        sa.transcript.note(False, header.exchange_type, 1, False, 1, payloads, header.length)
        errors = [p for p in payloads if isinstance(p, Notification) and p.type < NotifyType.CONNECTED]
        if errors and not sa.established:
            sa.complaint = NotifyType(errors[0].type).name.replace("_", "-")
            if sa.initiator:
                self.client.notified(sa, errors[0])
            else:
                self.gateway.doubted(sa)
        else:
            self._drop(path, "clear informational", sa)

    def _role(self, sa: IsakmpSa) -> Role:
        return self.client if sa.initiator else self.gateway

    def _drop(self, path: Path, reason: str, sa: IsakmpSa | None = None) -> None:
        if sa is not None:
            sa.transcript.happened(Incident.DROPPED, reason)
        self.host.emit(DatagramDropped(path, reason))

    def _repeated(self, sa: IsakmpSa, header: Header, path: Path) -> None:
        """A message id that was used: brought twice by the network, or replayed by somebody. Or there were too many."""
        reason = "message id used before, or too many"
        if header.message_id not in sa.used_message_ids:
            self._drop(path, reason, sa)
            return
        sa.transcript.happened(Incident.DUPLICATE)
        self._drop(path, reason)

    def drop_exchange(self, path: Path, exchange: Exchange) -> None:
        """Report what an exchange dropped."""
        self._drop(path, f"{exchange.name}: {exchange.last_drop or 'not wanted'}")

    # ---- SAs --------------------------------------------------------------------------------------

    def _new(self, cky_i: bytes, cky_r: bytes, path: Path, *, initiator: bool) -> IsakmpSa:
        self._numbers += 1
        sa = IsakmpSa(
            number=self._numbers,
            initiator=initiator,
            cky_i=cky_i,
            cky_r=cky_r,
            path=path,
            first_path=path,
            created=self.host.now,
            transcript=Transcript(self.host),
        )
        self._by_own_cookie[cky_i if initiator else cky_r] = sa
        if not initiator:
            self._by_first_message[cky_i, path.remote.ip] = sa
        self._half_open.add(sa.number, path.remote.ip, sa)
        return sa

    def initiate(self, path: Path) -> IsakmpSa:
        """A new SA of which we are the initiator."""
        return self._new(self._draw_cookie(), NO_COOKIE, path, initiator=True)

    def adopt(self, sa: IsakmpSa) -> None:
        """An SA that an earlier process made: complete, with a peer."""
        self._numbers += 1
        sa.number = self._numbers
        self._by_own_cookie[sa.cky_r] = sa
        self._by_first_message[sa.cky_i, sa.first_path.remote.ip] = sa

    def established(self, sa: IsakmpSa) -> None:
        """Phase 1 is done. A client has yet to log in."""
        sa.established = True
        self._half_open.remove(sa.number)
        if not sa.initiator:
            self._logging_in.add(sa.number, sa.first_path.remote.ip, sa)

    def authorized(self, sa: IsakmpSa) -> None:
        """The login was accepted."""
        sa.authorized = True
        self._logging_in.remove(sa.number)

    def announce(self, sa: IsakmpSa, peer: Peer, lifetime_seconds: int, *, carried_over: bool) -> None:
        """Tell the outside of an SA whose peer is logged in."""
        self.host.emit(
            IsakmpSaEstablished(
                isakmp_sa=sa.number,
                peer_id=peer.id,
                initiator_spi=sa.cky_i,
                responder_spi=sa.cky_r,
                suite=str(sa.agreed),
                authentication=sa.authentication.value if sa.authentication else "",
                mode=sa.mode.value if sa.mode else "",
                lifetime_seconds=lifetime_seconds,
                carried_over=carried_over,
            )
        )

    def remove(self, sa: IsakmpSa) -> None:
        """Nothing more is sent or received under this SA. Its exchanges end; their failures are not news."""
        if sa.closing:
            return
        sa.closing = True
        sa.stop_timers()
        self._half_open.remove(sa.number)
        self._logging_in.remove(sa.number)
        for exchange in (sa.phase_1, *sa.exchanges.values()):
            if exchange is not None:
                exchange.discard()
        sa.exchanges.clear()
        sa.parked.clear()
        if sa.peer is not None and sa in sa.peer.ike_sas:
            sa.peer.ike_sas.remove(sa)
        self._by_own_cookie.pop(sa.cky_i if sa.initiator else sa.cky_r, None)
        self._by_first_message.pop((sa.cky_i, sa.first_path.remote.ip), None)

    # ---- exchanges ----------------------------------------------------------------------------------

    def begin(
        self,
        sa: IsakmpSa,
        exchange_type: ExchangeType,
        name: str,
        run: Callable[[Exchange, Phase2Transport], Coroutine[object, Any, Any]],
        *,
        finished: Callable[[Any], None] | None = None,
        failed: Callable[[IkeError], None] | None = None,
    ) -> Exchange:
        """Start a phase 2 exchange of ours under a fresh message id."""
        transport = self.next_transport(sa, exchange_type)
        exchange = self.exchange(sa, transport, name, run, OWNED, finished, failed)
        sa.exchanges[transport.message_id] = exchange
        exchange.resume()
        return exchange

    def next_transport(self, sa: IsakmpSa, exchange_type: ExchangeType) -> Phase2Transport:
        """The transport of a fresh message id."""
        return Phase2Transport(sa, exchange_type, informational.draw_message_id(sa, self.entropy))

    def exchange(
        self,
        sa: IsakmpSa,
        transport: Phase2Transport,
        name: str,
        run: Callable[[Exchange, Phase2Transport], Coroutine[object, Any, Any]],
        retransmissions: int = 0,
        finished: Callable[[Any], None] | None = None,
        failed: Callable[[IkeError], None] | None = None,
    ) -> Exchange:
        """A phase 2 exchange, for ``Exchange.on_datagram`` or ``resume`` to start."""

        def forgotten() -> None:
            for message_id in [m for m, other in sa.exchanges.items() if other is exchange]:
                del sa.exchanges[message_id]

        exchange = Exchange(
            self.host,
            transport,
            name=name,
            retransmissions=retransmissions,
            deadline_seconds=self.policy.limits.exchange_seconds,
            finished=finished,
            failed=failed,
            forgotten=forgotten,
        )
        exchange.prepare(run(exchange, transport))
        return exchange

    def phase_1_exchange(
        self,
        sa: IsakmpSa,
        name: str,
        run: Run,
        retransmissions: int,
        finished: Callable[[Any], None],
        failed: Callable[[IkeError], None],
    ) -> Exchange:
        """The phase 1 exchange of an SA, to be started like any other."""
        exchange = Exchange(
            self.host,
            Phase1Transport(sa),
            name=name,
            retransmissions=retransmissions,
            deadline_seconds=self.policy.limits.exchange_seconds,
            finished=finished,
            failed=failed,
            forgotten=lambda: setattr(sa, "phase_1", None) if sa.phase_1 is exchange else None,
        )
        exchange.prepare(run(exchange))
        return exchange

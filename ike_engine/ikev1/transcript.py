"""The transcript of a peer's exchanges: a few references a message while it happens, words when somebody asks.

Every message of every login is noted, so it must cost next to nothing: what is the same for all peers
(direction, exchange, payloads) is one shared object, and four slots of one list are a message. What is kept of
payloads never is a secret: of Xauth and Mode Config the names of the attributes, of a name or a
selector its octets, nothing of keys, nonces, hashes and certificates. Of a long life the first and the last
messages stay; probes of dead peer detection are counted, and of ours the latest are kept one by one.
"""

from __future__ import annotations

import enum
import itertools
from array import array
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ike_engine.errors import Malformed
from ike_engine.exchange import Incident
from ike_engine.identities import Identification
from ike_engine.ikev1.numbers import (
    ExchangeType,
    ModeConfigAttribute,
    NotifyType,
    ProtocolId,
    TransactionType,
    XauthAttribute,
    XauthStatus,
)
from ike_engine.ikev1.payloads import (
    Attributes,
    Certificate,
    CertificateRequest,
    Delete,
    Hash,
    Identity,
    KeyExchange,
    NatDetection,
    NatOriginalAddress,
    Nonce,
    Notification,
    SecurityAssociation,
    Signature,
    Transform,
    VendorId,
)
from ike_engine.ikev1.proposals import understand_esp, understand_phase_1
from ike_engine.transcript import Probe, TranscriptLine, What

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ike_engine.wire.chain import Payload

FIRST: Final = 40
LAST: Final = 40
"""Messages that are kept of a long life: at least so many from either end."""

LATEST_PROBES: Final = 20
"""Probes of ours that are kept one by one."""

_SLOTS: Final = 4
_NEVER: Final = -1.0
_FULL: Final = _SLOTS * (FIRST + 2 * LAST)
_LONGEST_NAME: Final = 1_024
_MOST_SPIS: Final = 16
_MOST_ATTRIBUTES: Final = 48
_LONGEST_REASON: Final = 200

_PHASE_1: Final = (int(ExchangeType.IDENTITY_PROTECTION), int(ExchangeType.AGGRESSIVE))
_INFORMATIONAL: Final = int(ExchangeType.INFORMATIONAL)
_PROBES: Final = (int(NotifyType.R_U_THERE), int(NotifyType.R_U_THERE_ACK))
_STATUS_ALONE: Final = (int(XauthAttribute.STATUS),)

_ABBREVIATIONS: Final[dict[type[Payload], str]] = {
    SecurityAssociation: "SA",
    KeyExchange: "KE",
    Nonce: "NONCE",
    Identity: "ID",
    Certificate: "CERT",
    CertificateRequest: "CERTREQ",
    Hash: "HASH",
    Signature: "SIG",
    Notification: "N",
    Delete: "D",
    VendorId: "VID",
    Attributes: "ATTR",
    NatDetection: "NAT-D",
    NatOriginalAddress: "NAT-OA",
}
_EXCHANGES: Final = {
    ExchangeType.IDENTITY_PROTECTION: "main mode",
    ExchangeType.AGGRESSIVE: "aggressive mode",
    ExchangeType.INFORMATIONAL: "informational",
    ExchangeType.QUICK: "quick mode",
}
_OF_INCIDENTS: Final = {
    Incident.REPEATED: What.REPEATED,
    Incident.DUPLICATE: What.DUPLICATE,
    Incident.DROPPED: What.DROPPED,
}


class Clock(Protocol):
    """Who knows the time: the endpoint."""

    now: float


class _Kind(NamedTuple):
    """All that messages of different peers have in common.

    Attributes:
        names: Of the payloads.
        telling: Which of the payloads say something, and what takes it from them.
    """

    sent: bool
    exchange: int
    number: int
    protected: bool
    fragments: int
    names: tuple[str, ...]
    telling: tuple[tuple[int, Callable[[Any], Any]], ...]


class _Mark(enum.Enum):
    PROBES = enum.auto()
    OMITTED = enum.auto()


class Transcript:
    """What was said under one peer's ISAKMP SAs.

    Attributes:
        fragments: How many datagrams brought the message that is being looked at.
    """

    __slots__ = ("_asked", "_clock", "_entries", "fragments")

    def __init__(self, clock: Clock) -> None:
        self.fragments = 1
        self._clock = clock
        # Four slots each: when, kind, octets, what its telling payloads say. Of an incident: when, which, how
        # often, in words. Of probes: when, mark, [sent, sent answers, heard, heard answers, last], nothing.
        self._entries: list[Any] = []
        # Four slots each: when, sequence number, how often, when it was answered.
        self._asked = array("d")

    def note(
        self,
        sent: bool,
        exchange: int,
        number: int,
        protected: bool,
        fragments: int,
        payloads: tuple[Payload, ...],
        octets: int,
    ) -> None:
        """Note a message of ours, or one of the peer's that was taken. Written for speed: every message comes here."""
        kind = _kind(sent, exchange, number, protected, fragments, tuple(map(type, payloads)))
        telling, says = kind.telling, None
        if len(telling) == 1:
            ((place, say),) = telling
            says = say(payloads[place])
            if exchange == _INFORMATIONAL and says in _PROBES:
                self._probe(sent, says, payloads[place].data)  # type: ignore[attr-defined]
                return
        elif telling:
            says = tuple([say(payloads[place]) for place, say in telling])
        entries = self._entries
        entries += (self._clock.now, kind, octets, says)
        if len(entries) >= _FULL:
            self._trim()

    def happened(self, incident: Incident, words: str = "") -> None:
        """Note what became of a message; the same once more is counted."""
        entries, words = self._entries, words[:_LONGEST_REASON]
        if entries and entries[-3] is incident and entries[-1] == words:
            entries[-2] += 1
        else:
            self._add(self._clock.now, incident, 1, words)

    def join(self, earlier: Transcript) -> None:
        """Go on where the peer's earlier ISAKMP SA is: from now on they are one."""
        earlier._entries += self._entries
        self._entries = earlier._entries
        self._asked = earlier._asked
        self._trim()

    def lines(self) -> tuple[TranscriptLine, ...]:
        """All of it in words."""
        return tuple(_lines(self._entries, self._asked))

    def _probe(self, sent: bool, says: int, sequence: bytes) -> None:
        entries, now = self._entries, self._clock.now
        # A probe that came twice, or could not be read, stands behind the probes: they are counted on in front of it.
        place = -2 * _SLOTS if len(entries) >= 2 * _SLOTS and isinstance(entries[-3], Incident) else -_SLOTS
        if not entries or entries[place + 1] is not _Mark.PROBES:
            self._add(now, _Mark.PROBES, [0, 0, 0, 0, now], None)
            place = -_SLOTS
        counts = entries[place + 2]
        counts[2 * (not sent) + _PROBES.index(says)] += 1
        counts[4] = now
        if sent == (says == NotifyType.R_U_THERE):
            self._question(now, int.from_bytes(sequence, "big"), sent)

    def _question(self, now: float, sequence: int, ask: bool) -> None:
        """Keep a probe of ours, or its answer."""
        asked = self._asked
        latest = bool(asked) and asked[-3] == sequence and asked[-1] == _NEVER
        if latest and ask:
            asked[-2] += 1
        elif latest:
            asked[-1] = now
        elif ask:
            asked.extend((now, sequence, 1, _NEVER))
            del asked[: -_SLOTS * LATEST_PROBES]

    def _add(self, *slots: object) -> None:
        self._entries += slots
        if len(self._entries) >= _FULL:
            self._trim()

    def _trim(self) -> None:
        """Take out of the middle what is neither among the first nor among the last."""
        entries = self._entries
        start, end = _SLOTS * FIRST, len(entries) - _SLOTS * LAST
        if end <= start + _SLOTS:
            return
        gone = [entries[at : at + _SLOTS] for at in range(start, end, _SLOTS)]
        count = sum(times if mark is _Mark.OMITTED else 1 for _, mark, times, _ in gone)
        entries[start:end] = (gone[0][0], _Mark.OMITTED, count, None)


@lru_cache(maxsize=4_096)
def _kind(
    sent: bool,
    exchange: int,
    number: int,
    protected: bool,
    fragments: int,
    payloads: tuple[type[Payload], ...],
) -> _Kind:
    telling = tuple((place, _SAYING[kind]) for place, kind in enumerate(payloads) if kind in _SAYING)
    names = _names(payloads, hashed=protected and exchange not in _PHASE_1)
    return _Kind(sent, exchange, number, protected, fragments, names, telling)


# ---- what is kept of payloads -------------------------------------------------------------------


def _say_proposal(payload: SecurityAssociation) -> tuple[bytes, Transform] | int:
    """The one that was chosen, as it is; of an offer only how much it is."""
    (proposal, *others) = payload.proposals
    if others or len(proposal.transforms) > 1:
        return sum([len(each.transforms) for each in payload.proposals])
    return proposal.spi, proposal.transforms[0]


def _say_identity(payload: Identity) -> tuple[int, bytes]:
    return payload.kind, payload.data[:_LONGEST_NAME]


def _say_notification(payload: Notification) -> int:
    return payload.type


def _say_delete(payload: Delete) -> tuple[int, tuple[bytes, ...]]:
    return payload.protocol, payload.spis[:_MOST_SPIS]


def _say_attributes(payload: Attributes) -> tuple[int, tuple[int, ...], int | None]:
    """Which attributes, never what is in them; but for the status, which is said in as many words."""
    types = tuple([attribute[0] for attribute in payload.attributes[:_MOST_ATTRIBUTES]])
    status = payload.attributes[0].value if types == _STATUS_ALONE else None
    return _shared(int(payload.type), types, status if isinstance(status, int) else None)


@lru_cache(maxsize=1_024)
def _shared(action: int, types: tuple[int, ...], status: int | None) -> tuple[int, tuple[int, ...], int | None]:
    """Clients of one kind ask for the same: kept once."""
    return action, types, status


_SAYING: Final[dict[type[Payload], Callable[[Any], Any]]] = {
    SecurityAssociation: _say_proposal,
    Identity: _say_identity,
    Notification: _say_notification,
    Delete: _say_delete,
    Attributes: _say_attributes,
}


# ---- in words -------------------------------------------------------------------------------------


def _lines(entries: list[Any], asked: array[float]) -> Iterator[TranscriptLine]:
    transaction = ""
    probes = [
        Probe(asked[place], int(asked[place + 2]), None if asked[place + 3] == _NEVER else asked[place + 3])
        for place in range(0, len(asked), _SLOTS)
    ]
    for start in range(0, len(entries), _SLOTS):
        at, kind, count, says = entries[start : start + _SLOTS]
        if isinstance(kind, _Kind):
            if kind.exchange == ExchangeType.TRANSACTION:
                transaction = _transaction(kind, says) or transaction
            yield TranscriptLine(
                at=at,
                sent=kind.sent,
                exchange=transaction if kind.exchange == ExchangeType.TRANSACTION else _exchange(kind.exchange),
                number=kind.number,
                protected=kind.protected,
                payloads=kind.names,
                octets=count,
                fragments=kind.fragments,
                says=_words(kind, says),
            )
        elif isinstance(kind, Incident):
            yield TranscriptLine(
                at=at, what=_OF_INCIDENTS[kind], sent=kind is Incident.REPEATED, says=says, times=count
            )
        elif kind is _Mark.OMITTED:
            yield TranscriptLine(at=at, what=What.OMITTED, times=count)
        else:
            yield _probes(at, probes, *count)


def _probes(
    at: float, probes: list[Probe], sent: int, answered: int, heard: int, acknowledged: int, until: float
) -> TranscriptLine:
    """Dead peer detection since the message before."""
    parts = []
    if sent or acknowledged:
        parts.append(f"we probed {sent} {_times(sent)}, the peer answered {acknowledged}")
    if heard or answered:
        parts.append(f"the peer probed {heard} {_times(heard)}, we answered {answered}")
    return TranscriptLine(
        at=at,
        what=What.PROBES,
        until=until,
        sent=bool(sent),
        exchange="dead peer detection",
        protected=True,
        payloads=("HASH", "N"),
        says="; ".join(parts),
        times=sent + answered + heard + acknowledged,
        probes=tuple(each for each in probes if at <= each.at <= until),
    )


def _times(number: int) -> str:
    return "time" if number == 1 else "times"


def _exchange(number: int) -> str:
    return _EXCHANGES.get(number) or f"exchange {number}"  # type: ignore[call-overload]


def _transaction(kind: _Kind, says: Any) -> str:  # noqa: ANN401
    """Xauth or Mode Config, by the attributes; an acknowledgement may have none: it belongs to what it answers."""
    for say, value in _said(kind, says):
        if say is _say_attributes and value[1]:
            xauth = any(number in XauthAttribute._value2member_map_ for number in value[1])
            return "Xauth" if xauth else "Mode Config"
    return ""


def _said(kind: _Kind, says: Any) -> Iterator[tuple[Callable[[Any], Any], Any]]:  # noqa: ANN401  by what says it
    """Each thing that the payloads say, with what it was taken by."""
    values = (says,) if len(kind.telling) == 1 else says or ()
    return ((say, value) for (_, say), value in zip(kind.telling, values, strict=True))


def _names(payloads: tuple[type[Payload], ...], *, hashed: bool) -> tuple[str, ...]:
    """Equal neighbours are counted; phase 2 begins with a HASH that the envelope takes off."""
    names = ["HASH"] if hashed else []
    for name, same in itertools.groupby(map(_abbreviation, payloads)):
        count = len(list(same))
        names.append(name if count == 1 else f"{count} {name}")
    return tuple(names)


def _abbreviation(kind: type[Payload]) -> str:
    return next((name for each, name in _ABBREVIATIONS.items() if issubclass(kind, each)), "unknown")


def _words(kind: _Kind, says: Any) -> str:  # noqa: ANN401
    said: list[str] = []
    selectors: list[str] = []
    for say, value in _said(kind, says):
        if say is _say_identity:
            name = str(Identification(*value))
            if kind.exchange == ExchangeType.QUICK:
                selectors.append(name)
            else:
                said.append(f"identity {name}")
        elif say is _say_proposal:
            said.append(_proposal_words(kind, value))
        else:
            said.append(_IN_WORDS[say](value))
    if selectors:
        said.append(f"traffic between {' and '.join(selectors)}")
    return "; ".join(filter(None, said))


def _proposal_words(kind: _Kind, value: tuple[bytes, Transform] | int) -> str:
    verb = "offers" if kind.number == 1 else "chooses"
    if isinstance(value, int):
        return f"{verb} {value} transforms"
    spi, transform = value
    try:
        if kind.exchange == ExchangeType.QUICK:
            esp = understand_esp(transform)
            return f"{verb} {esp.words}, SPI {spi.hex()}{_lasting(esp.lifetime.seconds)}"
        isakmp = understand_phase_1(transform)
    except Malformed:
        return f"{verb} a transform that cannot be read"
    return f"{verb} {isakmp.words}{_lasting(isakmp.lifetime.seconds)}"


def _lasting(seconds: int) -> str:
    return f", {seconds} s" if seconds else ""


@lru_cache(maxsize=256)
def _notification_words(value: int) -> str:
    return NotifyType(value).name.replace("_", "-")


def _delete_words(value: tuple[int, tuple[bytes, ...]]) -> str:
    protocol, spis = value
    if protocol == ProtocolId.ISAKMP:
        return "deletes the ISAKMP SA"
    return f"deletes {ProtocolId(protocol).name} {', '.join(spi.hex() for spi in spis)}"


@lru_cache(maxsize=1_024)
def _attribute_words(value: tuple[int, tuple[int, ...], int | None]) -> str:
    action, types, status = value
    if action == TransactionType.ACK:
        return "acknowledges"
    if status is not None:
        return f"status {XauthStatus(status).name if status in (0, 1) else status}"
    verb = {TransactionType.REQUEST: "asks for", TransactionType.REPLY: "gives", TransactionType.SET: "sets"}
    names = ", ".join(dict.fromkeys(map(_attribute_name, types))) or "nothing"
    return f"{verb.get(action) or TransactionType(action).name} {names}"  # type: ignore[call-overload]


def _attribute_name(number: int) -> str:
    known = XauthAttribute if number in XauthAttribute._value2member_map_ else ModeConfigAttribute
    name = known(number).name
    for prefix in ("INTERNAL_IP4_", "INTERNAL_", "UNITY_"):
        name = name.removeprefix(prefix)
    return name.lower().replace("_", " ")


_IN_WORDS: Final[dict[Callable[[Any], Any], Callable[[Any], str]]] = {
    _say_notification: _notification_words,
    _say_delete: _delete_words,
    _say_attributes: _attribute_words,
}

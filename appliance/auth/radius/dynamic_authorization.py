"""Orders from RADIUS servers about sessions: Disconnect and CoA (RFC 5176).

        server                                        gateway
    Disconnect-Request | CoA-Request  -->  (UDP 3799)
                                      <--  -ACK | -NAK with Error-Cause

Only servers that the administrator lets do so are heard, each for the sessions of its own realm. What
is not authentic is dropped without an answer, and so is what is older than the window; a repetition gets
the answer of the first time and changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from pyrad import packet as radius

from appliance.auth.radius import replies
from appliance.auth.radius.attributes import Attributes
from appliance.auth.radius.dictionary import DICTIONARY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from ipaddress import IPv4Address

    from appliance.auth.verdicts import Claim
    from appliance.policy.attributes import AccessPolicy
    from ike_engine.secret import Secret

logger = structlog.get_logger(__name__)

WINDOW_SECONDS: Final = 300.0
"""How old or how far ahead an Event-Timestamp may be (RFC 5176 section 6.3)."""

_MOST_REMEMBERED: Final = 10_000
_LARGEST: Final = 4096  # RFC 2865 section 3
_SELECTING: Final = frozenset(
    {"User-Name", "Acct-Session-Id", "Framed-IP-Address", "Calling-Station-Id", "Called-Station-Id", "NAS-Port"}
)
_ABOUT_US: Final = frozenset({"NAS-Identifier", "NAS-IP-Address", "NAS-Port-Type"})
_ABOUT_THE_REQUEST: Final = frozenset({"Event-Timestamp", "Message-Authenticator", "Proxy-State", "State"})
_CHANGING: Final = frozenset({"Session-Timeout", "Idle-Timeout", "Acct-Interim-Interval", "Filter-Id"})
_DISCONNECT_MAY_SAY: Final = frozenset({"Acct-Terminate-Cause", "Reply-Message"})

# Error-Cause (RFC 5176 section 3.5).
_UNSUPPORTED_ATTRIBUTE: Final = "Unsupported-Attribute"
_MISSING_ATTRIBUTE: Final = "Missing-Attribute"
_OTHER_NAS: Final = "NAS-Identification-Mismatch"
_INVALID_VALUE: Final = "Invalid-Attribute-Value"
_UNSUPPORTED_SERVICE: Final = "Unsupported-Service"
_NO_SESSION: Final = "Session-Context-Not-Found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orderer:
    """A server that may give orders.

    Attributes:
        realm: About whose sessions.
        names: NAS-Identifier and NAS-IP-Address by which it may call us.
    """

    realm: str
    secret: Secret = field(repr=False)
    names: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which sessions are meant: all that is given must be so.

    Attributes:
        realm: Only sessions that this realm let in.
        user: User-Name.
        session_id: Acct-Session-Id.
        address: Virtual IP.
        client, gateway: Addresses of both ends outside the tunnel.
        port: NAS-Port.
    """

    realm: str
    user: str | None = None
    session_id: str | None = None
    address: IPv4Address | None = None
    client: str | None = None
    gateway: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be different.

    Attributes:
        limits: Time limits and the interim interval; only what is set.
        groups: In place of those that the realm named before; ``None``: the same.
    """

    limits: AccessPolicy
    groups: tuple[str, ...] | None = None

    def of(self, claim: Claim) -> Claim:
        """Give what the realm says now."""
        attributes = type(self.limits).model_validate(claim.attributes.said() | self.limits.said())
        return replace(claim, attributes=attributes, groups=claim.groups if self.groups is None else self.groups)


class Sessions(Protocol):
    """Who carries the orders out."""

    def disconnect(self, selection: Selection, by: str) -> int:
        """End these sessions; tells how many there were."""

    def change(self, selection: Selection, change: Change, by: str) -> int:
        """Have these sessions go on under other terms; tells how many there were."""


class _Nak(Exception):
    """The order is refused, for this Error-Cause."""


class DynamicAuthorization:
    """Answers datagrams.

    Args:
        sessions: Carries out what is ordered.
        wall_clock, clock: Aware time, and monotonic seconds.

    Attributes:
        orderers: Who may give orders, by IP address.
        counters: ``ack``, ``nak``, ``repeated``, and what was dropped: ``stranger``, ``bad-authenticator``, ``stale``.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.orderers: Mapping[str, Sequence[Orderer]] = {}
        self.counters: Counter[str] = Counter()
        self._sessions = sessions
        self._wall_clock = wall_clock
        self._clock = clock
        # Whole requests by their authenticator, which covers every octet of them.
        self._answered: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()

    def answer(self, data: bytes, source: str, local: str) -> bytes | None:
        """Carry out what an authentic datagram orders.

        Args:
            data: The datagram.
            source: IP address that it came from.
            local: Our address that it came to.

        Returns:
            The reply, or ``None`` for silence.
        """
        orderers = self.orderers.get(source)
        if not orderers:
            self.counters["stranger"] += 1
            return None
        found = self._authentic(data, orderers)
        if found is None:
            self.counters["bad-authenticator"] += 1
            return None
        request, orderer = found
        attributes = Attributes(request)
        if not self._timely(attributes):
            self.counters["stale"] += 1
            return None
        key = bytes([request.id]) + request.authenticator
        if (earlier := self._answered.get(key)) is not None:
            self.counters["repeated"] += 1
            return earlier[1]
        reply = self._reply(request, attributes, replace(orderer, names=orderer.names | {local}), source)
        self._remember(key, reply)
        return reply

    def _authentic(self, data: bytes, orderers: Sequence[Orderer]) -> tuple[radius.CoAPacket, Orderer] | None:
        if len(data) > _LARGEST or data[:1] not in (bytes([radius.DisconnectRequest]), bytes([radius.CoARequest])):
            return None
        return next(
            ((request, orderer) for orderer in orderers if (request := _verified(data, orderer.secret)) is not None),
            None,
        )

    def _timely(self, attributes: Attributes) -> bool:
        moment = attributes.number("Event-Timestamp")
        return moment is None or abs(self._wall_clock().timestamp() - moment) <= WINDOW_SECONDS

    def _remember(self, key: bytes, reply: bytes) -> None:
        # A request without a timestamp could be replayed for ever: remember as many as there is room for.
        self._answered[key] = (self._clock(), reply)
        if len(self._answered) > _MOST_REMEMBERED:
            self._answered.popitem(last=False)

    def _reply(self, request: radius.CoAPacket, attributes: Attributes, orderer: Orderer, source: str) -> bytes:
        disconnects = request.code == radius.DisconnectRequest
        reply = request.CreateReply()
        try:
            count = self._carry_out(request, attributes, orderer, source, disconnects=disconnects)
        except _Nak as nak:
            self.counters["nak"] += 1
            reply.code = radius.DisconnectNAK if disconnects else radius.CoANAK
            reply["Error-Cause"] = str(nak)
            logger.warning("RADIUS order refused", by=source, realm=orderer.realm, why=str(nak))
        else:
            self.counters["ack"] += 1
            order = "disconnect" if disconnects else "change"
            logger.info("RADIUS order carried out", order=order, by=source, realm=orderer.realm, sessions=count)
        if request.message_authenticator:
            reply.add_message_authenticator()
        octets: bytes = reply.ReplyPacket()
        return octets

    def _carry_out(
        self, request: radius.CoAPacket, attributes: Attributes, orderer: Orderer, source: str, *, disconnects: bool
    ) -> int:
        self._check(request, attributes, orderer, disconnects=disconnects)
        selection, by = _selection(attributes, orderer.realm), f"RADIUS server {source}"
        count = (
            self._sessions.disconnect(selection, by)
            if disconnects
            else self._sessions.change(selection, _change(attributes), by)
        )
        if not count:
            raise _Nak(_NO_SESSION)
        return count

    def _check(self, request: radius.CoAPacket, attributes: Attributes, orderer: Orderer, *, disconnects: bool) -> None:
        """See that the order is for us and asks for nothing that we would silently leave out."""
        for name in ("NAS-Identifier", "NAS-IP-Address"):
            called = attributes.texts(name) if name == "NAS-Identifier" else map(str, attributes.addresses(name))
            if any(each not in orderer.names for each in called):
                raise _Nak(_OTHER_NAS)
        names = {str(name) for name in request.keys()}  # noqa: SIM118  pyrad's own keys are numbers
        if "Service-Type" in names:
            raise _Nak(_UNSUPPORTED_SERVICE)
        known = _SELECTING | _ABOUT_US | _ABOUT_THE_REQUEST | (_DISCONNECT_MAY_SAY if disconnects else _CHANGING)
        if names - known:
            raise _Nak(_UNSUPPORTED_ATTRIBUTE)


def _verified(data: bytes, secret: Secret) -> radius.CoAPacket | None:
    """Give the request if this secret made it."""
    try:
        request = radius.CoAPacket(secret=bytes(secret), dict=DICTIONARY, packet=data)
        authentic = request.VerifyCoARequest() and (
            not request.message_authenticator or request.verify_message_authenticator()
        )
    except Exception:  # noqa: BLE001  decoding comes before verifying: these may be anybody's octets
        return None
    return request if authentic else None


def _selection(attributes: Attributes, realm: str) -> Selection:
    addresses = attributes.addresses("Framed-IP-Address")
    texts = {
        field: next(iter(attributes.texts(name)), None)
        for field, name in (
            ("user", "User-Name"),
            ("session_id", "Acct-Session-Id"),
            ("client", "Calling-Station-Id"),
            ("gateway", "Called-Station-Id"),
        )
    }
    if attributes.octets("Framed-IP-Address") and not addresses:
        raise _Nak(_INVALID_VALUE)
    selection = Selection(realm=realm, address=next(iter(addresses), None), port=attributes.number("NAS-Port"), **texts)
    # What names a user or a session; the ends of a tunnel alone are shared by all behind one NAT.
    if selection.user is None and selection.session_id is None and selection.address is None:
        raise _Nak(_MISSING_ATTRIBUTE)
    return selection


def _change(attributes: Attributes) -> Change:
    groups = tuple(filter(None, map(str.strip, attributes.texts("Filter-Id"))))
    change = Change(limits=replies.limits(attributes), groups=groups or None)
    if not change.limits.said() and change.groups is None:
        given = any(attributes.octets(name) for name in _CHANGING)
        raise _Nak(_INVALID_VALUE if given else _MISSING_ATTRIBUTE)
    return change

"""One RADIUS server: how it is asked, how long its answer is waited for, and whether it is alive."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from appliance.auth.radius.lane import MOST_UNDER_WAY, Lane, Refused
from appliance.models.radius import MessageAuthenticator, PasswordMethod

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyrad.packet import Packet

    from ike_engine.secret import Secret

_MOST_LANES: Final = 16
_LONGEST_PAUSE_SECONDS: Final = 1.0
_SLACK_SECONDS: Final = 0.05  # timers fire when they can


class Silent(Exception):
    """A server gave no answer that could be believed; says why, as far as can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is configured of a server (``models.RadiusServer`` tells the fields)."""

    key: int
    address: str
    secret: Secret = field(repr=False)
    authentication_port: int = 1812
    accounting_port: int = 1813
    timeout_seconds: float = 3.0
    retries: int = 1
    dead_seconds: float = 60.0
    message_authenticator: MessageAuthenticator = MessageAuthenticator.REQUIRE
    method: PasswordMethod = PasswordMethod.PAP
    accounting: bool = True
    dynamic_authorization: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply that is believed.

    Attributes:
        request: What it replies to.
        port: Who gave it.
        round_trip_seconds: From the first sending on.
    """

    request: Packet
    reply: Packet
    port: ServerPort
    round_trip_seconds: float

    @property
    def signed(self) -> bool:
        """Whether it carried a Message-Authenticator."""
        return bool(self.reply.message_authenticator)


class ServerPort:
    """The authentication or the accounting port of a server.

    A server that let a request run into all its timeouts, and gave no reply to any other meanwhile,
    is dead for ``dead_seconds``; then one request tries it again while the others go elsewhere.

    Attributes:
        counters: ``requests``, ``replies``, ``retransmissions``, ``timeouts`` and what was dropped (``Lane``).
        last_error: Why it was silent last, in words; empty while it answers.
    """

    def __init__(self, server: Server, port: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.server = server
        self.port = port
        self.counters: Counter[str] = Counter()
        self.last_error = ""
        self._clock = clock
        self._lanes: list[Lane] = []
        self._opening = asyncio.Lock()
        self._room = asyncio.Semaphore(MOST_UNDER_WAY * _MOST_LANES)
        self._dead_until: float | None = None
        self._replied_at: float | None = None
        self._signs = False

    def __str__(self) -> str:
        address = f"[{self.server.address}]" if ":" in self.server.address else self.server.address
        return f"{address}:{self.port}"

    @property
    def dead(self) -> bool:
        """Whether it did not answer when it was asked last."""
        return self._dead_until is not None

    @property
    def asked(self) -> bool:
        """Whether anything is known of it."""
        return self.dead or self._replied_at is not None

    def claim(self) -> bool:
        """Tell whether a request may go to it now: it lives, or it has been dead long enough and this one is to try."""
        if self._dead_until is None:
            return True
        if self._clock() < self._dead_until:
            return False
        self._dead_until = self._clock() + self.server.timeout_seconds * (1 + self.server.retries)
        return True

    async def exchange(self, make: Callable[[str], Packet], *, patient: bool) -> Answer:
        """Send a request and wait for the reply.

        Args:
            make: Makes the request for a socket with this local address.
            patient: There is nobody else to ask: wait even if the port is closed.

        Raises:
            Silent: there was no reply to believe.
        """
        async with self._room:
            try:
                lane = await self._lane()
            except OSError as failure:
                raise Silent(self.gave_up(self._clock(), f"there is no way to {self}: {failure.strerror}")) from None
            request = make(lane.local_address)
            future = lane.begin(request)
            try:
                return await self._exchange(lane, request, future, patient=patient)
            finally:
                lane.end(request)

    async def _exchange(self, lane: Lane, request: Packet, future: asyncio.Future[Packet], *, patient: bool) -> Answer:
        octets = request.RequestPacket()
        began, dropped_before = self._clock(), self._dropped()
        give_up_at = began + self.server.timeout_seconds * (1 + self.server.retries)
        self.counters["requests"] += 1
        why = "does not answer; does it know this gateway, by the same secret?"
        while True:
            lane.send(octets)
            try:
                async with asyncio.timeout(self.server.timeout_seconds):
                    reply = await asyncio.shield(future)
                return self._answered(request, reply, began)
            except TimeoutError:
                pass
            except Refused:
                why = "does not answer: nothing listens on that port"
                if not patient:
                    break
                future = lane.again(request)
                await asyncio.sleep(min(self.server.timeout_seconds, _LONGEST_PAUSE_SECONDS))
            # When others found out meanwhile that it is dead, there is no use in going on.
            if self._clock() >= give_up_at - _SLACK_SECONDS or (self.dead and not patient):
                break
            self.counters["retransmissions"] += 1
        self.counters["timeouts"] += 1
        if dropped := self._dropped() - dropped_before:
            why = "; ".join(f"{_DROPPED[kind]} ({count})" for kind, count in dropped.items())
        raise Silent(self.gave_up(began, f"{self} {why}"))

    def _answered(self, request: Packet, reply: Packet, began: float) -> Answer:
        now = self._clock()
        self.counters["replies"] += 1
        self._replied_at, self._dead_until, self.last_error = now, None, ""
        self._signs = self._signs or bool(reply.message_authenticator)
        return Answer(request=request, reply=reply, port=self, round_trip_seconds=now - began)

    def gave_up(self, began: float, why: str) -> str:
        """Nobody got an answer since ``began`` in spite of all patience; gives ``why`` again."""
        self.last_error = why
        if self._replied_at is None or self._replied_at < began:
            self._dead_until = self._clock() + self.server.dead_seconds
        return why

    def _dropped(self) -> Counter[str]:
        return Counter({kind: self.counters[kind] for kind in _DROPPED})

    def _must_sign(self) -> bool:
        match self.server.message_authenticator:
            case MessageAuthenticator.REQUIRE:
                return True
            case MessageAuthenticator.AUTO:  # who can sign once and then does not is somebody else
                return self._signs
            case MessageAuthenticator.OFF:
                return False

    async def _lane(self) -> Lane:
        async with self._opening:
            for lane in self._lanes:
                if lane.under_way < MOST_UNDER_WAY:
                    return lane
            lane = await Lane.open(self.server.address, self.port, signed=self._must_sign, counters=self.counters)
            self._lanes.append(lane)
            return lane

    def retire(self) -> None:
        """Close its sockets as soon as nobody waits on them any more."""
        for lane in self._lanes:
            lane.retire()
        self._lanes.clear()


_DROPPED: Final = {
    "bad-authenticator": "answers with a bad authenticator and is not believed; is the secret the same on both sides?",
    "unsigned": "answers without a Message-Authenticator and is not believed; have it send one, or set the server's "
    "message authenticator to auto or off",
}

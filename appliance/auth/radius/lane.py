"""One UDP socket to one port of one server: requests under way by their identifiers, replies believed or dropped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self

from pyrad import packet as radius

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

MOST_UNDER_WAY: Final = 250
"""Requests at once on one socket: an identifier has 8 bits, and a late reply must not find its own taken again."""

_EXPECTED: Final = {
    radius.AccessRequest: {radius.AccessAccept, radius.AccessReject, radius.AccessChallenge},
    radius.StatusServer: {radius.AccessAccept, radius.AccountingResponse},
    radius.AccountingRequest: {radius.AccountingResponse},
}


class Refused(Exception):
    """The machine answers that nothing listens on this port."""


class Lane(asyncio.DatagramProtocol):
    """A connected socket.

    Args:
        signed: Tells whether replies to Access-Request must carry a Message-Authenticator.
        counters: Counts what is dropped: ``bad-authenticator``, ``unsigned``, ``unexpected``.
    """

    def __init__(self, signed: Callable[[], bool], counters: Counter[str]) -> None:
        self._signed = signed
        self._counters = counters
        self._waiting: dict[int, tuple[radius.Packet, asyncio.Future[radius.Packet]]] = {}
        self._last = 0
        self._retired = False
        self._transport: asyncio.DatagramTransport
        self.local_address = ""

    @classmethod
    async def open(cls, address: str, port: int, *, signed: Callable[[], bool], counters: Counter[str]) -> Self:
        """Open a socket to a server.

        Raises:
            OSError: its name is unknown, or there is no way to it.
        """
        loop = asyncio.get_running_loop()
        _, lane = await loop.create_datagram_endpoint(lambda: cls(signed, counters), remote_addr=(address, port))
        return lane

    @property
    def under_way(self) -> int:
        """How many requests wait for a reply."""
        return len(self._waiting)

    def begin(self, request: radius.Packet) -> asyncio.Future[radius.Packet]:
        """Give a request a free identifier, and the future that its reply will be in. End it by ``end``."""
        while (self._last + 1) % 256 in self._waiting:
            self._last = (self._last + 1) % 256
        request.id = self._last = (self._last + 1) % 256
        future = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = (request, future)
        return future

    def again(self, request: radius.Packet) -> asyncio.Future[radius.Packet]:
        """Give another future for the reply of a request that was refused."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = (request, future)
        return future

    def end(self, request: radius.Packet) -> None:
        """Nobody waits for its reply any more."""
        _, future = self._waiting.pop(request.id)
        future.cancel()
        if self._retired and not self._waiting:
            self._transport.close()

    def send(self, octets: bytes) -> None:
        """Send a datagram; the same octets again are a retransmission (RFC 5080 section 2.2.1)."""
        self._transport.sendto(octets)

    def retire(self) -> None:
        """Close the socket as soon as nobody waits any more."""
        self._retired = True
        if not self._waiting:
            self._transport.close()

    # ---- what the event loop calls --------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401  the loop's own
        """The socket is open."""
        self._transport = transport
        self.local_address = str(transport.get_extra_info("sockname")[0])

    def error_received(self, exc: Exception) -> None:
        """ICMP: the port is closed. Whoever waits may turn to another server at once."""
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(Refused(str(exc)))
                future.exception()  # who waited may just have gone

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002  connected: always the server's
        """Something came from the server's address and port; who sent it is another question."""
        request, future = self._waiting.get(data[1] if len(data) > 1 else -1, (None, None))
        if request is None or future is None:
            self._counters["unexpected"] += 1
            return
        try:
            reply = request.CreateReply(packet=data)
            believed = reply.code in _EXPECTED[request.code] and request.VerifyReply(reply, data)
        except Exception:  # noqa: BLE001  decoding comes before verifying: these may be anybody's octets
            believed = False
        if not believed:
            self._counters["bad-authenticator"] += 1
        elif request.code == radius.AccessRequest and not reply.message_authenticator and self._signed():
            self._counters["unsigned"] += 1
        elif not future.done():
            future.set_result(reply)

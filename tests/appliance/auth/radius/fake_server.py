"""A RADIUS server that does what the test says, for what no real one does on purpose."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from pyrad.packet import AccountingRequest, AcctPacket, AuthPacket, Packet

from appliance.auth.radius.dictionary import DICTIONARY
from appliance.auth.radius.server import Server
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = b"between us two"


def accept(request: Packet) -> bytes:
    reply = request.CreateReply()
    return bytes(reply.ReplyPacket())


def accept_unsigned(request: Packet) -> bytes:
    reply = request.CreateReply(message_authenticator=False)
    return bytes(reply.ReplyPacket())


def accept_with_wrong_secret(request: Packet) -> bytes:
    request.secret = b"between us three"
    return accept(request)


def silent(_request: Packet) -> None:
    return None


class FakeServer(asyncio.DatagramProtocol):
    """Listens on a port of its own.

    Attributes:
        answer: Gives the octets of the reply, or ``None`` to stay silent.
        delay: Seconds before each answer.
        requests: What came, decoded; retransmissions too.
        octets: The same as it came.
        senders: Where they came from.
        asked: Set once somebody did.
    """

    def __init__(self, answer: Callable[[Packet], bytes | None] = accept, *, delay: float = 0.0) -> None:
        self.answer = answer
        self.delay = delay
        self.requests: list[Packet] = []
        self.octets: list[bytes] = []
        self.senders: list[Any] = []
        self.asked = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self.transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.transport.close()
        await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        kind = AcctPacket if data[0] == AccountingRequest else AuthPacket
        request = kind(secret=SECRET, dict=DICTIONARY, packet=data, code=data[0])
        self.octets.append(data)
        self.senders.append(addr)
        self.asked.set()
        self.requests.append(request)
        if (reply := self.answer(request)) is not None:
            asyncio.get_running_loop().call_later(self.delay, self.transport.sendto, reply, addr)

    def server(self, **changes: Any) -> Server:
        """Give it as it is configured; who waits for it in vain waits long."""
        fields = {
            "key": self.port,
            "address": "127.0.0.1",
            "authentication_port": self.port,
            "accounting_port": self.port,
            "secret": Secret(SECRET),
            "timeout_seconds": 20.0,
            "retries": 1,
        }
        return Server(**(fields | changes))

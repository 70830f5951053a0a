"""One socket: identifiers, and what is believed of what comes back."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from pyrad.packet import AccessReject, AuthPacket, Packet

from appliance.auth.radius.dictionary import DICTIONARY
from appliance.auth.radius.lane import MOST_UNDER_WAY, Lane, Refused
from tests.appliance.auth.radius.fake_server import (
    SECRET,
    FakeServer,
    accept,
    accept_unsigned,
    accept_with_wrong_secret,
    silent,
)
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def access_request() -> AuthPacket:
    request = AuthPacket(secret=SECRET, dict=DICTIONARY)
    request.add_message_authenticator()
    request["User-Name"] = "alice"
    return request


class Asked:
    """A lane to a fake server, and the fate of one request on it."""

    def __init__(self, lane: Lane, counters: Counter[str]) -> None:
        self.lane = lane
        self.counters = counters

    async def reply(self) -> Packet | None:
        """Ask, and wait for a reply or for something that is dropped."""
        request = access_request()
        future = self.lane.begin(request)
        self.lane.send(request.RequestPacket())
        async with asyncio.timeout(60):
            while not future.done() and not self.counters:  # noqa: ASYNC110  whichever comes first
                await asyncio.sleep(0.01)
        self.lane.end(request)
        return None if future.cancelled() else future.result()


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as fake:
        yield fake


@pytest.fixture
async def asked(server: FakeServer) -> AsyncIterator[Asked]:
    counters: Counter[str] = Counter()
    lane = await Lane.open("127.0.0.1", server.port, signed=lambda: True, counters=counters)
    yield Asked(lane, counters)
    lane.retire()
    await asyncio.sleep(0)


async def test_a_reply_is_believed(asked: Asked) -> None:
    reply = await asked.reply()
    assert reply is not None
    assert reply.message_authenticator
    assert not asked.counters


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (accept_with_wrong_secret, "bad-authenticator"),
        (accept_unsigned, "unsigned"),
        (lambda request: accept(request)[:-1] + b"\0", "bad-authenticator"),
        (lambda request: accept(request)[:25], "bad-authenticator"),
        (lambda _: b"\2", "unexpected"),
        (lambda request: bytes([2, request.id]), "bad-authenticator"),
        (lambda request: bytes([2, (request.id + 1) % 256]) + bytes(18), "unexpected"),
    ],
)
async def test_what_is_not_believed_is_dropped_and_counted(
    asked: Asked, server: FakeServer, answer: Callable[[Packet], bytes | None], counted: str
) -> None:
    server.answer = answer
    assert await asked.reply() is None
    assert asked.counters == {counted: 1}


async def test_the_right_reply_is_taken_after_wrong_ones(asked: Asked, server: FakeServer) -> None:
    def reject(request: Packet) -> bytes:
        reply = request.CreateReply()
        reply.code = AccessReject
        return bytes(reply.ReplyPacket())

    def liar_first(request: Packet) -> bytes:
        server.transport.sendto(accept(_with_another_secret(request)), server.senders[-1])
        return reject(request)

    server.answer = liar_first
    request = access_request()
    future = asked.lane.begin(request)
    asked.lane.send(request.RequestPacket())
    async with asyncio.timeout(60):
        reply = await future
    assert reply.code == AccessReject
    assert asked.counters["bad-authenticator"] == 1
    asked.lane.end(request)


def _with_another_secret(request: Packet) -> Packet:
    copy = AuthPacket(secret=b"another", dict=DICTIONARY, packet=request.raw_packet)
    copy.code = request.code
    return copy


async def test_a_reply_of_a_kind_that_answers_another_question(asked: Asked, server: FakeServer) -> None:
    def accounting_response(request: Packet) -> bytes:
        reply = request.CreateReply()
        reply.code = 5
        return bytes(reply.ReplyPacket())

    server.answer = accounting_response
    assert await asked.reply() is None
    assert asked.counters == {"bad-authenticator": 1}


async def test_250_requests_have_250_identifiers_and_a_free_one_is_found_again(
    asked: Asked, server: FakeServer
) -> None:
    server.answer = silent
    requests = [access_request() for _ in range(MOST_UNDER_WAY)]
    for request in requests:
        asked.lane.begin(request)
    assert len({request.id for request in requests}) == MOST_UNDER_WAY
    asked.lane.end(requests[17])
    for _ in range(2 * 256):
        latest = access_request()
        asked.lane.begin(latest)
        assert latest.id not in {request.id for request in requests if request is not requests[17]}
        asked.lane.end(latest)
    for request in requests[:17] + requests[18:]:
        asked.lane.end(request)


async def test_a_closed_port_is_heard_of_at_once() -> None:
    lane = await Lane.open("127.0.0.1", free_port(), signed=lambda: True, counters=Counter())
    request = access_request()
    future = lane.begin(request)
    lane.send(request.RequestPacket())
    with pytest.raises(Refused):
        async with asyncio.timeout(60):
            await future
    lane.end(request)
    lane.retire()
    await asyncio.sleep(0)


async def test_a_retired_lane_stays_open_for_who_still_waits(asked: Asked) -> None:
    request = access_request()
    future = asked.lane.begin(request)
    asked.lane.retire()
    asked.lane.send(request.RequestPacket())
    async with asyncio.timeout(60):
        assert (await future).code == 2
    asked.lane.end(request)

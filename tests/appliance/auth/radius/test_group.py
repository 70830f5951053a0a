"""Several servers: order, failover, dead time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pyrad.packet import AccessRequest, AuthPacket, Packet

from appliance.auth.radius.dictionary import DICTIONARY
from appliance.auth.radius.group import ServerGroup
from appliance.auth.radius.server import Answer, Server, Silent
from appliance.models.radius import MessageAuthenticator
from ike_engine.secret import Secret
from tests.appliance.auth.radius.fake_server import SECRET, FakeServer, accept, accept_unsigned, silent
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now + asyncio.get_running_loop().time()


def make(server: Server, local_address: str) -> Packet:
    request = AuthPacket(secret=bytes(server.secret), dict=DICTIONARY)
    request.add_message_authenticator()
    request["User-Name"] = "alice"
    request["NAS-IP-Address"] = local_address
    return request


@pytest.fixture
async def first() -> AsyncIterator[FakeServer]:
    async with FakeServer() as fake:
        yield fake


@pytest.fixture
async def second() -> AsyncIterator[FakeServer]:
    async with FakeServer() as fake:
        yield fake


class Groups:
    """Makes groups of which the sockets are closed after the test."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.made: list[ServerGroup] = []

    def of(self, *servers: Server, **options: Any) -> ServerGroup:
        self.made.append(ServerGroup.for_authentication(servers, clock=self.clock, **options))
        return self.made[-1]


@pytest.fixture
async def groups() -> AsyncIterator[Groups]:
    groups = Groups()
    yield groups
    for group in groups.made:
        group.retire()
    await asyncio.sleep(0)


async def answered_by(group: ServerGroup) -> int:
    async with asyncio.timeout(60):
        return (await group.ask(make)).port.port


async def test_the_first_that_lives_is_asked(groups: Groups, first: FakeServer, second: FakeServer) -> None:
    group = groups.of(first.server(), second.server())
    assert [await answered_by(group) for _ in range(3)] == [first.port] * 3
    assert not second.requests


async def test_a_retransmission_is_the_same_octets(groups: Groups, first: FakeServer) -> None:
    first.answer = lambda request: accept(request) if len(first.requests) > 2 else None
    await answered_by(groups.of(first.server(timeout_seconds=0.2, retries=100)))
    assert len(first.octets) >= 3
    assert len(set(first.octets)) == 1


async def test_who_does_not_answer_is_dead_for_a_while_then_one_request_tries_it(
    groups: Groups, first: FakeServer, second: FakeServer
) -> None:
    first.answer = silent
    group = groups.of(first.server(timeout_seconds=0.2, dead_seconds=60.0), second.server())
    assert await answered_by(group) == second.port
    asked_once = len(first.requests)
    assert group.ports[0].dead
    assert [await answered_by(group) for _ in range(3)] == [second.port] * 3
    assert len(first.requests) == asked_once  # nobody waits for it again

    groups.clock.now += 61.0
    both = await asyncio.gather(answered_by(group), answered_by(group))
    assert both == [second.port, second.port]
    assert len(first.requests) == asked_once + 1, "one of the two tries it, once"

    groups.clock.now += 61.0
    first.answer = accept
    assert await answered_by(group) == first.port
    assert not group.ports[0].dead


async def test_the_dead_are_asked_when_nobody_else_answers(
    groups: Groups, first: FakeServer, second: FakeServer
) -> None:
    first.answer = silent
    group = groups.of(first.server(timeout_seconds=0.5), second.server(timeout_seconds=2.0, retries=0))
    assert await answered_by(group) == second.port
    first.answer, second.answer = accept, silent
    assert await answered_by(group) == first.port


async def test_nothing_listens_at_the_first(groups: Groups, second: FakeServer) -> None:
    nowhere = second.server(key=1, authentication_port=free_port(), timeout_seconds=20.0)
    group = groups.of(nowhere, second.server())
    assert await answered_by(group) == second.port  # and not after 40 s


async def test_a_server_that_starts_again_is_waited_for_when_it_is_alone(groups: Groups, first: FakeServer) -> None:
    port = free_port()
    group = groups.of(first.server(authentication_port=port, timeout_seconds=20.0))
    asked = asyncio.create_task(answered_by(group))
    await asyncio.sleep(0.1)
    assert not asked.done()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: first, local_addr=("127.0.0.1", port))
    old, first.transport = first.transport, transport
    assert await asked == port
    old.close()


async def test_nobody_answers(groups: Groups, first: FakeServer, second: FakeServer) -> None:
    first.answer = second.answer = silent
    group = groups.of(first.server(timeout_seconds=0.2), second.server(timeout_seconds=0.2))
    with pytest.raises(Silent, match=rf"{first.port} does not answer.*; .*{second.port} does not answer"):
        await group.ask(make)


async def test_nobody_waits_longer_than_the_deadline(groups: Groups, first: FakeServer) -> None:
    first.answer = silent
    group = groups.of(first.server(timeout_seconds=60.0), deadline_seconds=0.2)
    with pytest.raises(Silent, match=r"does not answer in 0\.2 s"):
        await group.ask(make)
    assert group.ports[0].dead


async def test_a_name_that_does_not_resolve(groups: Groups, second: FakeServer) -> None:
    unknown = second.server(key=1, address="radius.invalid")
    assert await answered_by(groups.of(unknown, second.server())) == second.port
    with pytest.raises(Silent, match=r"there is no way to radius\.invalid"):
        await groups.of(unknown).ask(make)


async def test_only_one_may_be_asked_in_the_middle_of_a_challenge(
    groups: Groups, first: FakeServer, second: FakeServer
) -> None:
    first.answer = silent
    group = groups.of(first.server(timeout_seconds=0.2), second.server())
    with pytest.raises(Silent):
        await group.ask(make, only=first.port)
    assert not second.requests
    with pytest.raises(Silent, match="the server that challenged is gone"):
        await group.ask(make, only=12)


async def test_no_server() -> None:
    with pytest.raises(Silent, match="no RADIUS server is configured"):
        await ServerGroup.for_authentication([]).ask(make)


async def test_who_signed_once_must_go_on_signing(groups: Groups, first: FakeServer) -> None:
    group = groups.of(first.server(message_authenticator=MessageAuthenticator.AUTO, timeout_seconds=2.0, retries=0))
    first.answer = accept_unsigned
    answer = await group.ask(make)
    assert isinstance(answer, Answer)
    assert not answer.signed
    first.answer = accept
    assert (await group.ask(make)).signed
    first.answer = accept_unsigned
    with pytest.raises(Silent, match="without a Message-Authenticator"):
        await group.ask(make)


async def test_more_than_one_socket_holds_go_by_more_sockets(groups: Groups, first: FakeServer) -> None:
    first.answer = silent
    group = groups.of(first.server())
    asked = [asyncio.create_task(group.ask(make)) for _ in range(300)]
    async with asyncio.timeout(60):
        while len(first.requests) < 300:  # noqa: ASYNC110  an event would count one
            await asyncio.sleep(0.01)
    assert len(group.ports[0]._lanes) == 2
    for request, sender in zip(first.requests, first.senders, strict=True):
        first.transport.sendto(accept(request), sender)
    assert len(await asyncio.gather(*asked)) == 300


async def test_a_login_that_is_cancelled_leaves_nothing(groups: Groups, first: FakeServer) -> None:
    first.answer = silent
    group = groups.of(first.server(timeout_seconds=60.0))
    asked = asyncio.create_task(group.ask(make))
    async with asyncio.timeout(60):
        await first.asked.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert group.ports[0]._lanes[0].under_way == 0


def test_a_secret_is_in_no_representation() -> None:
    server = Server(key=1, address="10.0.0.1", secret=Secret(SECRET))
    assert "between" not in repr(server)
    assert AccessRequest == 1

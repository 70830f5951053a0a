"""Records on their way to a server: none is lost, none overtakes another of its session."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from appliance.models import AccountingRecord, AccountingStatus
from tests.appliance.accounting.conftest import NODE
from tests.appliance.auth.radius.fake_server import FakeServer, accept, silent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appliance.accounting.sender import Sender
    from tests.appliance.accounting.conftest import Books


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer(accept) as fake:
        yield fake


def taken(server: FakeServer) -> list[tuple[str, str]]:
    """Which sessions the server was told of, and what."""
    return [
        (request["Acct-Session-Id"][0], request["Acct-Status-Type"][0])
        for request in server.requests
        if "User-Name" in request
    ]


async def test_a_record_on_the_wire(books: Books, server: FakeServer) -> None:
    sender = books.sender(server.server())
    books.connect(1)
    books.time.pass_by(100)
    books.count(1, octets_in=5_000_000_000, octets_out=9)
    books.disconnect(1)
    await books.flush()
    books.time.pass_by(7)
    await sender.send_due()
    start, stop = server.requests
    assert start.VerifyAcctRequest()
    assert stop.VerifyAcctRequest()
    assert start["Acct-Status-Type"] == ["Start"]
    assert start["Acct-Delay-Time"] == [107]
    assert "Acct-Session-Time" not in start
    told = {name: stop[name] for name in stop.keys()}  # noqa: SIM118
    assert told == {
        "Acct-Status-Type": ["Stop"],
        "Acct-Session-Id": ["session1"],
        "NAS-IP-Address": ["127.0.0.1"],
        "NAS-Identifier": ["gw1"],
        "NAS-Port": [1],
        "NAS-Port-Type": ["Virtual"],
        "User-Name": ["alice"],
        "Service-Type": ["Framed-User"],
        "Acct-Authentic": ["RADIUS"],
        "Calling-Station-Id": ["198.51.100.7"],
        "Called-Station-Id": ["192.0.2.1"],
        "Framed-IP-Address": ["10.9.0.1"],
        "Class": [b"OU=staff;", b"\xff\0"],
        "Acct-Session-Time": [100],
        "Acct-Input-Octets": [705_032_704],
        "Acct-Input-Gigawords": [1],
        "Acct-Input-Packets": [50_000_000],
        "Acct-Output-Octets": [9],
        "Acct-Output-Gigawords": [0],
        "Acct-Output-Packets": [0],
        "Acct-Terminate-Cause": ["User-Request"],
        "Event-Timestamp": [int((books.time.now - timedelta(seconds=7)).timestamp())],
        "Acct-Delay-Time": [7],
    }
    assert all(record.sent_at == books.time.now for record in await books.records())
    assert (await books.records())[0].server == f"127.0.0.1:{server.port}"


async def test_networks_behind_a_client_are_told_as_framed_routes(books: Books, server: FakeServer) -> None:
    sender = books.sender(server.server())
    books.connect(1, behind=("172.20.7.0/24", "172.20.9.0/24"))
    books.disconnect(1)
    await books.flush()
    books.time.pass_by(7)
    await sender.send_due()
    _, stop = server.requests
    assert stop["Framed-Route"] == ["172.20.7.0/24 10.9.0.1 1", "172.20.9.0/24 10.9.0.1 1"]


async def test_what_was_taken_is_not_sent_again(books: Books, server: FakeServer) -> None:
    sender = books.sender(server.server())
    books.connect(1)
    await books.flush()
    await sender.send_due()
    await sender.send_due()
    assert taken(server) == [("session1", "Start")]
    assert sender.backlog.waiting == 0


async def test_what_waits_for_one_realm_keeps_no_other_from_its_turn(books: Books, server: FakeServer) -> None:
    sender = books.sender(server.server())
    at = books.time.now
    common = {"node": NODE, "realm": "away", "status": AccountingStatus.START, "user": "bob", "content": {}}
    async with books.database.transaction() as session:
        session.add_all(AccountingRecord(session=f"away{number}", at=at, due_at=at, **common) for number in range(1001))
    books.connect(1)
    await books.flush()
    books.time.pass_by(1)
    while await sender.send_due():
        pass
    assert taken(server) == [("session1", "Start")]
    assert sender.backlog.waiting == 1002  # before that one was taken


async def test_a_stop_waits_for_the_last_octets(books: Books, server: FakeServer) -> None:
    sender = books.sender(server.server())
    books.connect(1)
    books.disconnect(1)
    await books.flush()
    await sender.send_due()
    assert taken(server) == [("session1", "Start")]
    books.count(1, octets_in=4321)
    await books.flush()
    books.time.pass_by(3)
    await sender.send_due()
    assert server.requests[-1]["Acct-Input-Octets"] == [4321]


async def test_an_outage_loses_nothing(books: Books, server: FakeServer) -> None:
    server.answer = silent
    sender = books.sender(server.server(timeout_seconds=0.2, retries=0))
    books.recorder.serve(["corp"], afresh=True)
    for peer_id in range(1, 21):
        books.connect(peer_id)
        if peer_id % 2:
            books.disconnect(peer_id)
    await books.flush()
    books.time.pass_by(60)
    await sender.send_due()
    tries = len(server.requests)
    assert tries == 1, "one finds out for all"
    books.time.pass_by(4)
    await sender.send_due()
    assert len(server.requests) == tries, "it backs off"
    for _ in range(3):
        books.time.pass_by(301)
        await sender.send_due()
    assert len(server.requests) == tries + 3
    assert "127.0.0.1" in sender.backlog.error
    assert sender.backlog.waiting == 31
    assert sender.backlog.since == books.time.now - timedelta(seconds=60 + 4 + 3 * 301)

    server.answer = accept
    server.requests.clear()
    restarted = books.sender(server.server())  # a new process knows only the table
    await restarted.send_due()
    assert server.requests[0]["Acct-Status-Type"] == ["Accounting-On"]
    assert sorted(taken(server)) == sorted(
        [(f"session{peer_id}", "Start") for peer_id in range(1, 21)]
        + [(f"session{peer_id}", "Stop") for peer_id in range(1, 21, 2)]
    )
    for peer_id in range(1, 21, 2):
        of_session = [status for session, status in taken(server) if session == f"session{peer_id}"]
        assert of_session == ["Start", "Stop"]
    assert all(request["Acct-Delay-Time"][0] > 900 for request in server.requests)
    await restarted.send_due()
    assert restarted.backlog.waiting == 0


async def test_the_next_server_takes_it(books: Books, server: FakeServer) -> None:
    async with FakeServer(silent) as dead:
        sender = books.sender(dead.server(timeout_seconds=0.2, retries=0), server.server())
        books.connect(1)
        await books.flush()
        await sender.send_due()
    assert taken(server) == [("session1", "Start")]


async def test_nothing_overtakes_that_the_gateway_is_on(books: Books, server: FakeServer) -> None:
    sender = books.sender(server.server())
    books.connect(1)
    books.recorder.serve(["corp"], afresh=True)
    books.connect(2)
    await books.flush()
    server.delay = 0.05
    await sender.send_due()
    assert [request["Acct-Status-Type"][0] for request in server.requests] == ["Start", "Accounting-On", "Start"]


@asynccontextmanager
async def running(sender: Sender, **options: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(sender.run(**options))
    yield
    task.cancel()
    await asyncio.wait([task])


async def test_it_looks_by_itself(books: Books, server: FakeServer) -> None:
    sender = books.sender(server.server())
    async with running(sender):
        books.connect(1)
        await books.flush()
        async with asyncio.timeout(60):
            await server.asked.wait()


async def test_at_the_end_all_is_sent_that_goes(books: Books, server: FakeServer) -> None:
    sender = books.sender(server.server())
    books.connect(1)
    books.disconnect(1)
    books.recorder.serve(["corp"], afresh=True)
    books.recorder.shut_down()
    await books.flush()
    await sender.drain(10.0)
    assert [request["Acct-Status-Type"][0] for request in server.requests] == [
        "Start",
        "Stop",
        "Accounting-On",
        "Accounting-Off",
    ]


async def test_the_end_does_not_wait_for_a_silent_server(books: Books, server: FakeServer) -> None:
    server.answer = silent
    sender = books.sender(server.server(timeout_seconds=20.0))
    books.connect(1)
    await books.flush()
    async with asyncio.timeout(60):
        await sender.drain(0.2)
    assert [record.sent_at for record in await books.records()] == [None]


async def test_old_records_go_but_not_those_of_sessions_that_live(books: Books, server: FakeServer) -> None:
    sender = books.sender(server.server())
    books.connect(1)
    books.connect(2)
    books.disconnect(1)
    await books.flush()
    books.time.pass_by(10)
    await sender.send_due()
    async with books.database.transaction() as session:
        await session.execute(update(AccountingRecord).values(sent_at=books.time.now - timedelta(days=31)))
    async with running(sender):
        async with asyncio.timeout(60):
            while len(await books.records()) > 1:  # noqa: ASYNC110  the table has no event
                await asyncio.sleep(0.05)
    assert await books.told() == [("session2", "start")]

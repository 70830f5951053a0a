"""What is written of a session, and when: in the transaction that writes the session itself."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from appliance.auth.verdicts import Claim
from appliance.models import AccountingStatus, Session
from ike_engine.events import Goodbye
from tests.appliance.gateway.recording import coming_in

if TYPE_CHECKING:
    from tests.appliance.accounting.conftest import Books


async def test_start_and_stop_with_totals(books: Books) -> None:
    books.connect(1)
    books.time.pass_by(90)
    books.count(1, octets_in=5_000_000_000, octets_out=700)
    books.disconnect(1)
    start, stop = await books.records()
    assert (start.status, stop.status) == (AccountingStatus.START, AccountingStatus.STOP)
    assert start.session == stop.session == "session1"
    assert start.content == {
        "address": "10.9.0.1",
        "client": "198.51.100.7",
        "gateway": "192.0.2.1",
        "port": 1,
        "networks": [],
        "classes": [b"OU=staff;".hex(), "ff00"],
    }
    assert stop.content == start.content | {
        "seconds": 90,
        "octets_in": 5_000_000_000,
        "octets_out": 700,
        "packets_in": 50_000_000,
        "packets_out": 7,
        "cause": "User-Request",
    }
    assert (start.user, start.realm, start.node) == ("alice", "corp", "gw1")
    assert stop.at == books.time.now


async def test_the_session_and_its_record_are_one_transaction(books: Books) -> None:
    async def seen() -> tuple[int, int]:
        async with books.database.snapshot() as session:
            sessions = (await session.scalars(select(Session))).all()
        return len(sessions), len(await books.records())

    books.connect(1)
    async with books.database.snapshot() as session:
        assert (await session.scalars(select(Session))).all() == []
    assert books.projector.collect() is not None  # what would be written is lost: neither is there
    assert await seen() == (0, 0)
    books.connect(2)
    await books.flush()
    assert await seen() == (1, 1)


async def test_the_last_octets_of_a_session_come_after_its_end(books: Books) -> None:
    books.connect(1)
    await books.flush()
    books.disconnect(1)
    await books.flush()
    books.time.pass_by(0.5)
    books.count(1, octets_in=1234)
    _, stop = await books.records()
    assert stop.content["octets_in"] == 1234
    assert stop.content["seconds"] == 0
    assert stop.due_at > stop.at, "it waits for them"


async def test_interim_records_replace_those_that_nobody_took_yet(books: Books) -> None:
    books.connect(1, interim_seconds=300)
    books.connect(2, interim_seconds=0)
    for total in (100, 200, 300):
        books.time.pass_by(301)
        books.count(1, octets_in=total)
        books.recorder.tick()
        await books.flush()
    assert await books.told() == [("session1", "start"), ("session2", "start"), ("session1", "interim")]
    *_, interim = await books.records()
    assert interim.content["octets_in"] == 300
    assert interim.content["seconds"] == 903
    books.disconnect(1)
    assert await books.told() == [("session1", "start"), ("session2", "start"), ("session1", "stop")]


async def test_by_itself_every_ten_minutes(books: Books) -> None:
    books.connect(1)
    books.time.pass_by(599)
    books.recorder.tick()
    assert len(await books.records()) == 1
    books.time.pass_by(2)
    books.recorder.tick()
    assert len(await books.records()) == 2


@pytest.mark.parametrize(
    ("goodbye", "cause"),
    [
        (Goodbye.PEER_DELETED, "User-Request"),
        (Goodbye.ADMINISTRATOR, "Admin-Reset"),
        (Goodbye.DEAD, "Lost-Carrier"),
        (Goodbye.SUPERSEDED, "Port-Preempted"),
        (Goodbye.FAILED, "NAS-Error"),
        (Goodbye.SHUTDOWN, "Admin-Reboot"),
    ],
)
async def test_why_it_ended(books: Books, goodbye: Goodbye, cause: str) -> None:
    books.connect(1)
    books.disconnect(1, goodbye)
    _, stop = await books.records()
    assert stop.content["cause"] == cause


async def test_users_of_realms_without_accounting_are_not_told_of(books: Books) -> None:
    for peer_id, claim in enumerate(
        (Claim(realm="local", account=1), Claim(realm="elsewhere", accounting=object())), 1
    ):
        for event in coming_in(peer_id, "bob", _address(peer_id), claim=claim):
            books.projector.on_event(event)
        books.disconnect(peer_id)
    assert await books.records() == []


def _address(peer_id: int) -> IPv4Address:

    return IPv4Address(f"10.9.0.{peer_id}")


async def test_a_gateway_says_once_that_it_is_on_and_that_it_goes(books: Books) -> None:
    books.recorder.serve(["corp"], afresh=True)
    books.recorder.serve(["corp"], afresh=True)
    books.recorder.serve(["corp", "guests"], afresh=False)  # sessions go on: it never was away
    books.recorder.shut_down()
    assert [(record.realm, record.status.value) for record in await books.records()] == [
        ("corp", "on"),
        ("corp", "off"),
        ("guests", "off"),
    ]


async def test_a_session_that_goes_on_in_another_process_is_accounted_further(books: Books) -> None:
    books.connect(1, interim_seconds=300)
    await books.flush()
    stay = books.projector.live[1]
    books.recorder.ended(stay)  # this process forgets it, and nobody writes that down
    books.recorder.collect()
    books.recorder.resumed(stay)
    books.time.pass_by(301)
    books.recorder.tick()
    assert await books.told() == [("session1", "start"), ("session1", "interim")]
    books.disconnect(1)
    assert await books.told() == [("session1", "start"), ("session1", "stop")]

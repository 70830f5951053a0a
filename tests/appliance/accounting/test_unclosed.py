"""A gateway that crashed: its sessions get the Stop that it could not write."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from appliance import models
from appliance.accounting.unclosed import close_unclosed
from appliance.gateway.restart.takeover import take_over
from appliance.models import AccountingStatus
from tests.appliance.gateway.recording import NODE

if TYPE_CHECKING:
    from tests.appliance.accounting.conftest import Books


async def test_sessions_that_a_crash_left_open_get_a_stop(books: Books) -> None:
    books.connect(1)
    books.connect(2)
    books.disconnect(2)
    books.time.pass_by(40)
    books.count(1, octets_in=777)
    await books.flush()
    last_seen = books.time.now
    async with books.database.transaction() as session:
        session.add(models.Node(name=NODE, heartbeat_at=last_seen))
    books.time.pass_by(3600)
    for _ in range(2):  # the second time there is nothing left to do
        async with books.database.transaction() as session:
            await take_over(session, models.Node(name=NODE, heartbeat_at=books.time.now), books.time.now)
    stops = [record for record in await books.records() if record.status is AccountingStatus.STOP]
    assert [stop.session for stop in stops] == ["session2", "session1"]
    late = stops[1]
    assert late.at == last_seen
    assert late.content["cause"] == "NAS-Reboot"
    assert (late.content["seconds"], late.content["octets_in"]) == (40, 777)
    assert late.content["classes"] == [b"OU=staff;".hex(), "ff00"]
    assert late.user == "alice"


async def test_sessions_that_go_on_and_those_of_others_are_left_alone(books: Books) -> None:
    books.connect(1)
    await books.flush()
    async with books.database.transaction() as session:
        assert await close_unclosed(session, "gw2", books.time.now) == 0
        assert await close_unclosed(session, NODE, books.time.now) == 0, "its row is live"
    assert await books.told() == [("session1", "start")]


async def test_a_session_whose_own_row_is_gone(books: Books) -> None:
    books.connect(1)
    await books.flush()
    async with books.database.transaction() as session:
        await session.delete(await session.get_one(models.Session, 1))
    at = books.time.now + timedelta(minutes=1)
    async with books.database.transaction() as session:
        assert await close_unclosed(session, NODE, at) == 1
    assert (await books.records())[-1].content["seconds"] == 60

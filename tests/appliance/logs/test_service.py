"""The log as somebody asks for it: how serious, of whom, of which session, of which attempt."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from appliance import logs
from appliance.errors import Invalid, NotFound
from appliance.installation import Actor, Installation
from appliance.logs import level, service
from appliance.logs.record import Record
from appliance.logs.schemas import LogFilter, LogPart
from appliance.models import Refusal, Session, Setting
from appliance.settings import LogLevel

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
PEER = {"profile": "staff", "peer_address": "192.0.2.1", "peer_port": 4500}
PERSON = {"user": "alice", "authentication": "hybrid-rsa", "mode": "main"}
AUDITOR = Actor("administrator carol")


@pytest.fixture
def record(installation: Installation) -> Record:
    installation.settings.data_dir.mkdir(parents=True)
    return Record(installation.settings.data_dir)


def write(record: Record, event: str, minute: int = 0, **more: Any) -> None:
    at = (NOON + timedelta(minutes=minute)).isoformat()
    record.append({"event": event, "level": "info", "timestamp": at, "process": "gateway", **more})


async def events(installation: Installation, part: LogPart = LogPart(), **wanted: Any) -> list[str]:
    async with installation.snapshot(AUDITOR) as work:
        return [line.event for line in (await service.page(work, LogFilter(**wanted), part)).items]


async def test_lines_the_latest_first_with_all_that_they_say(installation: Installation, record: Record) -> None:
    write(record, "login", user="alice", peer="192.0.2.1:4500")
    write(record, "boom", 1, level="error", process="web", exception="Traceback ...")
    async with installation.snapshot(AUDITOR) as work:
        page = await service.page(work)
    assert page.node == "gw"
    assert page.elsewhere == ""
    boom, login = page.items
    assert (boom.level, boom.process, boom.exception) == ("error", "web", "Traceback ...")
    assert (login.at, login.fields) == (NOON, {"user": "alice", "peer": "192.0.2.1:4500"})


async def test_filters(installation: Installation, record: Record) -> None:
    write(record, "one", level="debug", process="web")
    write(record, "two", 1, user="Alice")
    write(record, "three", 2, level="warning", user="bob", peer="192.0.2.77:500")
    write(record, "four", 3, level="critical", process="keeper")
    assert await events(installation, level=LogLevel.WARNING) == ["four", "three"]
    assert await events(installation, level=LogLevel.INFO) == ["four", "three", "two"]
    assert await events(installation, process="web") == ["one"]
    assert await events(installation, user="alice") == ["two"]
    assert await events(installation, text="192.0.2.77") == ["three"]
    assert await events(installation, text="FOUR") == ["four"]
    assert await events(installation, since=NOON + timedelta(minutes=2)) == ["four", "three"]
    assert await events(installation, until=NOON + timedelta(minutes=2)) == ["two", "one"]


async def test_parts(installation: Installation, record: Record) -> None:
    for number in range(10):
        write(record, str(number))
    async with installation.snapshot(AUDITOR) as work:
        last = await service.page(work, part=LogPart(limit=3))
        assert [line.event for line in last.items] == ["9", "8", "7"]
        before = await service.page(work, part=LogPart(limit=3, before=last.older))
        assert [line.event for line in before.items] == ["6", "5", "4"]
        write(record, "10")
        more = await service.page(work, part=LogPart(after=last.newer))
        assert [line.event for line in more.items] == ["10"]
        with pytest.raises(Invalid, match="rule each other out"):
            await service.page(work, part=LogPart(before=last.older, after=last.newer))
    with pytest.raises(ValidationError, match="no place in the log"):
        LogPart(before="yesterday")


async def test_what_is_about_one_session(installation: Installation, record: Record) -> None:
    async with installation.transaction(AUDITOR) as work:
        row = Session(node="gw", peer_id=7 << 40, **PEER, **PERSON, started_at=NOON, details={"isakmp_sas": [3, 9]})
        elsewhere = Session(node="gw2", peer_id=8, **PEER, **PERSON, started_at=NOON)
        work.session.add_all((row, elsewhere))
        await work.session.flush()
        number, other = row.id, elsewhere.id
    write(record, "of an earlier life of the gateway", -600, isakmp_sa=3)
    write(record, "asking RADIUS", -1, isakmp_sa=3)
    write(record, "somebody else's", isakmp_sa=4)
    write(record, "login", peer_id=7 << 40)
    write(record, "command", 5, session=number)
    write(record, "asking again", 60, isakmp_sa=9)
    assert await events(installation, session=number) == ["asking again", "command", "login", "asking RADIUS"]
    async with installation.snapshot(AUDITOR) as work:
        page = await service.page(work, LogFilter(session=other))
        assert (page.node, page.elsewhere, page.items) == ("gw", "gw2", [])
        with pytest.raises(NotFound):
            await service.page(work, LogFilter(session=4711))


async def test_what_is_about_one_refused_attempt(installation: Installation, record: Record) -> None:
    async with installation.transaction(AUDITOR) as work:
        known = Refusal(node="gw", **PEER, stage="Xauth", reason="wrong password", at=NOON, isakmp_sa=3)
        unknown = Refusal(node="gw", **PEER, stage="phase 1", reason="no suite", at=NOON)
        work.session.add_all((known, unknown))
        await work.session.flush()
        numbers = known.id, unknown.id
    write(record, "client refused", isakmp_sa=3)
    write(record, "somebody else's", isakmp_sa=0)
    write(record, "of a later life", 600, isakmp_sa=3)
    assert await events(installation, refusal=numbers[0]) == ["client refused"]
    assert await events(installation, refusal=numbers[1]) == []


async def test_the_level_is_obeyed_when_it_changes(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: asyncio.Queue[LogLevel] = asyncio.Queue()
    monkeypatch.setattr(logs, "set_level", heard.put_nowait)

    async def comes_to(wanted: LogLevel) -> None:
        async with asyncio.timeout(60):
            while await heard.get() is not wanted:
                pass

    following = asyncio.create_task(level.follow(installation))
    try:
        await comes_to(LogLevel.INFO)
        async with installation.transaction(AUDITOR) as work:
            work.session.add(Setting(name="log_level", value="debug"))
        await comes_to(LogLevel.DEBUG)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

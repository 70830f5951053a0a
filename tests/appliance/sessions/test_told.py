"""What was said in a session: of one that lives its gateway is asked, of one that ended it is on record."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from appliance.errors import NotFound, OutOfReach
from appliance.installation import Actor, Installation
from appliance.models import Command, CommandOutcome, Session, Verb
from appliance.models.columns import now
from appliance.sessions import told
from appliance.transcripts.schemas import TranscriptView

AUDITOR = Actor("administrator carol", "192.0.2.9")
SAID: dict[str, Any] = {
    "began": "2026-11-26T12:00:00+00:00",
    "lines": [[0.0, "message", False, "main mode", 1, False, ["SA"], 200]],
}

PROBES = [[30.0, 1, 0.041], [60.0, 3, None]]
PROBED = [30.0, "probes", True, "dead peer detection", 0, True, ["HASH", "N"], 0, 1, "", 4, 60.0, PROBES]
SAS: dict[str, Any] = {
    "taken_at": "2026-11-26T12:10:00Z",
    "isakmp_sa": None,
    "child_sas": [
        {
            "inbound_spi": "c0ffee01",
            "outbound_spi": "c0ffee02",
            "state": "installed",
            "suite": "aes128gcm16",
            "local_networks": ["0.0.0.0/0"],
            "remote_networks": ["10.9.0.1/32"],
            "established_at": "2026-11-26T12:00:00Z",
            "lifetime_seconds": 3600,
            "rekeys_at": "2026-11-26T12:54:00Z",
            "ends_at": "2026-11-26T13:00:00Z",
            "octets_in": 1000,
            "octets_out": 2000,
            "packets_in": 10,
            "packets_out": 20,
            "rate_in": 5.5,
            "rate_out": 0.0,
            "integrity_failures": 3,
            "replays": 4,
        }
    ],
}

POLICY = [{"attribute": "split_dns", "value": ["example.net"], "level": "group staff"}]


@pytest.fixture
async def session_id(installation: Installation) -> int:
    async with installation.transaction(AUDITOR) as work:
        row = Session(
            node="gw",
            peer_id=7,
            user="alice",
            profile="staff",
            authentication="hybrid-rsa",
            mode="main",
            peer_address="192.0.2.1",
            peer_port=4500,
        )
        work.session.add(row)
        await work.session.flush()
        return row.id


async def end(installation: Installation, session_id: int) -> None:
    async with installation.transaction(AUDITOR) as work:
        row = await work.session.get_one(Session, session_id)
        row.ended_at, row.transcript = now(), SAID


async def asked(installation: Installation, session_id: int) -> TranscriptView:
    async with installation.snapshot(AUDITOR) as work:
        return await told.transcript(work, session_id)


@asynccontextmanager
async def gateway(
    installation: Installation, answer: Callable[[Command], Coroutine[Any, Any, None]]
) -> AsyncIterator[None]:
    """Carries out commands as soon as they are there."""

    async def serve() -> None:
        while True:
            async with installation.transaction(Actor("gateway")) as work:
                for command in await work.session.scalars(
                    select(Command).where(Command.outcome == CommandOutcome.PENDING)
                ):
                    await answer(command)
                    command.outcome, command.finished_at = CommandOutcome.DONE, now()
            await asyncio.sleep(0.02)

    serving = asyncio.create_task(serve())
    try:
        yield
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_the_gateway_of_a_live_session_is_asked(
    installation: Installation, session_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told, "_FRESH", timedelta(hours=1))  # however long this test takes
    asked_for: list[tuple[Verb, int | None, str]] = []

    async def answer(command: Command) -> None:
        asked_for.append((command.verb, command.session_id, command.created_by))
        command.result = {"transcript": SAID, "policy": POLICY, "associations": SAS}

    async with gateway(installation, answer):
        said = await asked(installation, session_id)
        assert await asked(installation, session_id) == said  # so soon it is the same answer
        async with installation.snapshot(AUDITOR) as work:
            (value,) = (await told.policy(work, session_id)).values
            (child,) = (await told.associations(work, session_id)).child_sas
        assert value.model_dump() == POLICY[0]
        assert child.model_dump(mode="json") == SAS["child_sas"][0]
    assert asked_for == [(Verb.TRANSCRIPT, session_id, "administrator carol")]
    assert not said.complete
    (line,) = said.lines
    assert (line.at, line.exchange, line.payloads) == (datetime(2026, 11, 26, 12, tzinfo=UTC), "main mode", ("SA",))


async def test_of_a_session_that_ended_it_is_on_record(installation: Installation, session_id: int) -> None:
    await end(installation, session_id)
    said = await asked(installation, session_id)
    assert said.complete
    assert len(said.lines) == 1
    async with installation.snapshot() as work:
        with pytest.raises(NotFound, match="has ended"):
            await told.policy(work, session_id)
        with pytest.raises(NotFound, match="has ended"):
            await told.associations(work, session_id)
        assert (await work.session.scalars(select(Command))).all() == []


async def test_of_a_session_that_ends_meanwhile_it_is_on_record(installation: Installation, session_id: int) -> None:
    async def answer(command: Command) -> None:
        command.message = "the session had ended already"

    async with gateway(installation, answer):
        asking = asyncio.create_task(asked(installation, session_id))
        await asyncio.sleep(0)
        await end(installation, session_id)
        said = await asking
    assert said.complete
    assert len(said.lines) == 1


async def test_a_gateway_that_does_not_answer(
    installation: Installation, session_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told, "_PATIENCE_SECONDS", 0.2)
    with pytest.raises(OutOfReach, match="gateway gw does not answer"):
        await asked(installation, session_id)


async def test_a_session_that_never_was(installation: Installation) -> None:
    with pytest.raises(NotFound):
        await asked(installation, 4711)


async def test_probes_are_told_the_latest_first(installation: Installation, session_id: int) -> None:
    async with installation.transaction(AUDITOR) as work:
        row = await work.session.get_one(Session, session_id)
        row.ended_at, row.transcript = now(), {**SAID, "lines": [*SAID["lines"], PROBED]}
    async with installation.snapshot(AUDITOR) as work:
        detection = await told.dead_peer_detection(work, session_id)
    assert detection.complete
    unanswered, answered = detection.probes
    assert unanswered.at == datetime(2026, 11, 26, 12, 1, 30, tzinfo=UTC)
    assert (unanswered.tries, unanswered.answered_at, unanswered.round_trip_seconds) == (3, None, None)
    assert answered.round_trip_seconds == 0.041


async def test_a_gateway_of_an_earlier_version_tells_no_associations(
    installation: Installation, session_id: int
) -> None:
    async def answer(command: Command) -> None:
        command.result = {"transcript": SAID, "policy": POLICY}

    async with gateway(installation, answer), installation.snapshot(AUDITOR) as work:
        with pytest.raises(OutOfReach, match="another version"):
            await told.associations(work, session_id)


async def test_what_a_gateway_of_a_later_version_tells_besides_is_left_out(
    installation: Installation, session_id: int
) -> None:
    later = SAS | {"mood": "good", "child_sas": [each | {"mood": "good"} for each in SAS["child_sas"]]}

    async def answer(command: Command) -> None:
        command.result = {"transcript": SAID, "policy": POLICY, "associations": later}

    async with gateway(installation, answer), installation.snapshot(AUDITOR) as work:
        held = await told.associations(work, session_id)
    assert held.model_dump(mode="json") == SAS

"""What stands around a login, in a whole gateway with a real client and a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyotp
import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from appliance import models
from appliance.history import service as history
from appliance.installation import Actor, Installation
from appliance.lockouts import service as lockouts
from appliance.lockouts.schemas import Lifting
from appliance.models import EventKind
from appliance.models.columns import now
from appliance.second_factors import service as second_factors
from appliance.users import service as users
from appliance.users.schemas import NewUser
from ike_engine.actions import AnswerPrompt
from ike_engine.events import PeerConnected, PeerRefused
from ike_engine.secret import Secret
from tests.appliance.gateway.loopback import Client, authority, serving
from tests.appliance.gateway.recording import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from ike_engine.actions import Question

HERE = Actor("a test")
PASSWORD = "correct donkey battery"


@pytest.fixture
async def appliance(installation: Installation) -> Installation:
    async with installation.transaction(HERE) as work:
        await users.add(work, NewUser(name="alice", password=SecretStr(PASSWORD)))
    return installation


async def events(installation: Installation) -> list[Any]:
    async with installation.snapshot() as work:
        return list((await work.session.scalars(select(models.Event).order_by(models.Event.id))).all())


class Typing(Client):
    """A client whose user types what is asked for."""

    prompts: list[AnswerPrompt]
    types: str = ""

    async def _answer(self, question: Question[Any]) -> Secret:
        assert isinstance(question, AnswerPrompt)
        self.prompts = [*getattr(self, "prompts", []), question]
        return Secret(self.types.encode())


async def test_a_stay_and_a_failure_are_history_and_told_to_the_hook(appliance: Installation, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(f'#!/bin/sh\necho "$COATI_EVENT $COATI_EVENT_USER $COATI_EVENT_CAUSE" >>{tmp_path}/told\n')
    hook.chmod(0o755)
    settings = appliance.settings.model_copy(update={"hook": str(hook)})
    async with (
        serving(replace(appliance, settings=settings)) as gateway,
        Client(gateway, await authority(appliance)) as client,
    ):
        client.connect("alice", "wrong password")
        await client.next(PeerRefused)
        await client.log_in("alice", PASSWORD)
        await eventually(lambda: _number_of_events(appliance, 2))
    failure, login, logout = await events(appliance)
    kinds = [event.kind for event in (failure, login, logout)]
    assert kinds == [EventKind.FAILURE, EventKind.LOGIN, EventKind.LOGOUT]
    assert (login.user, login.realm, login.profile) == ("alice", "local", "default")
    assert (logout.cause, logout.peer_id) == ("gateway-shutdown", login.peer_id)
    assert "wrong password" in failure.reason
    assert (tmp_path / "told").read_text().splitlines() == [
        "failure alice Xauth",
        "login alice ",
        "logout alice gateway-shutdown",
    ]
    async with appliance.snapshot() as work:
        visits = await history.visits(work)
    assert [(visit.event.kind, visit.ended) for visit in visits] == [
        (EventKind.LOGOUT, True),
        (EventKind.FAILURE, True),
    ]


async def test_a_hook_that_hangs_keeps_nobody_out(appliance: Installation, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\necho begun >>{tmp_path}/told\nsleep 600\n")
    hook.chmod(0o755)
    settings = appliance.settings.model_copy(update={"hook": str(hook)})
    async with (
        serving(replace(appliance, settings=settings)) as gateway,
        Client(gateway, await authority(appliance)) as client,
    ):
        for _ in range(3):
            connected = await client.log_in("alice", PASSWORD)
            await eventually((tmp_path / "told").exists)  # it has been told, and does not come back
            client.log_out(connected)
        await eventually(lambda: _number_of_events(appliance, 6))


async def _number_of_events(installation: Installation, number: int) -> bool:
    return len(await events(installation)) == number


async def test_a_lockout_outlives_the_gateway_until_it_is_lifted(appliance: Installation) -> None:
    trust = await authority(appliance)
    async with serving(appliance) as gateway, Client(gateway, trust) as client:
        for _ in range(3):
            client.connect("alice", "wrong password")
            await client.next(PeerRefused)
    async with appliance.transaction(HERE) as work:
        # As if it had gone on for longer than a test.
        await work.session.execute(
            update(models.Throttle).values(failures=20, blocked_until=now() + timedelta(minutes=15), changed_at=now())
        )
    async with serving(appliance) as gateway, Client(gateway, trust) as client:
        client.connect("alice", PASSWORD)
        await client.next(PeerRefused)
        async with appliance.snapshot() as work:
            assert {each.account for each in (await lockouts.page(work)).items} == {"alice", ""}
        async with appliance.transaction(HERE) as work:
            await lockouts.lift(work, Lifting(all=True))

        async def gets_in() -> bool:
            client.connect("alice", PASSWORD)
            return isinstance(await client.next((PeerConnected, PeerRefused)), PeerConnected)

        await eventually(gets_in)
    refused = [event for event in await events(appliance) if "too many failed logins" in event.reason]
    assert refused


async def test_a_one_time_code_is_a_round_of_its_own_and_counts_once(appliance: Installation) -> None:
    async with appliance.transaction(HERE) as work:
        enrolment = await second_factors.enrol(work, "local", "alice")
        await second_factors.confirm(work, "local", "alice", pyotp.TOTP(enrolment.seed).at(now()))
    async with serving(appliance) as gateway, Typing(gateway, await authority(appliance)) as client:
        client.types = pyotp.TOTP(enrolment.seed).at(now(), counter_offset=1)
        await client.log_in("alice", PASSWORD)
        [prompt] = client.prompts
        assert "code" in prompt.message
        client.connect("alice", PASSWORD)  # the same code once more
        await client.next(PeerRefused)
    reasons = [event.reason for event in await events(appliance) if event.kind is EventKind.FAILURE]
    assert len(reasons) == 1
    assert "wrong one-time code" in reasons[0]


async def test_who_enrols_while_the_gateway_serves_is_asked_from_then_on(appliance: Installation) -> None:
    async with serving(appliance) as gateway, Typing(gateway, await authority(appliance)) as client:
        await client.log_in("alice", PASSWORD)
        async with appliance.transaction(HERE) as work:
            enrolment = await second_factors.enrol(work, "local", "alice")
            await second_factors.confirm(work, "local", "alice", pyotp.TOTP(enrolment.seed).at(now()))

        async def is_asked() -> bool:
            client.connect("alice", PASSWORD)
            await client.next((PeerConnected, PeerRefused))
            return bool(getattr(client, "prompts", []))

        await eventually(is_asked)


async def test_what_is_too_old_is_forgotten(appliance: Installation) -> None:
    old = now() - timedelta(days=400)
    async with appliance.transaction(HERE) as work:
        for at in (old, now()):
            work.session.add(
                models.Event(at=at, kind=EventKind.LOGIN, node="gw1", user="alice", peer_address="::1", peer_port=1)
            )
        work.session.add(models.Throttle(subject="vpn/account/alice", failures=3, failed_at=old, changed_at=old))
    async with serving(appliance):
        await eventually(lambda: _number_of_events(appliance, 1))
    async with appliance.snapshot() as work:
        assert not (await work.session.scalars(select(models.Throttle))).all()

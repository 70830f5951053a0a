"""Users of other realms sign in on the portal: judged by a gateway, throttled there, and no password stays behind."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pyotp
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from appliance import models
from appliance.auth import refusal_times
from appliance.auth.chain import Chain
from appliance.auth.throttle import Throttle
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Claim, Rejected, Unavailable, Verdict
from appliance.commands import service as command_service
from appliance.commands.confidential import CommandKey
from appliance.errors import NotFound, OutOfReach, TooManyAttempts, Unauthenticated
from appliance.gateway.authentication.portal_logins import PortalLogins
from appliance.gateway.commands import Commands
from appliance.installation import Actor
from appliance.models import CommandOutcome, Node, RealmKind, Verb
from appliance.portal import outside, service, signing_in
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile
from appliance.realms import service as realms
from appliance.realms.schemas import NewRealm, RealmChange
from appliance.runtime_settings import service as runtime_settings
from appliance.runtime_settings.schemas import SettingDefinition
from appliance.users import service as users
from appliance.users.schemas import NewUser
from tests.appliance.gateway.recording import NODE, Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appliance.installation import Installation
    from ike_engine.secret import Secret

TEST = Actor("a test")
PASSWORD = SecretStr("hunter2")


class Corp:
    """A realm of a server elsewhere: alice has a token, bob only a password."""

    name = "corp"

    def __init__(self) -> None:
        self.asked: list[Attempt] = []
        self.down = False

    async def authenticate(self, attempt: Attempt) -> Verdict:
        self.asked.append(attempt)
        if self.down:
            return Unavailable("nobody answers")
        if attempt.password != b"hunter2" or attempt.username not in ("alice", "bob"):
            return Rejected("wrong password")
        if attempt.username == "alice" and attempt.state is None:
            return Challenged("Token?", "passcode", {"round": 1})
        if attempt.username == "alice" and (attempt.state, attempt.answer) != ({"round": 1}, b"4711"):
            return Rejected("wrong token")
        return Accepted(attempt.username, Claim(realm="corp"))


@pytest.fixture
def corp() -> Corp:
    return Corp()


@pytest.fixture
async def gateway(recorder: Recorder, installation: Installation, corp: Corp) -> AsyncIterator[Commands]:
    """Carries out what it is told, until the test is over."""
    key = CommandKey(NODE, installation.master_key)
    chain = Chain([corp], Throttle())  # type: ignore[list-item]
    nothing: Any = None
    commands = Commands(
        NODE,
        recorder.database,
        recorder.projector,
        order=nothing,
        reload=nothing,
        flush=recorder.group_commit.flush,
        realms=nothing,
        portal_logins=PortalLogins(chain),
        key=key,
        inventory=nothing,
        transcript=lambda _: (),
        child_lives=lambda _: (),
        made_way=lambda _: None,
    )
    async with installation.transaction(TEST) as work:
        await realms.add(work, NewRealm(name="corp", kind=RealmKind.RADIUS))
        work.session.add(Node(name=NODE, serving=True, command_key=key.published))

    async def serve() -> None:
        while True:
            await commands.carry_out()
            await recorder.flush()
            await asyncio.sleep(0.01)

    serving = asyncio.create_task(serve())
    yield commands
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def sign_in(installation: Installation, login: str, password: SecretStr = PASSWORD) -> str:
    return (await signing_in.sign_in(installation, login, password, "198.51.100.7", "a browser")).decode()


async def left_behind(installation: Installation) -> int:
    """How many passwords are in the table."""
    async with installation.snapshot() as work:
        rows = list(await work.session.scalars(select(models.Command)))
    assert all(row.outcome is not CommandOutcome.PENDING for row in rows)
    return sum(row.secret is not None for row in rows)


@pytest.mark.usefixtures("gateway")
async def test_a_user_of_another_realm_signs_in_and_nothing_of_the_password_stays(
    installation: Installation, corp: Corp
) -> None:
    cookie = await sign_in(installation, "Bob@CORP")
    who = await signing_in.visitor(installation, cookie)
    assert who is not None
    assert (who.user, who.login, who.realm, who.local, who.complete) == ("bob", "bob@corp", "corp", False, True)
    (attempt,) = corp.asked
    assert (attempt.username, attempt.source, attempt.password_only) == ("bob", "198.51.100.7", True)
    assert await left_behind(installation) == 0


@pytest.mark.usefixtures("gateway")
async def test_a_realm_that_asks_for_more_is_answered(installation: Installation) -> None:
    cookie = await sign_in(installation, "alice@corp")
    who = await signing_in.visitor(installation, cookie)
    assert who is not None
    assert (who.complete, who.question) == (False, "Token?")
    await signing_in.show_code(installation, cookie, "4711", "198.51.100.7")
    who = await signing_in.visitor(installation, cookie)
    assert who is not None
    assert (who.user, who.complete, who.question) == ("alice", True, "")
    assert await left_behind(installation) == 0

    again = await sign_in(installation, "alice@corp")
    with pytest.raises(Unauthenticated):
        await signing_in.show_code(installation, again, "0815", "198.51.100.7")
    assert await signing_in.visitor(installation, again) is None


@pytest.mark.usefixtures("gateway")
async def test_guessing_is_slowed_down_by_the_gateway(installation: Installation, recorder: Recorder) -> None:
    del recorder
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await sign_in(installation, "bob@corp", SecretStr("wrong"))
    with pytest.raises(Unauthenticated):
        await sign_in(installation, "nobody@corp")
    assert await left_behind(installation) == 0


@pytest.mark.usefixtures("gateway")
async def test_a_lockout_of_the_account_is_one_here(installation: Installation, corp: Corp) -> None:
    from appliance.lockouts import service as lockouts  # noqa: PLC0415
    from appliance.lockouts.rules import Door  # noqa: PLC0415
    from appliance.models.columns import now  # noqa: PLC0415

    async with installation.transaction(TEST) as work:
        for _ in range(12):
            await lockouts.failed(work.session, Door.VPN, "bob", "198.51.100.7", now())
    with pytest.raises(TooManyAttempts):
        await sign_in(installation, "bob@corp")
    assert corp.asked == []


@pytest.mark.usefixtures("gateway")
async def test_who_is_no_local_user_is_the_next_realms(installation: Installation, corp: Corp) -> None:
    who = await signing_in.visitor(installation, await sign_in(installation, "Bob"))
    assert who is not None
    assert (who.user, who.login, who.realm, who.local) == ("bob", "bob", "corp", False)
    cookie = await sign_in(installation, "alice")
    await signing_in.show_code(installation, cookie, "4711", "198.51.100.7")
    who = await signing_in.visitor(installation, cookie)
    assert who is not None
    assert (who.user, who.realm, who.complete) == ("alice", "corp", True)
    corp.asked.clear()
    with pytest.raises(Unauthenticated):
        await sign_in(installation, "bob@local")
    assert corp.asked == []


async def refused(installation: Installation, login: str) -> tuple[str, str, float]:
    """Sign in with a wrong password; gives what is said, and how long it took."""
    began = time.monotonic()
    with pytest.raises(Unauthenticated) as told:
        await sign_in(installation, login, SecretStr("wrong"))
    return str(told.value), told.value.remedy, time.monotonic() - began


async def counted(installation: Installation) -> dict[str, int]:
    """Give how many failures of each account are in the table."""
    async with installation.snapshot() as work:
        rows = list(await work.session.scalars(select(models.Throttle)))
    return {row.subject.rpartition("/")[2]: row.failures for row in rows if "/account/" in row.subject}


@pytest.mark.usefixtures("gateway")
async def test_nobody_learns_whom_the_local_realm_knows(
    installation: Installation, corp: Corp, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal_times, "PORTAL_SECONDS", 1.0)
    async with installation.transaction(TEST) as work:
        await users.add(work, NewUser(name="carol", password=SecretStr("correct horse battery")))
    known = await refused(installation, "carol")
    assert corp.asked == [], "whom the local realm knows is nobody else's"
    unknown = await refused(installation, "bob")
    nobody = await refused(installation, "nobody")
    corp.down = True
    down = await refused(installation, "bob")
    assert len({said[:2] for said in (known, unknown, nobody, down)}) == 1
    assert min(said[2] for said in (known, unknown, nobody, down)) >= 1.0
    await recorder.flush()
    # The gateway here counts in memory alone: what it refused itself is in no table.
    assert await counted(installation) == {"carol": 1, "bob": 1}


async def test_without_a_gateway_neither(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal_times, "PORTAL_SECONDS", 0.0)
    async with installation.transaction(TEST) as work:
        await realms.add(work, NewRealm(name="corp", kind=RealmKind.RADIUS))
        await users.add(work, NewUser(name="carol", password=SecretStr("correct horse battery")))
    assert (await refused(installation, "carol"))[:2] == (await refused(installation, "bob"))[:2]
    assert await counted(installation) == {"carol": 1, "bob": 1}
    assert await sign_in(installation, "carol", SecretStr("correct horse battery"))


@pytest.mark.usefixtures("gateway")
async def test_which_realms_judge_who_names_none_is_a_setting(installation: Installation, corp: Corp) -> None:
    async with installation.transaction(TEST) as work:
        await runtime_settings.define(work, "portal_realms", SettingDefinition(value=["corp"]))
    who = await signing_in.visitor(installation, await sign_in(installation, "bob"))
    assert who is not None
    assert (who.login, who.realm) == ("bob", "corp")
    corp.asked.clear()
    async with installation.transaction(TEST) as work:
        await runtime_settings.define(work, "portal_realms", SettingDefinition(value=["local"]))
    with pytest.raises(Unauthenticated):
        await sign_in(installation, "bob")
    assert corp.asked == []


@pytest.mark.usefixtures("gateway")
async def test_a_namesake_of_a_local_user_gets_nothing_of_theirs(installation: Installation) -> None:
    async with installation.transaction(TEST) as work:
        await users.add(work, NewUser(name="bob", password=SecretStr("correct horse battery")))
        await runtime_settings.define(work, "portal_realms", SettingDefinition(value=["corp"]))
        await profiles.add(work, NewProfile(name="insiders", realms=("local",)))
        await profiles.add(work, NewProfile(name="outsiders", realms=("corp",)))
    who = await signing_in.visitor(installation, await sign_in(installation, "bob"))
    assert who is not None
    assert (who.user, who.login) == ("bob", "bob@corp")
    async with installation.snapshot() as work:
        home = await service.home(work, who)
    assert {each.profile for each in home.profiles} == {"default", "outsiders"}
    assert home.password_changed_at is None
    with pytest.raises(NotFound, match="kept"):
        await service.change_password(installation, who, "", PASSWORD, SecretStr("another battery staple"), "")


@pytest.mark.usefixtures("gateway")
async def test_a_namesake_who_comes_later_shares_nothing_either(installation: Installation) -> None:
    cookie = await sign_in(installation, "bob")
    who = await signing_in.visitor(installation, cookie)
    assert who is not None
    assert who.login == "bob"
    async with installation.transaction(TEST) as work:
        await users.add(work, NewUser(name="bob", password=SecretStr("correct horse battery")))
    who = await signing_in.visitor(installation, cookie)
    assert who is not None
    assert (who.user, who.login) == ("bob", "bob@corp")


@pytest.mark.usefixtures("gateway")
async def test_a_user_of_another_realm_enrols_a_second_factor_that_the_portal_asks_for(
    installation: Installation,
) -> None:
    here, elsewhere = [await sign_in(installation, "bob@corp") for _ in range(2)]
    who = await signing_in.visitor(installation, here)
    assert who is not None
    async with installation.transaction(TEST) as work:
        enrolment = await service.enrol(work, who)
    async with installation.transaction(TEST) as work:
        codes = await service.confirm(work, who, here, pyotp.TOTP(enrolment.seed).now())
    assert await signing_in.visitor(installation, here) is not None
    assert await signing_in.visitor(installation, elsewhere) is None, "by the password alone, before"
    cookie = await sign_in(installation, "bob@corp")
    who = await signing_in.visitor(installation, cookie)
    assert who is not None
    assert (who.complete, who.question) == (False, "")
    await signing_in.show_code(installation, cookie, codes.recovery_codes[0], "198.51.100.7")
    who = await signing_in.visitor(installation, cookie)
    assert who is not None
    assert who.complete


@pytest.mark.usefixtures("gateway")
async def test_that_nobody_can_judge_is_said_and_nobodys_failure(installation: Installation, corp: Corp) -> None:
    corp.down = True
    with pytest.raises(OutOfReach):
        await sign_in(installation, "bob@corp")
    assert await left_behind(installation) == 0


async def test_without_a_gateway_the_password_does_not_wait_in_the_table(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with installation.transaction(TEST) as work:
        await realms.add(work, NewRealm(name="corp", kind=RealmKind.RADIUS))
    with pytest.raises(OutOfReach):
        await sign_in(installation, "bob@corp")
    async with installation.transaction(TEST) as work:
        work.session.add(Node(name=NODE, serving=True, command_key=CommandKey(NODE, installation.master_key).published))
    monkeypatch.setattr(outside, "PATIENCE_SECONDS", 0.05)
    with pytest.raises(OutOfReach):
        await sign_in(installation, "bob@corp")
    assert await left_behind(installation) == 0


async def test_a_password_that_nobody_took_back_is_wiped(installation: Installation) -> None:
    key = CommandKey(NODE, installation.master_key)
    async with installation.transaction(TEST) as work:
        work.session.add(Node(name=NODE, serving=True, command_key=key.published))
        await work.session.flush()
        left = await command_service.order_from(work, Verb.JUDGE_LOGIN, NODE, {}, PASSWORD)
        row = await work.session.get_one(models.Command, left.id)
        row.created_at -= 2 * command_service.SECRET_KEPT
    async with installation.transaction(TEST) as work:
        await command_service.order_from(work, Verb.JUDGE_LOGIN, NODE, {}, PASSWORD)
    async with installation.snapshot() as work:
        assert (await work.session.get_one(models.Command, left.id)).secret is None


@pytest.mark.usefixtures("gateway")
async def test_a_realm_that_is_disabled_signs_its_users_out(installation: Installation) -> None:
    cookie = await sign_in(installation, "bob@corp")
    async with installation.transaction(TEST) as work:
        await realms.change(work, "corp", RealmChange(enabled=False))
    assert await signing_in.visitor(installation, cookie) is None


async def test_one_network_cannot_take_all_places(secret: Secret) -> None:
    class Patient(Corp):
        """Answers when the test says so."""

        def __init__(self) -> None:
            super().__init__()
            self.answers, self.full = asyncio.Event(), asyncio.Event()

        async def authenticate(self, attempt: Attempt) -> Verdict:
            self.asked.append(attempt)
            if len(self.asked) == 16:
                self.full.set()
            await self.answers.wait()
            return Accepted(attempt.username, Claim(realm="corp"))

    realm = Patient()
    logins = PortalLogins(Chain([realm], Throttle()))  # type: ignore[list-item]

    def question(number: int, source: str) -> outside.Question:
        return outside.Question(login=f"user{number}", source=source)

    waiting = [
        asyncio.create_task(logins.judge(number, question(number, f"198.51.100.{number}"), secret))
        for number in range(1, 17)
    ]
    await realm.full.wait()
    _, _, judged = await logins.judge(17, question(17, "198.51.100.99"), secret)
    assert judged.verdict == "unavailable"
    elsewhere = asyncio.create_task(logins.judge(18, question(18, "203.0.113.5"), secret))
    realm.answers.set()
    assert {judged.verdict for _, _, judged in await asyncio.gather(*waiting, elsewhere)} == {"accepted"}
    _, _, judged = await logins.judge(19, question(19, "198.51.100.99"), secret)
    assert judged.verdict == "accepted"


async def test_the_answer_to_a_challenge_that_was_forgotten_is_no_login(corp: Corp, secret: Secret) -> None:
    logins = PortalLogins(Chain([corp], Throttle()))  # type: ignore[list-item]
    question = outside.Question(login="alice", source="198.51.100.7", after=99)
    _, message, judged = await logins.judge(100, question, secret)
    assert (judged.verdict, message) == ("rejected", "the answer came too late")
    assert corp.asked == []


@pytest.fixture
def secret() -> Secret:
    from ike_engine.secret import Secret  # noqa: PLC0415

    return Secret(b"4711")

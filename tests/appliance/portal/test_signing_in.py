"""The portal's rules, beside what its pages show (tests/webui/test_portal.py)."""

import asyncio
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from sqlalchemy import select, update

from appliance import first_start
from appliance.errors import TooManyAttempts, Unauthenticated
from appliance.installation import Actor, Installation
from appliance.models import PortalSignIn, Realm, User
from appliance.models.columns import now
from appliance.portal import signing_in
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange
from tests.appliance.guessing import SlowHash, hold_the_clock

PASSWORD = SecretStr("correct horse battery")
TEST = Actor("a test")


@pytest.fixture
async def installation(installation: Installation) -> Installation:
    await first_start.ensure(installation)
    async with installation.transaction(TEST) as work:
        await users.add(work, NewUser(name="alice", password=PASSWORD))
    return installation


async def sign_in(installation: Installation) -> str:
    return (await signing_in.sign_in(installation, "alice", PASSWORD, "198.51.100.7", "a browser")).decode()


async def test_a_sign_in_ends_when_it_is_idle_or_old_and_when_the_user_expires(installation: Installation) -> None:
    for change in (
        {"seen_at": now() - signing_in.IDLE - timedelta(seconds=1)},
        {"expires_at": now() - timedelta(seconds=1)},
    ):
        cookie = await sign_in(installation)
        assert (await signing_in.visitor(installation, cookie)) is not None
        async with installation.transaction(TEST) as work:
            (row,) = await work.session.scalars(select(PortalSignIn))
            for name, value in change.items():
                setattr(row, name, value)
        assert await signing_in.visitor(installation, cookie) is None
    cookie = await sign_in(installation)
    async with installation.transaction(TEST) as work:
        await users.change(work, "alice", UserChange(expires_at=now() - timedelta(seconds=1)))
    assert await signing_in.visitor(installation, cookie) is None
    with pytest.raises(Unauthenticated):
        await sign_in(installation)


async def test_a_new_password_by_whomever_ends_the_sign_ins(installation: Installation) -> None:
    cookie = await sign_in(installation)
    async with installation.transaction(TEST) as work:
        await users.change(work, "alice", UserChange(full_name="Alice A"))
    assert await signing_in.visitor(installation, cookie) is not None
    async with installation.transaction(TEST) as work:
        await users.change(work, "alice", UserChange(password=SecretStr("another horse battery")))
    assert await signing_in.visitor(installation, cookie) is None


async def test_the_cookie_lies_nowhere(installation: Installation) -> None:
    cookie = await sign_in(installation)
    async with installation.snapshot() as work:
        (row,) = await work.session.scalars(select(PortalSignIn))
    assert cookie.encode() not in row.cookie_hash


async def test_where_local_users_may_not_log_in_they_may_not_sign_in(installation: Installation) -> None:
    async with installation.transaction(TEST) as work:
        for realm in await work.session.scalars(select(Realm)):
            realm.enabled = False
    with pytest.raises(Unauthenticated):
        await sign_in(installation)


async def test_a_hash_of_other_parameters_is_made_anew_and_nothing_else_changes(installation: Installation) -> None:
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD.get_secret_value())
    async with installation.transaction(TEST) as work:
        await work.session.execute(update(User).values(password_hash=cheap))
    async with installation.snapshot() as work:
        before = await users.show(work, "alice")
    await sign_in(installation)
    async with installation.snapshot() as work:
        stored = (await work.session.scalars(select(User.password_hash))).one()
        assert await users.show(work, "alice") == before
    assert stored != cheap
    await sign_in(installation)
    async with installation.snapshot() as work:
        assert (await work.session.scalars(select(User.password_hash))).one() == stored


async def test_to_guess_many_times_at_once_gains_nothing(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_the_clock(monkeypatch, signing_in)
    slow = SlowHash(monkeypatch, PASSWORD)
    right = asyncio.create_task(sign_in(installation))
    await slow.asked.wait()
    wrong = SecretStr("not this one either")
    attempts = (signing_in.sign_in(installation, "alice", wrong, "198.51.100.7", "") for _ in range(30))
    done = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(each, Unauthenticated) for each in done) == 3
    slow.answer.set()
    with pytest.raises(TooManyAttempts):
        await right

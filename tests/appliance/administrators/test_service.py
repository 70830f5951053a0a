from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from appliance.administrators import service
from appliance.errors import AlreadyExists, Invalid, NotFound, TooManyAttempts, Unauthenticated
from appliance.installation import Actor, Installation
from appliance.models import Administrator, AuditEntry, SignIn
from appliance.models.columns import now
from appliance.runtime_settings.schemas import RuntimeSettings

HERE = Actor("a test")
GOOD = SecretStr("correct horse battery")
WRONG = SecretStr("not this one either")


@pytest.fixture
async def alice(installation: Installation) -> Installation:
    """An installation that Alice administers."""
    async with installation.transaction(HERE) as work:
        await service.add(work, "Alice", GOOD)
    return installation


async def sign_in(installation: Installation, password: SecretStr = GOOD, *, source: str = "192.0.2.1") -> str:
    return (await service.sign_in(installation, "alice", password, source, "a browser")).decode()


async def test_the_first_one_is_made_once(installation: Installation) -> None:
    async with installation.transaction(HERE) as work:
        password = await service.ensure_first(work)
        assert password is not None
        assert await service.ensure_first(work) is None
        assert [row.name for row in (await service.page(work)).items] == ["admin"]
    assert await service.sign_in(installation, "ADMIN", password, "192.0.2.1", "")


async def test_a_cookie_stands_for_its_administrator(alice: Installation) -> None:
    cookie = await sign_in(alice)
    assert await service.signed_in(alice, cookie) == "alice"
    assert await service.signed_in(alice, cookie[:-1]) is None
    async with alice.snapshot() as work:
        row = (await work.session.scalars(select(SignIn))).one()
        assert cookie.encode() not in row.cookie_hash
        assert (row.address, row.user_agent) == ("192.0.2.1", "a browser")
    async with alice.transaction(HERE) as work:
        await service.sign_out(work, cookie)
    assert await service.signed_in(alice, cookie) is None


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": now() - timedelta(seconds=1)},
        {"seen_at": now() - RuntimeSettings().panel_idle - timedelta(minutes=1)},
    ],
)
async def test_a_cookie_runs_out(alice: Installation, change: dict[str, object]) -> None:
    cookie = await sign_in(alice)
    async with alice.transaction(HERE) as work:
        await work.session.execute(update(SignIn).values(change))
    assert await service.signed_in(alice, cookie) is None
    await sign_in(alice)
    async with alice.snapshot() as work:
        assert await work.session.scalar(select(func.count()).select_from(SignIn)) == 1


async def test_who_is_disabled_is_out_at_once(alice: Installation) -> None:
    cookie = await sign_in(alice)
    async with alice.transaction(HERE) as work:
        await work.session.execute(update(Administrator).values(enabled=False))
    assert await service.signed_in(alice, cookie) is None
    with pytest.raises(Unauthenticated):
        await sign_in(alice)


async def test_another_password_signs_out_everywhere(alice: Installation) -> None:
    cookie = await sign_in(alice)
    async with alice.transaction(HERE) as work:
        await service.set_password(work, "alice", SecretStr("another good one 9"))
    assert await service.signed_in(alice, cookie) is None
    with pytest.raises(Unauthenticated):
        await sign_in(alice)
    assert await sign_in(alice, SecretStr("another good one 9"))


async def test_wrong_name_and_wrong_password_are_told_apart_by_nobody(alice: Installation) -> None:
    words = set()
    for name in ("alice", "nobody"):
        with pytest.raises(Unauthenticated) as refused:
            await service.sign_in(alice, name, WRONG, "192.0.2.1", "")
        words.add((str(refused.value), refused.value.remedy, refused.value.field))
    assert len(words) == 1


async def test_who_guesses_has_to_wait_and_others_have_not(alice: Installation) -> None:
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await sign_in(alice, WRONG)
    with pytest.raises(TooManyAttempts) as refused:
        await sign_in(alice, GOOD, source="192.0.2.200")
    assert 1 <= refused.value.retry_after_seconds <= 2
    assert await sign_in(alice, GOOD, source="198.51.100.1")


async def test_what_cannot_be(alice: Installation) -> None:
    async with alice.transaction(HERE) as work:
        with pytest.raises(AlreadyExists):
            await service.add(work, "ALICE", GOOD)
        with pytest.raises(Invalid, match="too weak"):
            await service.add(work, "bob", SecretStr("bob"))
        with pytest.raises(Invalid, match="letters, digits"):
            await service.add(work, "bob jones", GOOD)
        with pytest.raises(NotFound):
            await service.set_password(work, "bob", GOOD)


async def test_signing_in_and_out_is_on_record_without_cookies(alice: Installation) -> None:
    cookie = await sign_in(alice)
    async with alice.transaction(HERE) as work:
        await service.sign_out(work, cookie)
    async with alice.snapshot() as work:
        rows = (await work.session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert [row.deed for row in rows] == ["administrator.add", "administrator.sign-in", "administrator.sign-out"]
    assert rows[1].source == "192.0.2.1"
    assert cookie not in " ".join(str(vars(row)) for row in rows)

"""A backup takes an installation's place before anything is open, also when that was cut short; the old one is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from appliance.backups import replacement, service
from appliance.errors import InUse, Invalid, NotFound
from appliance.installation import Actor, Installation
from appliance.settings import Settings
from appliance.users import service as users
from appliance.users.schemas import NewUser

if TYPE_CHECKING:
    from appliance.backups.schemas import ReplacementView

HERE = Actor("a test")
PASSPHRASE = SecretStr("correct horse battery")


async def add(settings: Settings, name: str) -> None:
    async with Installation.open(settings) as opened, opened.transaction(HERE) as work:
        await users.add(work, NewUser(name=name, password=PASSPHRASE))


async def names(settings: Settings) -> list[str]:
    async with Installation.open(settings) as opened, opened.snapshot() as work:
        return [user.name for user in (await users.page(work)).items]


async def prepared(settings: Settings, passphrase: SecretStr = PASSPHRASE) -> ReplacementView:
    async with Installation.open(settings) as opened, opened.transaction(HERE) as work:
        (backup,) = (await service.page(work)).items
        return await replacement.prepare(work, backup.name, passphrase)


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """An installation with a backup, and a user who came later."""
    settings = Settings(data_dir=tmp_path / "data")
    await add(settings, "early")
    async with Installation.open(settings) as opened, opened.transaction(HERE) as work:
        await service.create(work, PASSPHRASE)
    await add(settings, "late")
    return settings


async def test_it_is_exchanged_once_and_the_old_one_is_whole(settings: Settings) -> None:
    assert replacement.carry_out(settings) is None
    found = await prepared(settings)
    assert (found.content.rows["users"], replacement.waiting(settings)) == (1, found)
    assert await names(settings) == ["early", "late"]
    kept = replacement.carry_out(settings)
    assert kept is not None
    assert await names(settings) == ["early"]
    assert await names(settings.model_copy(update={"data_dir": kept})) == ["early", "late"]
    assert replacement.carry_out(settings) is None


@pytest.mark.parametrize("moves", range(1, 4))
async def test_an_exchange_that_was_cut_short_is_taken_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    await prepared(settings)
    real, left = Path.replace, moves

    def until_the_power_fails(source: Path, target: Path) -> Path:
        nonlocal left
        if not left:
            raise OSError("power")
        left -= 1
        return real(source, target)

    with monkeypatch.context() as failing:
        failing.setattr(Path, "replace", until_the_power_fails)
        with pytest.raises(OSError, match="power"):
            replacement.carry_out(settings)
    kept = replacement.carry_out(settings)
    assert kept is not None
    assert await names(settings) == ["early"]
    assert await names(settings.model_copy(update={"data_dir": kept})) == ["early", "late"]


async def test_a_wrong_passphrase_prepares_nothing(settings: Settings) -> None:
    with pytest.raises(Invalid, match="passphrase is wrong"):
        await prepared(settings, SecretStr("another one"))
    assert replacement.carry_out(settings) is None


async def test_it_can_be_called_off(settings: Settings) -> None:
    await prepared(settings)
    async with Installation.open(settings) as opened, opened.transaction(HERE) as work:
        await replacement.call_off(work)
        with pytest.raises(NotFound, match="no backup waits"):
            await replacement.call_off(work)
    assert replacement.carry_out(settings) is None


async def test_a_database_that_cannot_be_put_aside_is_not_replaced(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"database_url": settings.effective_database_url})
    with pytest.raises(InUse, match="not the embedded one"):
        await prepared(elsewhere)

"""Data directories that tests begin with: each is made once, as in production, and copied for whoever needs one."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest
from pydantic import SecretStr

from appliance import first_start
from appliance.database import Database
from appliance.installation import Installation
from appliance.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


class Begun(NamedTuple):
    """An appliance after its first start.

    Attributes:
        settings: Its boot settings.
        password: Of the administrator ``admin``.
    """

    settings: Settings
    password: str


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database that the migrations made: to run them takes longer than most tests."""
    file = tmp_path_factory.mktemp("migrated") / "coati.db"

    async def migrate() -> None:
        opened = Database.open(SecretStr(f"sqlite+aiosqlite:///{file}"))
        await opened.migrate()
        await opened.close()

    asyncio.run(migrate())
    return file


@pytest.fixture
def data_dir(tmp_path: Path, migrated_file: Path) -> Path:
    """A data directory whose database has all tables and no row."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    shutil.copy(migrated_file, folder)
    return folder


@pytest.fixture(scope="session")
def first_started(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    """What the first start makes: authority, certificates, pool, profile, administrator. Its keys take their time."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("begun") / "data", public_name="vpn.example.net")

    async def start() -> str:
        async with Installation.open(settings) as installation:
            prepared = await first_start.ensure(installation)
        assert prepared.administrator_password is not None
        return prepared.administrator_password.get_secret_value()

    return Begun(settings, asyncio.run(start()))


@pytest.fixture
def begun(tmp_path: Path, first_started: Begun) -> Begun:
    """An appliance of one's own after its first start."""
    folder = tmp_path / "data"
    shutil.copytree(first_started.settings.data_dir, folder)
    return first_started._replace(settings=first_started.settings.model_copy(update={"data_dir": folder}))

"""A new version on the data of an old one: brought up to date by ``serve``, and a copy kept of what was before.

``tests/vectors/upgrade/0001.sql`` is the database of the first version, as that version made and filled it (a user, a
second pool, a profile with a group key), ``0001.key`` its master key.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import select

from appliance.database import Database, alembic_config, newest_revision
from appliance.errors import Invalid
from appliance.installation import Installation
from appliance.models import Profile, User
from appliance.passwords import verify
from appliance.profiles.service import KEY_PURPOSE
from appliance.settings import Settings
from tests.appliance.test_keeper import ALONE, serving

OLD: Final = Path(__file__).parents[1] / "vectors" / "upgrade"
GROUP_KEY: Final = b"a492a5699dbe2dbfbcfd510e0c927dcbe7fbbc67"
REVISIONS: Final = [each.revision for each in ScriptDirectory.from_config(alembic_config()).walk_revisions()]
"""All of them, the newest first."""


def ask(file: Path, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute(question).fetchall()


def copies(data: Path) -> list[Path]:
    return sorted(data.glob("coati-at-*.db"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of the first version."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    shutil.copy(OLD / "0001.key", folder / "master.key")
    (folder / "master.key").chmod(0o600)
    with closing(sqlite3.connect(folder / "coati.db")) as database:
        database.executescript((OLD / "0001.sql").read_text("utf-8"))
    return folder


@pytest.mark.root
def test_serve_takes_the_data_of_the_first_version(data: Path) -> None:
    certificates = ask(data / "coati.db", "SELECT serial_number FROM certificates WHERE purpose = 'authority'")
    with serving(data, *ALONE, COATI_DATA_PLANE="none") as new:
        new.wait_for("serving")
        new.wait_for("Application startup complete")
        assert "bringing the tables up to date" in new.text
        assert "password  " not in new.text  # the administrator is the one that there was
        assert new.stop() == 0
    file = data / "coati.db"
    assert ask(file, "SELECT version_num FROM alembic_version") == [(newest_revision(),)]
    assert ask(file, "SELECT name FROM users") == [("alice",)]
    assert ask(file, "SELECT name FROM pools ORDER BY id") == [("default",), ("branch",)]
    assert ask(file, "SELECT serial_number FROM certificates WHERE purpose = 'authority'") == certificates
    (copy,) = copies(data)
    assert copy.name.startswith("coati-at-0001-")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.stat().st_uid == file.stat().st_uid
    assert ask(copy, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert ask(copy, "SELECT name FROM users") == [("alice",)]
    assert ask(copy, "PRAGMA integrity_check") == [("ok",)]


async def test_passwords_and_sealed_keys_of_the_first_version_are_still_good(data: Path) -> None:
    async with Installation.open(Settings(data_dir=data)) as installation, installation.snapshot() as work:
        alice = (await work.session.scalars(select(User))).one()
        assert await verify(alice.password_hash, "correct horse battery")
        assert not await verify(alice.password_hash, "another")
        phones = (await work.session.scalars(select(Profile).where(Profile.name == "phones"))).one()
        assert phones.pre_shared_key is not None
        key = installation.master_key.open(phones.pre_shared_key, KEY_PURPOSE)
        assert bytes(key) == GROUP_KEY


@pytest.mark.parametrize("revision", REVISIONS[1:])
async def test_every_revision_is_brought_up_to_date(tmp_path: Path, revision: str) -> None:
    file = tmp_path / "coati.db"
    old = Database.open(SecretStr(f"sqlite+aiosqlite:///{file}"))
    await old.rework(lambda connection: command.upgrade(alembic_config(connection), revision))
    await old.migrate()
    await old.close()
    assert ask(file, "SELECT version_num FROM alembic_version") == [(newest_revision(),)]
    assert [copy.name[:13] for copy in copies(tmp_path)] == [f"coati-at-{revision}"]


async def test_nothing_is_copied_where_there_is_nothing_to_lose(tmp_path: Path) -> None:
    database = Database.open(SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'coati.db'}"))
    await database.migrate()
    await database.migrate()
    await database.close()
    assert copies(tmp_path) == []


async def test_three_copies_are_kept(data: Path) -> None:
    for day in range(1, 5):
        (data / f"coati-at-0001-2026-01-0{day}T000000Z.db").touch()
    async with Installation.open(Settings(data_dir=data)):
        pass
    assert [copy.name[14:24] for copy in copies(data)[:2]] == ["2026-01-03", "2026-01-04"]
    assert len(copies(data)) == 3


async def test_an_older_version_says_that_it_is_older(tmp_path: Path) -> None:
    file = tmp_path / "coati.db"
    database = Database.open(SecretStr(f"sqlite+aiosqlite:///{file}"))
    await database.migrate()
    with closing(sqlite3.connect(file)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.commit()
    with pytest.raises(Invalid, match=r"by a newer Coati \(revision 9999; this one knows \d{4}\)"):
        await database.migrate()
    await database.close()
    assert copies(tmp_path) == []

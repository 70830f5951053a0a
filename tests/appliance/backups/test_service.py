"""Everything comes back, in the same kind of database and in the other one; nothing is overwritten."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from pydantic import SecretStr
from sqlalchemy import select, text

from appliance import __version__
from appliance.backups import archive, folders, repository, service
from appliance.certificates import service as certificates
from appliance.database import Database, alembic_config
from appliance.errors import AlreadyExists, InUse, Invalid, NotFound
from appliance.installation import Actor, Installation
from appliance.master_key import MasterKey
from appliance.models import AuditEntry, Base, Certificate, Command, Lease, Node, Session, User, Verb
from appliance.models.columns import now
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool
from appliance.settings import Settings
from appliance.users import service as users
from appliance.users.schemas import NewUser
from tests.appliance.metrics.test_service import session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.appliance.conftest import PostgresqlServer

pytestmark = pytest.mark.usefixtures("cheap_passphrases")

HERE = Actor("a test")
PASSPHRASE = SecretStr("correct horse battery")


@pytest.fixture
async def full(installation: Installation) -> Installation:
    """An installation that has something of everything, and somebody connected."""
    master_key = MasterKey.load_or_create(_directory(installation).master_key_file)
    installation = replace(installation, master_key=master_key)
    async with installation.transaction(HERE) as work:
        await certificates.ensure(work)
        await pools.add(work, NewPool.model_validate({"name": "office", "networks": ["10.99.0.0/29"]}))
        await users.add(work, NewUser.model_validate({"name": "ada", "password": "analytical engine"}))
        work.session.add_all(
            [Node(name="gw"), Command(verb=Verb.RELOAD, node="gw", created_by="a test"), session("ada")]
        )
        lease = (await work.session.scalars(select(Lease).limit(1))).one()
        lease.user, lease.node, lease.taken_at, lease.free_since = "ada", "gw", now(), None
    return installation


def _directory(installation: Installation) -> Settings:
    installation.settings.data_dir.mkdir(exist_ok=True)
    return installation.settings


async def made(installation: Installation) -> bytes:
    async with installation.transaction(HERE) as work:
        return await service.make(work, PASSPHRASE, "a file")


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A place where there is nothing yet."""
    url = SecretStr(f"sqlite:///{tmp_path}/elsewhere.db")
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        url = server.create(f"restored_{abs(hash(tmp_path))}")
    return Settings(data_dir=tmp_path / "elsewhere", database_url=url)


@pytest.fixture
def new_place(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "new")


async def everything(opened: Installation) -> dict[str, list[dict[str, Any]]]:
    """All rows of the tables that are kept, as our models read them."""
    async with opened.snapshot() as work:
        return {
            table.name: [
                dict(row) for row in (await work.session.execute(select(table).order_by(*table.primary_key))).mappings()
            ]
            for table in Base.metadata.sorted_tables
            if table.name not in repository.PASSING
        }


async def test_everything_comes_back(full: Installation, elsewhere: Settings) -> None:
    file = await made(full)
    before = await everything(full)

    content = await service.restore(elsewhere, file, PASSPHRASE)

    assert elsewhere.master_key_file.read_bytes() == full.settings.master_key_file.read_bytes()
    assert elsewhere.master_key_file.stat().st_mode & 0o777 == 0o600
    async with Installation.open(elsewhere, migrate=False) as opened:
        after = await everything(opened)
        for of_the_moment in ("sessions", "leases", "audit_entries"):
            del before[of_the_moment], after[of_the_moment]
        assert after == before
        assert content.rows["users"] == 1
        assert content.version == __version__
        async with opened.snapshot() as work:
            row = (await work.session.scalars(select(Certificate).limit(1))).one()
            assert opened.master_key.open(row.private_key, "certificates.private_key")


async def test_nobody_is_connected_after_a_restore(full: Installation, new_place: Settings) -> None:
    await service.restore(new_place, await made(full), PASSPHRASE)
    async with Installation.open(new_place, migrate=False) as opened, opened.snapshot() as work:
        (stay,) = (await work.session.scalars(select(Session))).all()
        assert (stay.user, stay.goodbye_reason) == ("ada", "restored from a backup")
        assert stay.ended_at is not None
        assert not (await work.session.scalars(select(Lease).where(Lease.free_since.is_(None)))).all()
        assert (await work.session.scalars(select(Lease).where(Lease.user == "ada"))).all()
        for of_the_moment in (Node, Command):
            assert not (await work.session.scalars(select(of_the_moment))).all()


async def test_new_rows_get_new_numbers_after_a_restore(full: Installation, elsewhere: Settings) -> None:
    await service.restore(elsewhere, await made(full), PASSPHRASE)
    async with Installation.open(elsewhere, migrate=False) as opened, opened.transaction(HERE) as work:
        await users.add(work, NewUser.model_validate({"name": "grace", "password": "COBOL is my language"}))
        numbers = (await work.session.scalars(select(User.id).order_by(User.id))).all()
        assert len(set(numbers)) == 2


async def test_an_installation_is_never_overwritten(full: Installation, new_place: Settings) -> None:
    file = await made(full)
    await service.restore(new_place, file, PASSPHRASE)
    before = new_place.master_key_file.read_bytes()
    with pytest.raises(InUse, match="holds an installation; nothing was changed"):
        await service.restore(new_place, file, PASSPHRASE)
    assert new_place.master_key_file.read_bytes() == before


async def test_a_database_is_never_overwritten(full: Installation, tmp_path: Path) -> None:
    other = Settings(data_dir=tmp_path / "other", database_url=full.settings.database_url or _url(full))
    with pytest.raises(InUse, match="the database is not empty; nothing was changed"):
        await service.restore(other, await made(full), PASSPHRASE)
    assert not other.master_key_file.exists()


def _url(installation: Installation) -> SecretStr:
    return SecretStr(installation.database.engine.url.render_as_string(hide_password=False))


async def test_a_wrong_passphrase_leaves_nothing(full: Installation, new_place: Settings) -> None:
    with pytest.raises(Invalid, match="the passphrase is wrong"):
        await service.restore(new_place, await made(full), SecretStr("another passphrase"))
    assert not new_place.data_dir.exists()


async def test_a_weak_passphrase_is_refused(full: Installation) -> None:
    async with full.transaction(HERE) as work:
        with pytest.raises(Invalid, match="the passphrase is too weak"):
            await service.make(work, SecretStr("password"), "a file")


async def test_a_backup_of_a_newer_version_is_refused(new_place: Settings) -> None:
    file = archive.seal({}, PASSPHRASE.get_secret_value(), version="99.0", revision="9999")
    with pytest.raises(Invalid, match=r"made by Coati 99\.0, which is newer than this one") as refused:
        await service.restore(new_place, file, PASSPHRASE)
    assert refused.value.remedy == "update Coati first"
    assert not new_place.data_dir.exists()


async def test_a_backup_of_an_older_version_is_brought_up_to_date(new_place: Settings, tmp_path: Path) -> None:
    old = Database.open(SecretStr(f"sqlite+aiosqlite:///{tmp_path}/old.db"))

    def first_revision(connection: Connection) -> dict[str, Any]:
        command.upgrade(alembic_config(connection), "0001")
        connection.execute(
            text(
                "INSERT INTO users (name, full_name, password_hash, enabled, password_changed_at, created_at,"
                " changed_at) VALUES ('ada', '', 'x', 1, :at, :at, :at)"
            ),
            {"at": "2026-01-31 08:00:00.000000"},
        )
        return repository.dump(connection)

    tables = await old.rework(first_revision)
    await old.close()
    content = {"master_key": "00" * 32, "tables": tables}
    file = archive.seal(content, PASSPHRASE.get_secret_value(), version="0.1.0", revision="0001")

    await service.restore(new_place, file, PASSPHRASE)
    async with Installation.open(new_place, migrate=False) as opened, opened.snapshot() as work:
        assert (await users.show(work, "ada")).name == "ada"


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


async def test_a_trial_tells_what_is_in_it_and_leaves_nothing(full: Installation, tmp_path: Path) -> None:
    file = await made(full)
    before = _files(tmp_path)
    content = await service.verify(file, PASSPHRASE)
    assert (content.rows["users"], content.rows["pools"], content.rows["leases"]) == (1, 1, 6)
    assert _files(tmp_path) == before


async def test_several_are_verified_at_once(full: Installation) -> None:
    file = await made(full)
    verified = await asyncio.gather(*(service.verify(file, PASSPHRASE) for _ in range(3)))
    assert [content.rows["users"] for content in verified] == [1, 1, 1]


async def test_no_secret_can_be_read_in_it_and_the_log_names_it(full: Installation) -> None:
    file = await made(full)
    key = full.settings.master_key_file.read_bytes().strip()
    assert key not in file
    assert bytes.fromhex(key.decode()) not in file
    async with full.snapshot() as work:
        entry = (await work.session.scalars(select(AuditEntry).where(AuditEntry.deed == "backup.create"))).one()
    assert entry.target == "a file"
    assert PASSPHRASE.get_secret_value() not in json.dumps([entry.before, entry.after])


async def test_those_in_the_data_directory(full: Installation) -> None:
    async with full.transaction(HERE) as work:
        assert (await service.page(work)).total == 0
        kept = await service.create(work, PASSPHRASE)
        assert (await service.page(work)).items == [kept]
        assert kept.name.endswith(folders.SUFFIX)
        assert (await service.verify(await service.read(work, kept.name), PASSPHRASE)).rows["users"] == 1
        folder = full.settings.data_dir / "backups"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / kept.name).stat().st_mode & 0o777 == 0o600
        await service.remove(work, kept.name)
        assert (await service.page(work)).total == 0
        for name in (kept.name, "../master.key", "../coati.db", f"../../x{folders.SUFFIX}", ""):
            with pytest.raises(NotFound):
                await service.read(work, name)


async def pieces(*octets: bytes) -> AsyncIterator[bytes]:
    for each in octets:
        yield each


async def test_one_from_elsewhere_is_kept_if_it_is_one(full: Installation) -> None:
    file = await made(full)
    folder = full.settings.data_dir / "backups"
    async with full.snapshot(HERE) as work:
        kept = await service.receive(work, "monday.coati-backup", pieces(file[:1000], file[1000:]))
        assert (kept.octets, kept.scheduled) == (len(file), False)
        assert (folder / kept.name).read_bytes() == file
        assert (folder / kept.name).stat().st_mode & 0o777 == 0o600
        with pytest.raises(AlreadyExists):
            await service.receive(work, "monday.coati-backup", pieces(file))
        with pytest.raises(Invalid, match="no backup of Coati"):
            await service.receive(work, "tuesday.coati-backup", pieces(b"PK", b"x" * 10_000))
        for name in ("../up.coati-backup", "monday.zip", ".coati-backup", "a/b.coati-backup", ""):
            with pytest.raises(Invalid, match="cannot be called"):
                await service.receive(work, name, pieces(file))
        assert [each.name for each in (await service.page(work)).items] == ["monday.coati-backup"]
    assert [each.name for each in folder.iterdir()] == ["monday.coati-backup"]  # nor anything half
    async with full.snapshot() as work:
        entry = (await work.session.scalars(select(AuditEntry).where(AuditEntry.deed == "backup.receive"))).one()
    assert entry.target == "monday.coati-backup"


async def test_one_that_is_cut_short_on_its_way_leaves_nothing(full: Installation) -> None:
    async def cut_short() -> AsyncIterator[bytes]:
        yield b"COATI BACKUP 1\n"
        raise ConnectionError

    async with full.snapshot(HERE) as work:
        with pytest.raises(ConnectionError):
            await service.receive(work, "monday.coati-backup", cut_short())
    assert list((full.settings.data_dir / "backups").iterdir()) == []


def test_every_table_of_the_moment_is_named_so() -> None:
    """Whoever adds a table decides whether a backup keeps it: what dies with a process or a browser is not kept."""
    assert Base.metadata.tables.keys() >= repository.PASSING
    assert {"nodes", "revisions", "commands", "sign_ins"} <= repository.PASSING

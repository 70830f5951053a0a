"""The rules of backups: what goes in, and where one may be restored."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection

from appliance import __version__, passwords
from appliance.audit import service as audit
from appliance.backups import archive, folders, repository
from appliance.backups.schemas import BackupContent, BackupView
from appliance.data_directory import open_private, prepare, write_private
from appliance.database import Database
from appliance.errors import AlreadyExists, InUse, Invalid
from appliance.installation import Installation, Transaction
from appliance.models.columns import now
from appliance.schema import EVERYTHING, Page, Paging
from appliance.settings import Settings

_MASTER_KEY, _TABLES = "master_key", "tables"


# ---- making and restoring -------------------------------------------------------------------------


async def make(work: Transaction, passphrase: SecretStr, target: str) -> bytes:
    """Give a backup of everything, the master key included.

    Args:
        work: A transaction.
        passphrase: What it is encrypted under.
        target: Name of the file, for the audit log.

    Raises:
        Invalid: the passphrase is too weak.
    """
    if weakness := passwords.weakness(passphrase.get_secret_value()):
        raise Invalid(f"the passphrase is too weak: {weakness}", field="passphrase")
    revision, tables = await _dumped(work.installation.database)
    content = {_MASTER_KEY: work.installation.settings.master_key_file.read_text("ascii").strip(), _TABLES: tables}
    file = await asyncio.to_thread(
        archive.seal, content, passphrase.get_secret_value(), version=__version__, revision=revision
    )
    audit.record(work, "backup.create", target)
    return file


async def restore(settings: Settings, file: bytes, passphrase: SecretStr) -> BackupContent:
    """Make an installation of a backup, where there is none.

    Args:
        settings: Say where: the data directory and the database.
        file: The backup.
        passphrase: What it was encrypted under.

    Raises:
        InUse: there is one.
        Invalid: the file is no good, the passphrase is wrong, or the backup is of a newer version.
    """
    if settings.master_key_file.exists():
        raise InUse(
            f"{settings.data_dir} holds an installation; nothing was changed",
            remedy="restore into a new directory (coati --data-dir DIR backup restore), or move this one away",
        )
    header, content = await asyncio.to_thread(archive.unseal, file, passphrase.get_secret_value())
    if not repository.knows(header.revision):
        raise Invalid(
            f"this backup was made by Coati {header.version}, which is newer than this one ({__version__})",
            remedy="update Coati first",
        )
    prepare(settings)
    database = Database.open(settings.effective_database_url)
    try:
        rows = await database.rework(lambda connection: _load(connection, content[_TABLES], header.revision))
        write_private(settings.master_key_file, f"{content[_MASTER_KEY]}\n".encode())
    finally:
        await database.close()
    return BackupContent(version=header.version, made_at=header.made_at, rows=rows)


async def verify(file: bytes, passphrase: SecretStr) -> BackupContent:
    """Restore a backup into a place that is thrown away, and tell what is in it.

    Raises:
        Invalid: as ``restore``.
    """
    with tempfile.TemporaryDirectory(prefix="coati-backup-") as folder:
        settings = Settings(data_dir=Path(folder) / "data", database_url=SecretStr(f"sqlite:///{folder}/coati.db"))
        content = await restore(settings, file, passphrase)
        async with Installation.open(settings, migrate=False):
            return content


async def _dumped(database: Database) -> tuple[str, dict[str, Any]]:
    """Give revision and tables, all of one moment."""
    isolation = {} if database.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    async with database.engine.execution_options(**isolation).connect() as connection:
        return await connection.run_sync(lambda sync: (repository.revision(sync), repository.dump(sync)))


def _load(connection: Connection, tables: dict[str, Any], revision: str) -> dict[str, int]:
    if repository.is_used(connection):
        raise InUse("the database is not empty; nothing was changed", remedy="name an empty one by COATI_DATABASE_URL")
    repository.load(connection, tables, revision)
    return repository.counts(connection)


# ---- those that lie here --------------------------------------------------------------------------


async def page(work: Transaction, paging: Paging = EVERYTHING) -> Page[BackupView]:
    """List the backups that lie here, the latest first; what is none is left out."""
    items = []
    for file in await folders.files(work):
        with suppress(Invalid, OSError):
            items.append(describe(file))
    return Page.cut(sorted(items, key=lambda each: each.made_at, reverse=True), paging)


async def show(work: Transaction, name: str) -> BackupView:
    """Show one.

    Raises:
        NotFound: there is no such backup.
        Invalid: the file is none.
    """
    return describe(await folders.find(work, name))


async def create(work: Transaction, passphrase: SecretStr) -> BackupView:
    """Make one in the data directory.

    Raises:
        Invalid: the passphrase is too weak.
        InUse: there is one of this second.
    """
    name = f"coati-{now():%Y-%m-%dT%H%M%SZ}{folders.SUFFIX}"
    file = await make(work, passphrase, name)
    try:
        write_private(_own_folder(work) / name, file)
    except FileExistsError:
        raise InUse("a backup was made just now", remedy="try again in a second") from None
    return await show(work, name)


async def receive(work: Transaction, name: str, content: AsyncIterator[bytes]) -> BackupView:
    """Keep a backup that was made elsewhere in the data directory; it is written to disk as it comes.

    Args:
        work: Only read in, for who knows how long it takes; what is written down has a transaction of its own.
        name: What it shall be called.
        content: The file, piece by piece.

    Raises:
        Invalid: the name or the file is none of a backup.
        AlreadyExists: there is one by this name.
    """
    if not folders.is_name(name):
        raise Invalid(
            f"a backup cannot be called {name!r}",
            field="name",
            remedy=f"letters, digits, - and _, and {folders.SUFFIX} at the end",
        )
    folder = _own_folder(work)
    taken = AlreadyExists(f"there is a backup {name} already", field="name", remedy="remove it first, or rename yours")
    if (folder / name).exists():
        raise taken
    partial = folder / f".{secrets.token_hex(8)}.partial"
    try:
        with os.fdopen(open_private(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            async for piece in content:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        describe(partial)
        try:
            os.link(partial, folder / name)  # which replaces nothing
        except FileExistsError:
            raise taken from None
    finally:
        partial.unlink(missing_ok=True)
    async with work.installation.transaction(work.actor) as writing:
        audit.record(writing, "backup.receive", name)
    return describe(folder / name)


async def read(work: Transaction, name: str) -> bytes:
    """Give the file.

    Raises:
        NotFound: there is no such backup.
    """
    return (await folders.find(work, name)).read_bytes()


async def remove(work: Transaction, name: str) -> None:
    """Remove one for good.

    Raises:
        NotFound: there is no such backup.
    """
    file = await folders.find(work, name)
    work.expect(describe(file))
    file.unlink()
    audit.record(work, "backup.remove", name)


def _own_folder(work: Transaction) -> Path:
    folder = folders.own(work.installation)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def describe(file: Path) -> BackupView:
    """Tell what a file is, without its passphrase.

    Raises:
        Invalid: it is no backup.
    """
    with file.open("rb") as opened:
        header = archive.describe(opened.read(archive.LONGEST_HEADER_OCTETS))
    return BackupView(
        name=file.name,
        folder=str(file.parent),
        scheduled=file.name.startswith(folders.SCHEDULED),
        octets=file.stat().st_size,
        version=header.version,
        made_at=header.made_at,
    )

"""The rules of backups: what goes in, and where one may be restored."""

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import Connection

from appliance import __version__, passwords
from appliance.audit import service as audit
from appliance.backups import archive, repository
from appliance.backups.schemas import BackupContent, BackupView
from appliance.data_directory import prepare, write_private
from appliance.database import Database
from appliance.errors import InUse, Invalid, NotFound
from appliance.installation import Installation, Transaction
from appliance.models.columns import now
from appliance.schema import Page
from appliance.settings import Settings

SUFFIX: Final = ".coati-backup"
FOLDER: Final = "backups"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}" + re.escape(SUFFIX) + r"\Z")
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


# ---- those in the data directory ------------------------------------------------------------------


async def page(work: Transaction) -> Page[BackupView]:
    """List the backups in the data directory, the latest first."""
    folder = _folder(work)
    names = sorted((file.name for file in folder.glob(f"*{SUFFIX}") if _NAME.match(file.name)), reverse=True)
    items = [await show(work, name) for name in names]
    return Page(items=items, total=len(items))


async def show(work: Transaction, name: str) -> BackupView:
    """Show one.

    Raises:
        NotFound: there is no such backup.
        Invalid: the file is none.
    """
    file = read(work, name)
    header = archive.describe(file)
    return BackupView(name=name, octets=len(file), version=header.version, made_at=header.made_at)


async def create(work: Transaction, passphrase: SecretStr) -> BackupView:
    """Make one in the data directory.

    Raises:
        Invalid: the passphrase is too weak.
        InUse: there is one of this second.
    """
    name = f"coati-{now():%Y-%m-%dT%H%M%SZ}{SUFFIX}"
    file = await make(work, passphrase, name)
    folder = _folder(work)
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        write_private(folder / name, file)
    except FileExistsError:
        raise InUse("a backup was made just now", remedy="try again in a second") from None
    return await show(work, name)


def read(work: Transaction, name: str) -> bytes:
    """Give the file.

    Raises:
        NotFound: there is no such backup.
    """
    return _find(work, name).read_bytes()


async def remove(work: Transaction, name: str) -> None:
    """Remove one for good.

    Raises:
        NotFound: there is no such backup.
    """
    _find(work, name).unlink()
    audit.record(work, "backup.remove", name)


def _folder(work: Transaction) -> Path:
    return work.installation.settings.data_dir / FOLDER


def _find(work: Transaction, name: str) -> Path:
    file = _folder(work) / name
    if not _NAME.match(name) or not file.is_file():
        raise NotFound(f"there is no backup {name}")
    return file

"""A backup in the place of a running installation: prepared beside it, exchanged at the next start, the old one kept.

The processes that serve hold database and master key open, so nothing is exchanged under them. The backup is restored
into a folder of the data directory (``service.restore``: where there is nothing yet); ``prepare``, which runs before
anything else is open, puts it in place. An exchange that was cut short is taken up where it stopped.
"""

import shutil
from pathlib import Path
from typing import Final

import structlog
from pydantic import SecretStr

from appliance.audit import service as audit
from appliance.backups import repository, service
from appliance.backups.schemas import ReplacementView
from appliance.data_directory import write_private
from appliance.errors import InUse, NotFound
from appliance.installation import Transaction
from appliance.models.columns import now
from appliance.settings import Settings

logger = structlog.get_logger(__name__)

_FOLDER: Final = "restored"
_READY: Final = "ready.json"  # written last: without it the folder is not complete
_KEPT: Final = "replaced-{:%Y-%m-%dT%H%M%SZ}"


async def present(work: Transaction) -> dict[str, int]:
    """Tell how many rows each table has that a backup would replace."""
    return await (await work.session.connection()).run_sync(repository.counts)


async def prepare(work: Transaction, name: str, passphrase: SecretStr) -> ReplacementView:
    """Have a backup of the data directory take the installation's place at the next start.

    Raises:
        InUse: the database is not the embedded one.
        Invalid: the passphrase is wrong, or the backup is no good.
        NotFound: there is no such backup.
    """
    settings = work.installation.settings
    if settings.database_url is not None:
        raise InUse(
            "this installation's database is not the embedded one, and cannot be put aside",
            remedy="restore into an empty database on the command line: coati --data-dir DIR backup restore",
        )
    file = await service.read(work, name)
    folder = settings.data_dir / _FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    content = await service.restore(settings.model_copy(update={"data_dir": folder}), file, passphrase)
    prepared = ReplacementView(name=name, prepared_at=now(), prepared_by=work.actor.who, content=content)
    write_private(folder / _READY, prepared.model_dump_json().encode())
    audit.record(work, "backup.replace", name)
    return prepared


def waiting(settings: Settings) -> ReplacementView | None:
    """Give what will take the installation's place at the next start."""
    file = settings.data_dir / _FOLDER / _READY
    return ReplacementView.model_validate_json(file.read_bytes()) if file.is_file() else None


async def call_off(work: Transaction) -> None:
    """Leave the installation as it is.

    Raises:
        NotFound: nothing waits.
    """
    prepared = waiting(work.installation.settings)
    if prepared is None:
        raise NotFound("no backup waits for the next start")
    work.expect(prepared)
    shutil.rmtree(work.installation.settings.data_dir / _FOLDER)
    audit.record(work, "backup.keep-present", prepared.name)


def carry_out(settings: Settings) -> Path | None:
    """Exchange the installation for the backup that waits; give where the old one is kept, ``None``: none waited.

    For the moment when no process has the installation open.
    """
    prepared = waiting(settings)
    if prepared is None:
        return None
    folder = settings.data_dir / _FOLDER
    kept = settings.data_dir / _KEPT.format(prepared.prepared_at)
    kept.mkdir(mode=0o700, exist_ok=True)
    database, key = "coati.db", settings.master_key_file.name
    # The old database's log must be gone before the new one is there: SQLite would take it for the new one's.
    for old in (f"{database}-wal", f"{database}-shm"):
        if (folder / database).exists():
            _move(settings.data_dir / old, kept / old)
    for name in (database, key):
        if (folder / name).exists():
            _move(settings.data_dir / name, kept / name)
            _move(folder / name, settings.data_dir / name)
    shutil.rmtree(folder)
    logger.warning("a backup has taken the installation's place", backup=prepared.name, old=str(kept))
    return kept


def _move(source: Path, target: Path) -> None:
    if source.exists():
        source.replace(target)

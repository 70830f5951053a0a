"""Makes the backups that the schedule asks for.

The web process does it, which every machine has and no client waits for. Of several that share a database one makes
it: whoever writes the row of that moment first. What a backup is worth is seen at once: each is restored on trial.
"""

import asyncio
import os
import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from appliance import outside_directory
from appliance.audit import service as audit
from appliance.backups import folders, runs, schedule, service
from appliance.backups.schemas import BackupRunView
from appliance.data_directory import write_private
from appliance.errors import ApplianceError, InUse, Invalid
from appliance.installation import Actor, Installation, Transaction
from appliance.models import BackupRun
from appliance.models.columns import now
from appliance.runtime_settings import service as runtime_settings
from appliance.runtime_settings.schemas import RuntimeSettings

ACTOR: Final = Actor("the schedule of backups")
_LOOK_SECONDS: Final = 30.0
_NAME: Final = f"{folders.SCHEDULED}{{:%Y-%m-%dT%H%M%SZ}}{folders.SUFFIX}"
_OURS: Final = re.compile(re.escape(folders.SCHEDULED) + r"[0-9TZ-]+" + re.escape(folders.SUFFIX))

logger = structlog.get_logger(__name__)


async def make_now(work: Transaction) -> BackupRunView:
    """Make a backup as the schedule would, at once: so it is seen whether it can.

    Raises:
        Invalid: there is no passphrase for it.
        InUse: one was begun in this second.
    """
    settings = await runtime_settings.current(work.session)
    if await runtime_settings.secret(work, "backup_passphrase") is None:
        raise Invalid("backups that are made by themselves have no passphrase", remedy=schedule.NO_PASSPHRASE)
    made = await _make(work.installation, work.actor, settings, now().replace(microsecond=0))
    if made is None:
        raise InUse("a backup was begun just now", remedy="try again in a second")
    return made


async def once(installation: Installation, at: datetime) -> BackupRunView | None:
    """Make the backup that is due, if one is and nobody else makes it; one that failed is tried again before long."""
    async with installation.snapshot(ACTOR) as work:
        settings = await runtime_settings.current(work.session)
        wanted = schedule.due(settings, at)
        if wanted is None:
            return None
        failed = await runs.find(work.session, wanted)
        if failed is not None:
            again = schedule.tried_again_at(failed, await runs.latest(work.session, succeeded=True))
            if again is None or again > at:
                return None
    return await _make(installation, ACTOR, settings, wanted, failed)


async def run(installation: Installation, *, every_seconds: float = _LOOK_SECONDS) -> None:
    """Make what is due, until cancelled; a database that is away must not end it."""
    while True:
        try:
            await once(installation, now())
        except Exception as failure:  # noqa: BLE001  each driver has its own
            logger.error("cannot look after backups; trying again", error=str(failure)[:500])  # noqa: TRY400
        await asyncio.sleep(every_seconds)


async def _make(
    installation: Installation,
    actor: Actor,
    settings: RuntimeSettings,
    due_at: datetime,
    failed: BackupRun | None = None,
) -> BackupRunView | None:
    """Make one; ``None``: another process makes the same.

    Args:
        failed: An earlier attempt at it.
    """
    run = failed or BackupRun(due_at=due_at, node=installation.settings.node_name)
    async with installation.transaction(actor) as work:
        if failed is None:
            claimed = await runs.claim(work.session, run)
        else:
            claimed = await runs.claim_again(work.session, run, installation.settings.node_name, now())
    if not claimed:
        return None
    folder, name, octets = folders.of_schedule(installation, settings), _NAME.format(now()), 0
    why: ApplianceError | None = None
    try:
        octets = await _write(installation, actor, folder, name)
        await asyncio.to_thread(_prune, folder, settings.backup_keep)
    except ApplianceError as error:
        why = error
    except OSError as error:
        why = outside_directory.cannot_write(folder, error)
    except Exception as error:
        logger.exception("making a backup")
        why = ApplianceError(f"unexpected {type(error).__name__}", remedy="see the log of the process web")
    async with installation.transaction(actor) as work:
        found = await work.session.get_one(BackupRun, run.id)
        found.finished_at, found.succeeded = now(), why is None
        found.message, found.remedy = (str(why), why.remedy) if why is not None else ("", "")
        found.name, found.folder, found.octets = name, str(folder), octets
        await work.session.flush()
        made = BackupRunView.model_validate(found)
        if why is not None and (failed is None or failed.message != made.message):
            audit.record(work, "backup.fail", name, after=made)
    if why is not None:
        logger.error("a backup could not be made", folder=str(folder), because=str(why), attempt=made.attempts)
    else:
        logger.info("backup made", name=name, folder=str(folder), octets=octets)
    return made


async def _write(installation: Installation, actor: Actor, folder: Path, name: str) -> int:
    """Write it, whole or not at all, when it was restored on trial; give how large it is."""
    async with installation.transaction(actor) as work:
        passphrase = await runtime_settings.secret(work, "backup_passphrase")
        if passphrase is None:
            raise Invalid("there is no passphrase", remedy=schedule.NO_PASSPHRASE)
        content = await service.make(work, passphrase, name)
    await service.verify(content, passphrase)
    await asyncio.to_thread(put, folder, name, content, make_folder=folder == folders.own(installation))
    return len(content)


def put(folder: Path, name: str, content: bytes, *, make_folder: bool) -> None:
    """Write it, whole or not at all."""
    if make_folder:
        folder.mkdir(mode=0o700, exist_ok=True)
    partial = folder / f".{name}"
    with suppress(FileNotFoundError):
        partial.unlink()
    try:
        write_private(partial, content)
        partial.rename(folder / name)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _prune(folder: Path, keep: int) -> None:
    """Remove the oldest of those that were made by themselves; their names say when."""
    names = sorted(file.name for file in folder.iterdir() if _OURS.fullmatch(file.name))
    for name in names[:-keep]:
        (folder / name).unlink()
        logger.info("old backup removed", name=name, folder=str(folder))

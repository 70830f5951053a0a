"""``/api/v1/backups``: those that lie here, how they are made, and which one takes the installation's place next."""

from typing import Annotated, Final

from fastapi import Query, Response

from appliance.api import failures
from appliance.api.attachment import attachment
from appliance.api.dependencies import OCTETS, SENDS_FILE, Noun, OwnersReading, Owning, SentOctets, file
from appliance.backups import making, replacement, schedule, service
from appliance.backups.schemas import (
    BackupContent,
    BackupRunView,
    BackupView,
    Passphrase,
    Replacement,
    ReplacementView,
    ScheduleView,
)
from appliance.errors import NotFound
from appliance.schema import Page, Paging

router = Noun("backups")
schedule_router = Noun("backup-schedule", tag="backups")
replacement_router = Noun("replacement", tag="backups")


MOST_OCTETS: Final = 4 << 30
"""So large a backup may be sent; other requests are much smaller."""


@router.get("")
async def list_backups(work: OwnersReading, paging: Annotated[Paging, Query()]) -> Page[BackupView]:
    """List the backups in the data directory, and where the schedule puts them, the latest first."""
    return await service.page(work, paging)


@router.post("", status_code=201)
async def create_backup(work: Owning, new: Passphrase) -> BackupView:
    """Make a backup of everything, encrypted under the passphrase."""
    return await service.create(work, new.passphrase)


@router.get("/{name}")
async def show_backup(work: OwnersReading, name: str) -> BackupView:
    """Show one."""
    return await service.show(work, name)


@router.get("/{name}/file", response_class=Response, responses={200: file(OCTETS)})
async def fetch_backup(work: OwnersReading, name: str) -> Response:
    """Give the file, encrypted as it is."""
    return attachment(name, OCTETS, await service.read(work, name))


@router.post("/{name}/file", status_code=201, max_body_size=MOST_OCTETS, openapi_extra=SENDS_FILE)
async def send_backup(work: OwnersReading, name: str, content: SentOctets) -> BackupView:
    """Keep a backup that was made elsewhere; what it is is looked at, and nothing else is touched."""
    return await service.receive(work, name, content)


@router.post("/{name}/verify")
async def verify_backup(work: OwnersReading, name: str, opened: Passphrase) -> BackupContent:
    """Restore it into a place that is thrown away, and tell what is in it."""
    return await service.verify(await service.read(work, name), opened.passphrase)


@router.delete("/{name}", status_code=204)
async def remove_backup(work: Owning, name: str) -> None:
    """Remove one for good."""
    await service.remove(work, name)


# ---- those that are made by themselves -------------------------------------------------------------------


@schedule_router.get("")
async def show_backup_schedule(work: OwnersReading) -> ScheduleView:
    """Show how backups are made by themselves, and how that goes; the settings backup_... say how it shall be."""
    return await schedule.show(work)


@schedule_router.post("/runs", status_code=201)
async def run_backup_schedule(work: OwnersReading) -> BackupRunView:
    """Make a backup as the schedule would, at once; what came of it is the answer."""
    return await making.make_now(work)


# ---- the one that takes the installation's place ---------------------------------------------------------


@replacement_router.get("", responses=failures.responses(404))
async def show_replacement(work: OwnersReading) -> ReplacementView:
    """Show the backup that takes the installation's place at the next start."""
    prepared = replacement.waiting(work.installation.settings)
    if prepared is None:
        raise NotFound("no backup waits for the next start")
    return prepared


@replacement_router.post("", status_code=201)
async def prepare_replacement(work: Owning, wanted: Replacement) -> ReplacementView:
    """Have a backup take the installation's place at the next start; what it replaces is kept beside it."""
    return await replacement.prepare(work, wanted.name, wanted.passphrase)


@replacement_router.delete("", status_code=204, responses=failures.responses(404))
async def call_replacement_off(work: Owning) -> None:
    """Leave the installation as it is."""
    await replacement.call_off(work)

"""``/api/v1/backups``: those in the data directory. One is restored on the command line, where there is nothing yet."""

from fastapi import Response

from appliance.backups import service
from appliance.backups.schemas import BackupContent, BackupView, Passphrase
from appliance.dependencies import Noun, OwnersReading, Owning
from appliance.schema import Page

router = Noun("backups")


@router.get("")
async def list_backups(work: OwnersReading) -> Page[BackupView]:
    """List the backups in the data directory, the latest first."""
    return await service.page(work)


@router.post("", status_code=201)
async def create_backup(work: Owning, new: Passphrase) -> BackupView:
    """Make a backup of everything, encrypted under the passphrase."""
    return await service.create(work, new.passphrase)


@router.get("/{name}")
async def show_backup(work: OwnersReading, name: str) -> BackupView:
    """Show one."""
    return await service.show(work, name)


@router.get(
    "/{name}/file",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def fetch_backup(work: OwnersReading, name: str) -> Response:
    """Give the file, encrypted as it is."""
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(service.read(work, name), media_type="application/octet-stream", headers=disposition)


@router.post("/{name}/verify")
async def verify_backup(work: Owning, name: str, opened: Passphrase) -> BackupContent:
    """Restore it into a place that is thrown away, and tell what is in it."""
    return await service.verify(service.read(work, name), opened.passphrase)


@router.delete("/{name}", status_code=204)
async def remove_backup(work: Owning, name: str) -> None:
    """Remove one for good."""
    await service.remove(work, name)

"""``/api/v1/realms``."""

from fastapi import APIRouter

from appliance.commands.schemas import CommandView
from appliance.dependencies import Reading, Writing
from appliance.realms import service
from appliance.realms.schemas import NewRealm, RealmChange, RealmOrder, RealmTrial, RealmView
from appliance.schema import Page

router = APIRouter(prefix="/realms", tags=["realms"])


@router.get("")
async def list_realms(work: Reading) -> Page[RealmView]:
    """List realms in the order in which they are asked, and how they are."""
    return await service.page(work)


@router.post("", status_code=201)
async def add_realm(work: Writing, new: NewRealm) -> RealmView:
    """Add a realm."""
    return await service.add(work, new)


@router.put("/order")
async def order_realms(work: Writing, order: RealmOrder) -> Page[RealmView]:
    """Set in which order realms are asked."""
    return await service.order(work, order)


@router.get("/{name}")
async def show_realm(work: Reading, name: str) -> RealmView:
    """Show one realm."""
    return await service.show(work, name)


@router.patch("/{name}")
async def change_realm(work: Writing, name: str, change: RealmChange) -> RealmView:
    """Change what is given."""
    return await service.change(work, name, change)


@router.delete("/{name}", status_code=204)
async def remove_realm(work: Writing, name: str) -> None:
    """Remove a realm that no profile names."""
    await service.remove(work, name)


@router.post("/{name}/test", status_code=202)
async def test_realm(work: Writing, name: str, trial: RealmTrial) -> CommandView:
    """Have a gateway try a realm, with a login or without; look for the result at ``/commands/{id}``."""
    return await service.test(work, name, trial)

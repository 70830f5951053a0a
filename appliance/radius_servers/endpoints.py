"""``/api/v1/realms/{realm}/servers``: whom to trust is for owners."""

from typing import Annotated

from fastapi import Query, Response

from appliance.api.dependencies import MADE, Noun, Owning, Reading, made
from appliance.configuration.rehearsal import RehearsedRoute
from appliance.radius_servers import service
from appliance.radius_servers.schemas import (
    NewRadiusServer,
    RadiusServerChange,
    RadiusServerDefinition,
    RadiusServerFilter,
    RadiusServerView,
)
from appliance.schema import Page, Paging

router = Noun("realms/{realm}/servers", tag="realms", route=RehearsedRoute)


class _Wanted(RadiusServerFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_radius_servers(work: Reading, realm: str, wanted: Annotated[_Wanted, Query()]) -> Page[RadiusServerView]:
    """List the RADIUS servers of a realm, by themselves in the order in which they are asked."""
    return await service.page(work, realm, wanted, wanted)


@router.post("", status_code=201)
async def add_radius_server(work: Owning, realm: str, new: NewRadiusServer) -> RadiusServerView:
    """Add a RADIUS server to a realm."""
    return await service.add(work, realm, new)


@router.get("/{name}")
async def show_radius_server(work: Reading, realm: str, name: str) -> RadiusServerView:
    """Show one RADIUS server."""
    return await service.show(work, realm, name)


@router.put("/{name}", responses=MADE)
async def define_radius_server(
    work: Owning, realm: str, name: str, wanted: RadiusServerDefinition, answer: Response
) -> RadiusServerView:
    """Have a RADIUS server so, whether it is there or not; a secret that is left out stays."""
    return made(answer, await service.define(work, realm, name, wanted))


@router.patch("/{name}")
async def change_radius_server(work: Owning, realm: str, name: str, change: RadiusServerChange) -> RadiusServerView:
    """Change what is given."""
    return await service.change(work, realm, name, change)


@router.delete("/{name}", status_code=204)
async def remove_radius_server(work: Owning, realm: str, name: str) -> None:
    """Remove a RADIUS server."""
    await service.remove(work, realm, name)

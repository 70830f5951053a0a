"""``/api/v1/leases``: who has which address, or had it last."""

from ipaddress import IPv4Address
from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Reading, Writing
from appliance.commands.schemas import CommandView
from appliance.leases import service
from appliance.leases.schemas import LeaseFilter, LeaseView
from appliance.schema import Page, Paging
from appliance.sessions.schemas import Disconnection

router = Noun("leases")


class _Wanted(LeaseFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_leases(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[LeaseView]:
    """List addresses that are or once were taken."""
    return await service.page(work, wanted, wanted)


@router.get("/{address}")
async def show_lease(work: Reading, address: IPv4Address) -> LeaseView:
    """Show one address."""
    return await service.show(work, address)


@router.post("/{address}/release", status_code=202)
async def release_lease(work: Writing, address: IPv4Address, why: Disconnection | None = None) -> CommandView:
    """Take an address back: order the gateway to end the session that has it."""
    return await service.release(work, address, (why or Disconnection()).reason)

"""``/api/v1/commands``: what became of orders for gateways."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Number, Reading
from appliance.commands import service
from appliance.commands.schemas import CommandFilter, CommandView
from appliance.schema import Page, Paging

router = Noun("commands")


class _Wanted(CommandFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_commands(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[CommandView]:
    """List orders, by themselves the latest first."""
    return await service.page(work, wanted, wanted)


@router.get("/{command_id}")
async def show_command(work: Reading, command_id: Number) -> CommandView:
    """Show what became of an order."""
    return await service.show(work, command_id)

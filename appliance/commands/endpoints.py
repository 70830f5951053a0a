"""``/api/v1/commands``: what became of an order."""

from fastapi import APIRouter

from appliance.commands import service
from appliance.commands.schemas import CommandView
from appliance.dependencies import Number, Reading

router = APIRouter(prefix="/commands", tags=["sessions"])


@router.get("/{command_id}")
async def show_command(work: Reading, command_id: Number) -> CommandView:
    """Show what became of an order."""
    return await service.show(work, command_id)

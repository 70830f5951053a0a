"""Waiting for a gateway to carry an order out, as long as a person waits for a page."""

from typing import Final

from fastapi import Request

from appliance.api.dependencies import installation
from appliance.commands import service as commands
from appliance.commands.schemas import CommandView
from appliance.installation import Actor

_PATIENCE_SECONDS: Final = 12.0


async def outcome(request: Request, actor: Actor, command: CommandView) -> CommandView:
    """Wait until the gateway has answered; it may be away, then the order stands."""
    return await commands.outcome(installation(request), actor, command, _PATIENCE_SECONDS)

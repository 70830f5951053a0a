"""Waiting for a gateway to carry an order out, as long as a person waits for a page."""

import asyncio
from typing import Final

from fastapi import Request

from appliance.commands import service as commands
from appliance.commands.schemas import CommandView
from appliance.dependencies import installation
from appliance.installation import Actor
from appliance.models import CommandOutcome

_PATIENCE_SECONDS: Final = 12.0
_LOOK_SECONDS: Final = 0.2


async def outcome(request: Request, actor: Actor, command: CommandView) -> CommandView:
    """Wait until the gateway has answered; it may be away, then the order stands."""
    for _ in range(int(_PATIENCE_SECONDS / _LOOK_SECONDS)):
        if command.outcome is not CommandOutcome.PENDING:
            break
        await asyncio.sleep(_LOOK_SECONDS)
        async with installation(request).snapshot(actor) as work:
            command = await commands.show(work, command.id)
    return command

"""Waiting for what a gateway makes of an order."""

import time
from typing import Final

import typer

from appliance.cli import console
from appliance.commands import endpoints
from appliance.commands.schemas import CommandView
from appliance.models import CommandOutcome

_PATIENCE_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.1


def wait(command: CommandView, *, patience_seconds: float = _PATIENCE_SECONDS) -> CommandView:
    """Give a command once it is carried out; the gateway may be away: then end with a failure.

    Raises:
        typer.Exit: it did not answer in time; the order stands.
    """
    end = time.monotonic() + patience_seconds
    while command.outcome is CommandOutcome.PENDING and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
        command = console.call(endpoints.show_command, command.id)
    if command.outcome is CommandOutcome.PENDING:
        console.complain(f"gateway {command.node} has not answered yet; the order stands")
        raise typer.Exit(console.FAILED)
    return command

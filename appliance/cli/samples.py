"""``coati traffic``: what happened over time."""

from typing import Annotated

import typer

from appliance.cli import console
from appliance.samples import endpoints
from appliance.wording import octets


def traffic(
    hours: Annotated[int, typer.Option(min=1, max=744, help="So many hours up to now.")] = 24,
    steps: Annotated[int, typer.Option(min=2, max=720, help="In at most so many steps.")] = 24,
    node: Annotated[str, typer.Option(help="Only this gateway.")] = "",
) -> None:
    """Show sessions, traffic, logins and refusals over time."""
    history = console.call(endpoints.show_history, hours=hours, steps=steps, node=node)
    rows = (
        {
            "from": step.at,
            "sessions": step.sessions,
            "in": octets(step.octets_in),
            "out": octets(step.octets_out),
            "logins": step.logins,
            "refusals": step.refusals,
        }
        for step in history.steps
    )
    console.table(rows, "nothing happened")

"""``coati accounting``: what RADIUS servers were told of sessions, and what waits for them."""

from typing import Annotated

import typer

from appliance.accounting import endpoints
from appliance.cli import console

app = typer.Typer(help="RADIUS accounting records.", no_args_is_help=True)


@app.command("list")
def list_(
    text: Annotated[str, typer.Argument(help="Only those with this in user or session.")] = "",
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that no server took yet.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the latest first.")] = 20,
) -> None:
    """List records, the latest first."""
    page = console.call(endpoints.list_accounting_records, text=text, waiting=True if waiting else None, limit=limit)
    console.table(
        (
            {
                "at": record.at,
                "status": record.status.value,
                "user": record.user,
                "realm": record.realm,
                "session": record.session,
                "taken": record.sent_at,
                "by": record.server or record.last_error,
            }
            for record in page.items
        ),
        "no accounting record waits" if waiting else "there is no accounting record",
    )

"""``coati audit``: who changed what, when and from where."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from appliance.audit import endpoints
from appliance.audit.differences import changes
from appliance.cli import console, rehearsals


def audit(
    text: Annotated[str, typer.Argument(help="Only what has this in who, deed, target or source.")] = "",
    who: Annotated[str, typer.Option(help="Only what this one did, for example: 'token ci'.")] = "",
    deed: Annotated[str, typer.Option(help="Only deeds that begin so, for example: user. or user.remove")] = "",
    target: Annotated[str, typer.Option(help="Only what was done to the thing of this name.")] = "",
    since: Annotated[
        datetime | None, typer.Option(help="Only from this moment on, in UTC.", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"])
    ] = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=1000, help="At most so many, the latest first.")] = 20,
    fields: Annotated[bool, typer.Option("--fields", help="Also what was before and after, field by field.")] = False,
) -> None:
    """Show changes, the latest first."""
    moment = since.replace(tzinfo=UTC) if since is not None else None
    page = console.call(endpoints.list_changes, text=text, who=who, deed=deed, target=target, since=moment, limit=last)
    if not fields:
        names = ("at", "who", "source", "deed", "target")
        console.table(({name: getattr(entry, name) for name in names} for entry in page.items), "nothing was changed")
        return
    for entry in page.items:
        by = f"{entry.who} {entry.source}".rstrip()
        console.say(f"{entry.at:%Y-%m-%d %H:%M:%S} {by}: {entry.deed} {entry.target}")
        rehearsals.show_changes(changes(entry.before, entry.after))

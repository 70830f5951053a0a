"""``coati config``: versions of the configuration, what differs, and the way back."""

from typing import Annotated

import typer

from appliance.audit.schemas import FieldChange
from appliance.cli import console, rehearsals
from appliance.cli.console import Yes
from appliance.cli.options import DryRun
from appliance.configuration import endpoints
from appliance.configuration.nouns import NOUNS
from appliance.configuration.schemas import Side

app = typer.Typer(help="Versions of the configuration, and the way back to one.", no_args_is_help=True)

Version = Annotated[int, typer.Argument(help="Its number, as coati config history shows it.", min=1)]


@app.command("history")
def history(
    noun: Annotated[str, typer.Argument(help=f"One of {', '.join(NOUNS)}; all if left out.")] = "",
    name: Annotated[str, typer.Argument(help="Only of the thing of this name.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the latest.")] = 50,
) -> None:
    """List versions, the latest first."""
    page = console.call(endpoints.list_versions, noun=noun, name=name, limit=limit)
    console.table(
        (
            {
                "version": version.number,
                "at": version.at,
                "who": version.who,
                "deed": version.deed,
                "name": version.name,
                "fields": ", ".join(change.field for change in version.changes),
            }
            for version in page.items
        ),
        "nothing has been configured yet",
    )


@app.command("diff")
def diff(
    version: Version,
    against: Annotated[int | None, typer.Argument(help="Another version of the same thing.", min=1)] = None,
    change: Annotated[bool, typer.Option("--change", help="What the change that made it did.")] = False,
) -> None:
    """Show what differs between a version and another, or the thing as it is now."""
    if change:
        _say(console.call(endpoints.show_version, version).changes)
    else:
        _say(console.call(endpoints.show_difference, version, against=against).changes)


@app.command("rollback")
def rollback(
    version: Version,
    before: Annotated[bool, typer.Option("--before", help="To the state before that change: undo it.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Have a thing be as it was in a version. Passwords and keys stay what they are."""
    to = Side.BEFORE if before else Side.AFTER
    shown = console.call(endpoints.show_version, version)
    console.confirm(f"Roll {shown.noun} {shown.name} back to {to} change {version}?", yes=yes or dry_run)
    _say(console.call(endpoints.roll_back, version, to=to, dry_run=dry_run).changes)


def _say(changes: list[FieldChange]) -> None:
    if not changes:
        console.say("nothing differs")
    rehearsals.show_changes(changes)

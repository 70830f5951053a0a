"""``coati group``: groups of users and what is said for them."""

from typing import Annotated

import typer

from appliance.cli import console
from appliance.cli.console import Yes
from appliance.cli.options import DryRun
from appliance.cli.policies import Attributes, read, show_said
from appliance.groups import endpoints
from appliance.groups.schemas import GroupChange, NewGroup

app = typer.Typer(help="Groups of users, and their policy.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the group.")]
Description = Annotated[str | None, typer.Option(help="For people.")]


@app.command("add")
def add(name: Name, attributes: Attributes = None, description: Description = None) -> None:
    """Add a group; what is said for its users may follow as NAME=VALUE."""
    new = NewGroup(name=name, description=description or "", policy=read(attributes))
    group = console.call(endpoints.add_group, new=new)
    console.say(f"added group {group.name}")


@app.command("set")
def set_(name: Name, attributes: Attributes = None, description: Description = None, dry_run: DryRun = False) -> None:
    """Change a group. What its users may reach changes at once, the rest at their next login."""
    policy = read(attributes) if attributes else None
    change = GroupChange(**console.given({"description": description, "policy": policy}))
    group = console.call(endpoints.change_group, name, change=change, dry_run=dry_run)
    console.say(f"group {group.name} is changed")
    show_said(group.policy)


@app.command("list")
def list_() -> None:
    """List groups."""
    page = console.whole(endpoints.list_groups)
    console.table(
        (
            {
                "name": group.name,
                "users": group.users,
                "description": group.description,
                "says": [name.replace("_", " ") for name in group.policy.said()],
            }
            for group in page.items
        ),
        "there is no group; add one: coati group add NAME reachable=10.0.0.0/8",
    )


@app.command("show")
def show(name: Name) -> None:
    """Show a group."""
    group = console.call(endpoints.show_group, name)
    console.sheet(group, leave_out=("policy",))
    show_said(group.policy)


@app.command("remove")
def remove(name: Name, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Remove a group that no local user is in."""
    console.confirm(f"Remove group {name}?", yes=yes or dry_run)
    console.call(endpoints.remove_group, name, dry_run=dry_run)
    console.say(f"removed group {name}")

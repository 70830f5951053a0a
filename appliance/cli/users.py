"""``coati user``: local users."""

from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

from appliance import problems
from appliance.bulk import Outcome, Outcomes
from appliance.cli import console, options, second_factors
from appliance.cli.console import Generate, PasswordStdin, Yes
from appliance.cli.options import DryRun, Fields
from appliance.cli.policies import Attributes, read, show_effective, show_said
from appliance.policy import endpoints as policies
from appliance.users import endpoints, table
from appliance.users.schemas import DefineUser, UserOperations
from appliance.wording import counted, with_remedy

app = typer.Typer(help="Local users.", no_args_is_help=True)
app.add_typer(second_factors.app, name="second-factor")

_COLUMNS: Final = ("name", "password", "full_name", "group", "enabled", "expires_at", "must_change_password")
_USERS_AT_ONCE: Final = 50  # a password takes a tenth of a second, and another gateway is given half a minute

Name = Annotated[str, typer.Argument(help="Login name.")]


FullName = Annotated[str | None, typer.Option(help="For people to recognise.")]
Expires = Annotated[
    datetime | None, typer.Option(help="Refused from this moment on, in UTC.", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"])
]
Never = Annotated[bool, typer.Option("--never-expires", help="Take the expiry date away.")]
MustChange = Annotated[
    bool | None, typer.Option("--must-change/--need-not-change", help="The next login needs a new password.")
]
Group = Annotated[str | None, typer.Option(help="Whose policy holds; '' for none.")]


def _fields(
    attributes: Attributes = None,
    full_name: FullName = None,
    expires: Expires = None,
    must_change: MustChange = None,
    group: Group = None,
) -> Fields:
    """Read what a user is given on the command line."""
    fields = console.given(
        {
            "policy": read(attributes) if attributes else None,
            "full_name": full_name,
            "expires_at": expires.replace(tzinfo=UTC) if expires is not None else None,
            "must_change_password": must_change,
            "group": group,
        }
    )
    return fields | ({"group": None} if group == "" else {})


@app.command("add")
@options.of(_fields)
def add(name: Name, fields: Fields, password_stdin: PasswordStdin = False, generate: Generate = False) -> None:
    """Add a user; asks for the password. What is said for the user may follow as NAME=VALUE."""
    password = console.new_password(f"Password for {name}", stdin=password_stdin, generate=generate)
    user = console.call(endpoints.add_user, name=name, password=password, **fields)
    console.say(f"added user {user.name}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV in UTF-8.", exists=True, dir_okay=False, readable=True)],
) -> None:
    """Have the users of a CSV file so, whether they are there or not, each by itself.

    Its first line names the fields: name, password, full_name, group, enabled, expires_at, must_change_password.
    What has no column or an empty cell takes its default; but passwords stay.
    """
    wanted = list(_rows(file))
    outcomes: list[Outcome] = []
    for begin in range(0, len(wanted), _USERS_AT_ONCE):
        part = wanted[begin : begin + _USERS_AT_ONCE]
        outcomes += console.call(endpoints.change_users, wanted=UserOperations(operations=[*part])).outcomes
    told = console.tell(Outcomes.of(outcomes))
    for each in told.outcomes:
        if each.problem is not None:
            console.complain(f"{each.item}: {with_remedy(each.problem.detail, each.problem.remedy)}")
    new = sum(each.status == HTTPStatus.CREATED for each in told.outcomes)
    changed = sum(each.changed for each in told.outcomes) - new
    console.say(f"{counted(new, 'user')} added, {changed} changed, {told.done - new - changed} as they were")
    if told.refused:
        raise typer.Exit(console.FAILED)


def _rows(file: Path) -> Iterator[DefineUser]:
    """Read all lines before anything is done.

    Raises:
        Invalid: it is no table of users.
        ValueError: a line cannot be.
    """
    for number, row in enumerate(table.read(file.read_text("utf-8-sig"), _COLUMNS), 2):
        given: dict[str, Any] = {name: cell for name, cell in row.items() if cell}
        try:
            yield DefineUser(do="define", **given)
        except ValidationError as error:
            raise ValueError(f"{file}, line {number}: {problems.described(error).detail}") from None


@app.command("set")
@options.of(_fields)
def set_(name: Name, fields: Fields, never_expires: Never = False, dry_run: DryRun = False) -> None:
    """Change a user; what is not named stays."""
    if never_expires:
        fields["expires_at"] = None
    user = console.call(endpoints.change_user, name, dry_run=dry_run, **fields)
    console.say(f"user {user.name} is changed")
    show_said(user.policy)


@app.command("policy")
def policy(
    name: Name,
    profile: Annotated[str, typer.Option(help="The profile that serves the login; default: the first.")] = "",
) -> None:
    """Show what counts for a user, and where each value comes from."""
    effective = console.call(policies.show_effective_policy, name, profile=profile)
    show_effective(effective)


@app.command("report")
def report(
    older_than_days: Annotated[int, typer.Option("--older-than", help="Days after which a password is stale.")] = 365,
) -> None:
    """List users whose password is weak by today's rules, or old."""
    page = console.whole(endpoints.list_poor_passwords, older_than_days=older_than_days)
    console.table(
        (
            {
                "user": found.user,
                "enabled": found.enabled,
                "last login": found.last_login_at,
                "password": found.weaknesses,
            }
            for found in page.items
        ),
        "every password is strong and recent",
    )
    if page.items:
        console.say("have one changed at the next login: coati user set NAME --must-change")


@app.command("list")
def list_(text: Annotated[str, typer.Argument(help="Only those with this in their name.")] = "") -> None:
    """List users."""
    page = console.whole(endpoints.list_users, text=text)
    console.table(
        (
            {
                "name": user.name,
                "full name": user.full_name,
                "enabled": user.enabled,
                "group": user.group,
                "expires": user.expires_at,
                "sessions": user.live_sessions,
                "last login": user.last_login_at,
            }
            for user in page.items
        ),
        "there is no user; add one: coati user add NAME",
    )


@app.command("show")
def show(name: Name) -> None:
    """Show a user."""
    user = console.call(endpoints.show_user, name)
    console.sheet(user)


@app.command("disable")
def disable(name: Name, dry_run: DryRun = False) -> None:
    """Refuse a user from now on, and disconnect it."""
    console.call(endpoints.change_user, name, dry_run=dry_run, enabled=False)
    console.say(f"user {name} is disabled; live sessions are being disconnected")


@app.command("enable")
def enable(name: Name) -> None:
    """Let a disabled user in again."""
    console.call(endpoints.change_user, name, enabled=True)
    console.say(f"user {name} is enabled")


@app.command("password")
def password(name: Name, password_stdin: PasswordStdin = False, generate: Generate = False) -> None:
    """Set a user's password."""
    new = console.new_password(f"New password for {name}", stdin=password_stdin, generate=generate)
    console.call(endpoints.change_user, name, password=new)
    console.say(f"user {name} has a new password")


@app.command("remove")
def remove(name: Name, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Remove a user, and disconnect it."""
    console.confirm(f"Remove user {name}?", yes=yes or dry_run)
    console.call(endpoints.remove_user, name, dry_run=dry_run)
    console.say(f"removed user {name}")

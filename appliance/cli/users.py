"""``coati user``: local users."""

from typing import Annotated

import typer

from appliance.cli import console
from appliance.cli.console import Generate, Json, PasswordStdin, Yes
from appliance.schema import EVERYTHING
from appliance.users import service
from appliance.users.schemas import NewUser, UserChange, UserFilter

app = typer.Typer(help="Local users.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Login name.")]


@app.command("add")
def add(
    name: Name,
    full_name: Annotated[str, typer.Option(help="For people to recognise.")] = "",
    password_stdin: PasswordStdin = False,
    generate: Generate = False,
) -> None:
    """Add a user; asks for the password."""
    password = console.new_password(f"Password for {name}", stdin=password_stdin, generate=generate)
    user = console.run(lambda work: service.add(work, NewUser(name=name, password=password, full_name=full_name)))
    console.say(f"added user {user.name}")


@app.command("list")
def list_(
    text: Annotated[str, typer.Argument(help="Only those with this in their name.")] = "", json: Json = False
) -> None:
    """List users."""
    page = console.run(lambda work: service.page(work, UserFilter(text=text), EVERYTHING))
    if json:
        console.show_json(page.items)
        return
    console.table(
        (
            {
                "name": user.name,
                "full name": user.full_name,
                "enabled": user.enabled,
                "sessions": user.live_sessions,
                "last login": user.last_login_at,
            }
            for user in page.items
        ),
        "there is no user; add one: coati user add NAME",
    )


@app.command("show")
def show(name: Name, json: Json = False) -> None:
    """Show a user."""
    user = console.run(lambda work: service.show(work, name))
    if json:
        console.show_json(user)
    else:
        console.sheet(user)


@app.command("disable")
def disable(name: Name) -> None:
    """Refuse a user from now on, and disconnect it."""
    console.run(lambda work: service.change(work, name, UserChange(enabled=False)))
    console.say(f"user {name} is disabled; live sessions are being disconnected")


@app.command("enable")
def enable(name: Name) -> None:
    """Let a disabled user in again."""
    console.run(lambda work: service.change(work, name, UserChange(enabled=True)))
    console.say(f"user {name} is enabled")


@app.command("password")
def password(name: Name, password_stdin: PasswordStdin = False, generate: Generate = False) -> None:
    """Set a user's password."""
    new = console.new_password(f"New password for {name}", stdin=password_stdin, generate=generate)
    console.run(lambda work: service.change(work, name, UserChange(password=new)))
    console.say(f"user {name} has a new password")


@app.command("remove")
def remove(name: Name, yes: Yes = False) -> None:
    """Remove a user, and disconnect it."""
    console.confirm(f"Remove user {name}?", yes=yes)
    console.run(lambda work: service.remove(work, name))
    console.say(f"removed user {name}")

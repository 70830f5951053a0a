"""``coati admin``: who may use the panel."""

from typing import Annotated

import typer

from appliance.administrators import service
from appliance.cli import console
from appliance.cli.console import Generate, Json, PasswordStdin

app = typer.Typer(help="Administrators of the panel.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the administrator.")]


@app.command("add")
def add(name: Name, password_stdin: PasswordStdin = False, generate: Generate = False) -> None:
    """Add an administrator."""
    password = console.new_password(f"Password for {name}", stdin=password_stdin, generate=generate)
    administrator = console.run(lambda work: service.add(work, name, password))
    console.say(f"added administrator {administrator.name}")


@app.command("password")
def password(
    name: Name = service.FIRST_NAME, password_stdin: PasswordStdin = False, generate: Generate = False
) -> None:
    """Set an administrator's password and sign it out everywhere."""
    new = console.new_password(f"New password for {name}", stdin=password_stdin, generate=generate)
    console.run(lambda work: service.set_password(work, name, new))
    console.say(f"administrator {name} has a new password")


@app.command("list")
def list_(json: Json = False) -> None:
    """List administrators."""
    page = console.run(service.page)
    if json:
        console.show_json(page.items)
        return
    console.table(
        ({"name": each.name, "enabled": each.enabled, "last sign-in": each.last_sign_in_at} for each in page.items),
        "there is no administrator; the first start makes one: coati serve",
    )

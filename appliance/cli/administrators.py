"""``coati admin``: who may use the panel, and what they may do there."""

from typing import Annotated

import typer

from appliance.administrators import endpoints, service
from appliance.administrators.schemas import NewAdministrator
from appliance.cli import console
from appliance.cli.console import Generate, PasswordStdin, Yes
from appliance.models import Role

app = typer.Typer(help="Administrators of the panel.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the administrator.")]


@app.command("add")
def add(
    name: Name,
    role: Annotated[
        Role, typer.Option(help="owner: everything; operator: runs the place; auditor: looks.")
    ] = Role.OWNER,
    password_stdin: PasswordStdin = False,
    generate: Generate = False,
) -> None:
    """Add an administrator."""
    password = console.new_password(f"Password for {name}", stdin=password_stdin, generate=generate)
    new = NewAdministrator(name=name, role=role, password=password)
    administrator = console.call(endpoints.add_administrator, new=new)
    console.say(f"added administrator {administrator.name}, {administrator.role.value}")


@app.command("list")
def list_() -> None:
    """List administrators."""
    page = console.whole(endpoints.list_administrators)
    console.table(
        (
            {
                "name": each.name,
                "role": each.role,
                "enabled": each.enabled,
                "codes": each.has_codes,
                "passkeys": each.passkeys,
                "last sign-in": each.last_sign_in_at,
            }
            for each in page.items
        ),
        "there is no administrator; the first start makes one: coati serve",
    )


@app.command("role")
def role(name: Name, role: Annotated[Role, typer.Argument(help="owner, operator or auditor.")]) -> None:
    """Change what an administrator may do."""
    console.call(endpoints.change_administrator, name, role=role)
    console.say(f"administrator {name} is {role.value} now")


@app.command("password")
def password(
    name: Name = service.FIRST_NAME, password_stdin: PasswordStdin = False, generate: Generate = False
) -> None:
    """Set an administrator's password and sign it out everywhere."""
    new = console.new_password(f"New password for {name}", stdin=password_stdin, generate=generate)
    console.call(endpoints.change_administrator, name, password=new)
    console.say(f"administrator {name} has a new password")


@app.command("totp-reset")
def totp_reset(name: Name, yes: Yes = False) -> None:
    """Take one-time codes away, the app and the recovery codes being lost; signs out everywhere."""
    console.confirm(f"Let {name} in without a code?", yes=yes)
    console.call(endpoints.reset_administrator_codes, name)
    console.say(f"administrator {name} has no second factor any more")


@app.command("disable")
def disable(name: Name) -> None:
    """Let an administrator in no more, and sign it out everywhere."""
    console.call(endpoints.change_administrator, name, enabled=False)
    console.say(f"administrator {name} is disabled")


@app.command("enable")
def enable(name: Name) -> None:
    """Let a disabled administrator in again."""
    console.call(endpoints.change_administrator, name, enabled=True)
    console.say(f"administrator {name} is enabled")


@app.command("remove")
def remove(name: Name, yes: Yes = False) -> None:
    """Remove an administrator; an owner is always left."""
    console.confirm(f"Remove administrator {name}?", yes=yes)
    console.call(endpoints.remove_administrator, name)
    console.say(f"removed administrator {name}")


@app.command("sessions")
def sessions(
    name: Name,
    revoke: Annotated[int | None, typer.Option(help="Sign out of this one (its number).")] = None,
    revoke_all: Annotated[bool, typer.Option("--revoke-all", help="Sign out of all.")] = False,
) -> None:
    """List the browsers in which an administrator is signed in, or sign it out there."""
    if revoke is not None or revoke_all:
        if revoke_all:
            console.call(endpoints.revoke_sign_ins, name)
        else:
            console.call(endpoints.revoke_sign_in, name, revoke)
        console.say(f"administrator {name} is signed out{'' if revoke_all else f' of {revoke}'}")
        return
    page = console.whole(endpoints.list_sign_ins, name)
    console.table(
        (
            {
                "id": each.id,
                "from": each.address,
                "by": each.method,
                "since": each.created_at,
                "seen": each.seen_at,
                "browser": each.user_agent,
            }
            for each in page.items
        ),
        f"{name} is signed in nowhere",
    )


@app.command("passkeys")
def passkeys(
    name: Name,
    remove: Annotated[int | None, typer.Option(help="Have this one (its number) let nobody in any more.")] = None,
) -> None:
    """List an administrator's passkeys, or remove one; they are enrolled on the panel."""
    if remove is not None:
        console.call(endpoints.remove_passkey, name, remove)
        console.say(f"passkey {remove} of administrator {name} is removed")
        return
    page = console.whole(endpoints.list_passkeys, name)
    console.table(
        ({"id": each.id, "name": each.name, "since": each.created_at, "used": each.used_at} for each in page.items),
        f"{name} has no passkey",
    )

"""``coati user second-factor``: one-time codes of users, of whichever realm."""

import io
from typing import Annotated

import segno
import typer

from appliance.cli import console
from appliance.cli.console import Yes
from appliance.second_factors import endpoints
from appliance.second_factors.schemas import Code, RecoveryCodes

app = typer.Typer(help="One-time codes (TOTP) as a second factor.", no_args_is_help=True)

User = Annotated[str, typer.Argument(help="The user's name.")]
Realm = Annotated[str, typer.Option(help="The realm that judges the user's password.")]
LOCAL = "local"


@app.command("enrol")
def enrol(
    name: User,
    realm: Realm = LOCAL,
    later: Annotated[
        bool, typer.Option("--confirm-later", help="Do not ask for the first code: the user is not here.")
    ] = False,
) -> None:
    """Make a QR code for the user's app, and confirm it by a first code."""
    enrolment = console.call(endpoints.enrol_second_factor, realm, name)
    drawn = io.StringIO()
    segno.make_qr(enrolment.uri).terminal(drawn, compact=True)
    console.say(drawn.getvalue())
    console.say(f"or type into the app: {enrolment.seed}")
    if later or console.is_for_machines():
        console.say(f"it counts after: coati user second-factor confirm {name} --realm {realm}")
        return
    confirm(name, realm)


@app.command("confirm")
def confirm(name: User, realm: Realm = LOCAL) -> None:
    """Have a second factor count, by its first code."""
    code = console.ask("Code that the app shows")
    _show_recovery_codes(console.call(endpoints.confirm_second_factor, realm, name, code=Code(code=code)))


@app.command("recovery-codes")
def recovery_codes(name: User, realm: Realm = LOCAL) -> None:
    """Make new recovery codes; those before count no more."""
    _show_recovery_codes(console.call(endpoints.renew_recovery_codes, realm, name))


@app.command("list")
def list_(text: Annotated[str, typer.Argument(help="Only those with this in user or realm.")] = "") -> None:
    """List who has a second factor."""
    page = console.whole(endpoints.list_second_factors, text=text)
    console.table(
        (
            {
                "user": factor.user,
                "realm": factor.realm,
                "since": factor.confirmed_at or "not confirmed",
                "last used": factor.used_at,
                "recovery codes": factor.recovery_codes_left,
            }
            for factor in page.items
        ),
        "nobody has a second factor; enrol one: coati user second-factor enrol NAME",
    )


@app.command("reset")
def reset(name: User, realm: Realm = LOCAL, yes: Yes = False) -> None:
    """Take a user's second factor away, so that it can be enrolled anew."""
    console.confirm(f"Take away the second factor of {name}?", yes=yes)
    console.call(endpoints.reset_second_factor, realm, name)
    console.say(f"{name} has no second factor any more")


def _show_recovery_codes(codes: RecoveryCodes) -> None:
    console.say("recovery codes, each good once, shown this once:")
    for code in codes.recovery_codes:
        console.say(f"    {code}")

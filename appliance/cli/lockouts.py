"""``coati lockout``: who must wait before the next attempt to log in, and how that ends."""

from ipaddress import ip_address
from typing import Annotated

import typer

from appliance.cli import console
from appliance.lockouts import endpoints
from appliance.lockouts.rules import Counted
from appliance.lockouts.schemas import Lifting, LockoutView

app = typer.Typer(help="Who failed to log in and must wait.", no_args_is_help=True)


@app.command("list")
def list_(
    text: Annotated[str, typer.Argument(help="Only those with this in account or address.")] = "",
    everybody: Annotated[bool, typer.Option("--all", help="Also who failed but need not wait now.")] = False,
) -> None:
    """List who must wait before the next attempt is judged."""
    page = console.whole(endpoints.list_lockouts, text=text, all=everybody)
    console.table((_line(lockout) for lockout in page.items), "nobody has to wait")


@app.command("lift")
def lift(
    who: Annotated[str, typer.Argument(help="Account, or address.", show_default=False)] = "",
    everybody: Annotated[bool, typer.Option("--all", help="Everybody.")] = False,
) -> None:
    """Forgive failed logins, so that the next attempt is judged at once."""
    if everybody == bool(who):
        raise typer.BadParameter("name an account or an address, or say --all")
    wanted = Lifting(all=True) if everybody else Lifting(source=who) if _is_address(who) else Lifting(account=who)
    page = console.call(endpoints.lift_lockouts, wanted=wanted)
    console.table((_line(lockout) for lockout in page.items), "")


def _line(lockout: LockoutView) -> dict[str, object]:
    return {
        "door": lockout.door,
        "account": lockout.account or ("anybody" if lockout.counted is Counted.SOURCE else ""),
        "from": lockout.source or "anywhere",
        "failures": lockout.failures,
        "last failure": lockout.failed_at,
        "waits until": lockout.blocked_until,
    }


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("/")[0])
    except ValueError:
        return False
    return True

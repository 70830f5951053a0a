"""``coati realm``: sources of users."""

from typing import Annotated, Any, Final

import typer

from appliance.accounting import endpoints as accounting
from appliance.cli import console, orders, radius_servers
from appliance.cli.console import PasswordStdin, Yes
from appliance.cli.options import DryRun
from appliance.models import CommandOutcome, RealmKind
from appliance.realms import endpoints
from appliance.realms.schemas import RealmTrial, RealmView

app = typer.Typer(help="Realms: who knows the users, in the order of asking.", no_args_is_help=True)
app.add_typer(radius_servers.app, name="server")

Name = Annotated[str, typer.Argument(help="Name of the realm.")]
Enabled = Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it is asked.")]
Setting = Annotated[list[str] | None, typer.Option("--setting", help="NAME=VALUE, as its kind knows them; repeat.")]

_PATIENCE_SECONDS: Final = 75.0


@app.command("list")
def list_() -> None:
    """List realms in the order in which they are asked."""
    page = console.whole(endpoints.list_realms)
    console.table(
        (
            {
                "name": realm.name,
                "kind": realm.kind,
                "enabled": realm.enabled,
                "state": _state(realm),
                "profiles": realm.profiles or "all",
            }
            for realm in page.items
        ),
        "there is no realm: nobody can log in; coati serve makes the local one",
    )


def _state(realm: RealmView) -> str:
    return ", ".join(dict.fromkeys(f"{health.state} {health.words}".strip() for health in realm.health))


@app.command("show")
def show(name: Name) -> None:
    """Show a realm."""
    realm = console.call(endpoints.show_realm, name)
    console.sheet(realm, leave_out=("health",))
    for health in realm.health:
        since = f" since {health.since:%Y-%m-%d %H:%M:%S} UTC" if health.since else ""
        console.say(f"{'on ' + health.node:<12}{health.state}{since} {health.words}".rstrip())


@app.command("add")
def add(
    name: Name,
    kind: Annotated[RealmKind, typer.Argument(help="Who knows its users.")],
    enabled: Enabled = None,
    setting: Setting = None,
) -> None:
    """Add a realm; it is asked last."""
    fields = _fields(enabled, setting)
    realm = console.call(endpoints.add_realm, name=name, kind=kind, **fields)
    console.say(f"added realm {realm.name}; try it: coati realm test {realm.name}")


@app.command("set")
def set_(name: Name, enabled: Enabled = None, setting: Setting = None, dry_run: DryRun = False) -> None:
    """Change a realm; what is not named stays."""
    fields = _fields(enabled, setting)
    console.call(endpoints.change_realm, name, dry_run=dry_run, **fields)
    console.say(f"realm {name} is changed")


def _fields(enabled: bool | None, setting: list[str] | None) -> dict[str, Any]:
    fields: dict[str, Any] = {} if enabled is None else {"enabled": enabled}
    if setting:
        fields["settings"] = dict(map(_setting, setting))
    return fields


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r}: write NAME=VALUE")
    return name.strip().replace("-", "_"), value


@app.command("order")
def order(names: Annotated[list[str], typer.Argument(help="All realms, the first to ask first.")]) -> None:
    """Set in which order realms are asked."""
    page = console.call(endpoints.order_realms, names=tuple(names))
    console.say(", ".join(realm.name for realm in page.items))


@app.command("remove")
def remove(name: Name, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Remove a realm that no profile names. Accounting records that wait for its servers are dropped."""
    waiting = console.call(accounting.list_accounting_records, realm=name, waiting=True, limit=1).total
    lost = f" {waiting} accounting records wait for its servers and will be dropped." if waiting else ""
    console.confirm(f"Remove realm {name}?{lost}", yes=yes or dry_run)
    console.call(endpoints.remove_realm, name, dry_run=dry_run)
    console.say(f"removed realm {name}" + (f", and dropped {waiting} accounting records" if waiting else ""))


@app.command("test")
def try_(
    name: Name,
    user: Annotated[str, typer.Option(help="Log this user in; without it: only see whether the realm answers.")] = "",
    password_stdin: PasswordStdin = False,
    profile: Annotated[str, typer.Option(help="As if a client of this profile had come.")] = "",
    node: Annotated[str, typer.Option(help="The gateway to try it; default: one that serves.")] = "",
) -> None:
    """Have a gateway try a realm, and say what happened."""
    password = console.read_secret(f"Password of {user}", stdin=password_stdin) if user else None
    trial = RealmTrial(user=user, password=password, profile=profile, node=node)
    ordered = console.call(endpoints.test_realm, name, trial=trial)
    command = orders.wait(ordered, patience_seconds=_PATIENCE_SECONDS)
    result = console.tell(command.result or {})
    took = result.get("round_trip_seconds")
    console.say(command.message + (f" ({took * 1000:.1f} ms)" if took is not None else ""))
    for fact, value in result.get("facts", ()):
        console.say(f"  {fact}: {value}")
    if result.get("remedy"):
        console.say(f"  {result['remedy']}")
    if command.outcome is CommandOutcome.FAILED:
        raise typer.Exit(console.FAILED)

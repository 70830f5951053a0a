"""``coati realm server``: the RADIUS servers of a realm."""

from typing import Annotated

import typer

from appliance.cli import console, options
from appliance.cli.console import Yes
from appliance.cli.options import DryRun, Fields
from appliance.models import MessageAuthenticator, PasswordMethod
from appliance.radius_servers import endpoints

app = typer.Typer(help="RADIUS servers of a realm.", no_args_is_help=True)

Realm = Annotated[str, typer.Argument(help="Name of the realm.")]
Name = Annotated[str, typer.Argument(help="Name of the server; its address, if none is given.")]
Address = Annotated[str | None, typer.Option(help="IP address or host name.")]
SecretStdin = Annotated[bool, typer.Option("--secret-stdin", help="Read the shared secret from standard input.")]
Secret = Annotated[bool, typer.Option("--secret", help="Ask for a new shared secret.")]
AuthPort = Annotated[int | None, typer.Option(help="UDP port for logins.")]
AcctPort = Annotated[int | None, typer.Option(help="UDP port for accounting.")]
Timeout = Annotated[float | None, typer.Option(help="Send again after so many seconds.")]
Retries = Annotated[int | None, typer.Option(help="Send again so often, then ask the next server.")]
DeadTime = Annotated[float | None, typer.Option(help="Seconds to ask others first once it did not answer.")]
Position = Annotated[int | None, typer.Option(help="Order of asking; the lowest first.")]
Authenticator = Annotated[
    MessageAuthenticator | None,
    typer.Option("--message-authenticator", help="Whether replies to logins must carry one."),
]
Method = Annotated[PasswordMethod | None, typer.Option(help="How passwords travel.")]
Accounting = Annotated[bool | None, typer.Option(help="It takes accounting records.")]
Coa = Annotated[bool | None, typer.Option("--coa/--no-coa", help="It may send Disconnect and CoA.")]
Enabled = Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it is asked.")]

_NAMES = {
    "auth_port": "authentication_port",
    "acct_port": "accounting_port",
    "timeout": "timeout_seconds",
    "dead_time": "dead_seconds",
    "coa": "dynamic_authorization",
}


@app.command("list")
def list_(realm: Realm) -> None:
    """List the servers of a realm in the order of asking."""
    page = console.whole(endpoints.list_radius_servers, realm)
    console.table(
        (
            {
                "name": server.name,
                "address": server.address,
                "ports": f"{server.authentication_port}/{server.accounting_port}",
                "enabled": server.enabled,
                "method": server.method.value,
                "message-authenticator": server.message_authenticator.value,
                "accounting": server.accounting,
                "coa": server.dynamic_authorization,
            }
            for server in page.items
        ),
        f"realm {realm} has no server; add one: coati realm server add {realm} ADDRESS",
    )


@app.command("show")
def show(realm: Realm, name: Name) -> None:
    """Show a server; its secret is not shown."""
    server = console.call(endpoints.show_radius_server, realm, name)
    console.sheet(server)


def _fields(
    address: Address = None,
    auth_port: AuthPort = None,
    acct_port: AcctPort = None,
    timeout: Timeout = None,
    retries: Retries = None,
    dead_time: DeadTime = None,
    position: Position = None,
    message_authenticator: Authenticator = None,
    method: Method = None,
    accounting: Accounting = None,
    coa: Coa = None,
    enabled: Enabled = None,
) -> Fields:
    """Read what a server is given on the command line."""
    return {_NAMES.get(name, name): value for name, value in console.given(locals()).items()}


@app.command("add")
@options.of(_fields)
def add(realm: Realm, name: Name, fields: Fields, secret_stdin: SecretStdin = False) -> None:
    """Add a server; asks for the secret."""
    secret = console.read_secret("Shared secret", stdin=secret_stdin, option="--secret-stdin")
    server = console.call(endpoints.add_radius_server, realm, name=name, secret=secret, **fields)
    console.say(f"added server {server.name} to realm {server.realm}; try it: coati realm test {server.realm}")


@app.command("set")
@options.of(_fields)
def set_(
    realm: Realm,
    name: Name,
    fields: Fields,
    secret: Secret = False,
    secret_stdin: SecretStdin = False,
    dry_run: DryRun = False,
) -> None:
    """Change a server; what is not named stays."""
    if secret or secret_stdin:
        fields["secret"] = console.read_secret("Shared secret", stdin=secret_stdin, option="--secret-stdin")
    console.call(endpoints.change_radius_server, realm, name, dry_run=dry_run, **fields)
    console.say(f"server {name} of realm {realm} is changed")


@app.command("remove")
def remove(realm: Realm, name: Name, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Remove a server."""
    console.confirm(f"Remove server {name} of realm {realm}?", yes=yes or dry_run)
    console.call(endpoints.remove_radius_server, realm, name, dry_run=dry_run)
    console.say(f"removed server {name} of realm {realm}")

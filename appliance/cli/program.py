"""``coati``: all commands, put together."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from appliance import __version__
from appliance.cli import (
    accounting,
    administrators,
    authority,
    backups,
    certificates,
    client_profiles,
    configuration,
    connect,
    console,
    doctor,
    gateways,
    groups,
    history,
    leases,
    lockouts,
    log,
    policies,
    pools,
    profiles,
    realms,
    refusals,
    samples,
    second_factors,
    serve,
    sessions,
    settings,
    tokens,
    users,
)

app = typer.Typer(
    name="coati",
    help="Coati, a remote-access VPN concentrator for IKEv1 clients.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(serve.serve)
app.command()(connect.connect)
app.command()(doctor.doctor)
app.command()(history.history)
app.command()(log.log)
users.app.add_typer(second_factors.app, name="second-factor")
app.command()(samples.traffic)
app.add_typer(users.app, name="user")
app.add_typer(groups.app, name="group")
app.add_typer(policies.app, name="policy")
app.add_typer(lockouts.app, name="lockout")
app.add_typer(gateways.app, name="gateway")
app.add_typer(pools.app, name="pool")
app.add_typer(leases.app, name="lease")
app.add_typer(profiles.app, name="profile")
app.add_typer(realms.app, name="realm")
app.add_typer(authority.app, name="ca")
app.add_typer(certificates.app, name="certificate")
app.command("export")(client_profiles.export)
app.add_typer(client_profiles.app, name="link")
app.add_typer(sessions.app, name="session")
app.add_typer(refusals.app, name="refusal")
app.add_typer(accounting.app, name="accounting")
app.add_typer(settings.app, name="settings")
app.add_typer(tokens.app, name="token")
app.add_typer(administrators.app, name="admin")
app.add_typer(backups.app, name="backup")
app.add_typer(configuration.app, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        console.say(f"coati {__version__}")
        raise typer.Exit


@app.callback()
def options(
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="COATI_DATA_DIR", help="Where database and master key are.", show_default=False),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(envvar="COATI_URL", help="Another gateway: https://vpn.example.net:8443", show_default=False),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token for --url; else COATI_TOKEN has it.", show_default=False)
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(envvar="COATI_CA", help="File with the authority of --url (coati ca export).", show_default=False),
    ] = None,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Take what goes before the command."""
    console.choose_data_dir(data_dir)
    console.choose_gateway(url, token_file, ca)


def main() -> None:
    """Run the command line; failures are words on standard error and an exit status."""
    sys.exit(console.guarded(app))

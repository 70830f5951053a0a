"""``coati``: all commands, put together. Each is imported when it is asked for: most need little of the appliance."""

import sys
from collections import UserDict
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from appliance import __version__
from appliance.cli import console, options

_COMMANDS: Final = {
    "serve": "serve.serve",
    "connect": "connect.connect",
    "doctor": "doctor.doctor",
    "status": "status.status",
    "audit": "audit.audit",
    "history": "history.history",
    "log": "log.log",
    "traffic": "samples.traffic",
    "export": "client_profiles.export",
    "user": "users.app",
    "group": "groups.app",
    "policy": "policies.app",
    "lockout": "lockouts.app",
    "gateway": "gateways.app",
    "pool": "pools.app",
    "lease": "leases.app",
    "profile": "profiles.app",
    "realm": "realms.app",
    "ca": "authority.app",
    "certificate": "certificates.app",
    "link": "client_profiles.app",
    "session": "sessions.app",
    "refusal": "refusals.app",
    "accounting": "accounting.app",
    "settings": "settings.app",
    "token": "tokens.app",
    "admin": "administrators.app",
    "backup": "backups.app",
    "config": "configuration.app",
}
"""Where each command is: the module beside this one, and there a function or the ``app`` of a noun."""


class _Commands(UserDict[str, Any]):
    """Commands by name; what was not asked for yet is only known by its place."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401  typer's class of commands has no public name
        found = super().__getitem__(name)
        if isinstance(found, str):
            found = self.data[name] = _load(name, found)
        return found


def _load(name: str, place: str) -> Any:  # noqa: ANN401  the same
    module, _, attribute = place.partition(".")
    loaded = getattr(import_module(f"{__package__}.{module}"), attribute)
    alone = typer.Typer()
    if isinstance(loaded, typer.Typer):
        _have_json(loaded)
        alone.add_typer(loaded, name=name)
    else:
        alone.command(name)(options.with_json(loaded))
    return get_group(alone).commands[name]


def _have_json(noun: typer.Typer) -> None:
    """Have all commands of a noun answer machines as well."""
    for command in noun.registered_commands:
        if command.callback is not None:
            command.callback = options.with_json(command.callback)
    for inner in noun.registered_groups:
        if inner.typer_instance is not None:
            _have_json(inner.typer_instance)


class _Program(TyperGroup):
    """Has the commands of the table."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  as typer gives them
        super().__init__(**options)
        self.commands = _Commands(_COMMANDS)


app = typer.Typer(
    name="coati",
    cls=_Program,
    help="Coati, a remote-access VPN concentrator for IKEv1 clients.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        console.say(f"coati {__version__}")
        raise typer.Exit


@app.callback()
def start(
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

"""``coati serve``: prepares the installation, says where the panel is, and keeps the processes running.

keeper (this process) -> gateway, esp (with ESP in user space), web
"""

import asyncio
import os
import socket
import sys
from contextlib import AsyncExitStack, closing
from typing import Annotated, Final

import structlog
import typer

from appliance import __version__, first_start, logs
from appliance.certificates.local_names import primary_address
from appliance.cli import console
from appliance.first_start import Prepared
from appliance.installation import Installation
from appliance.settings import DataPlaneChoice, ListenAddress, LogFormat, LogLevel, Settings
from ike_engine.path import Address
from ike_engine.runtime.children import ChildSpec, python_module
from ike_engine.runtime.keeper import (
    CannotServe,
    DataPlaneKind,
    Keeper,
    Ports,
    attend,
    choose_data_plane,
    stop_wanted,
)
from ike_engine.runtime.privileges import Account, ensure_account, give

logger = structlog.get_logger(__name__)

_SERVICE_USER: Final = "coati"
_GOODBYE_SECONDS: Final = 10.0
_BACKLOG: Final = 128


def serve(
    listen: Annotated[str | None, typer.Option(help="Address and port of the panel [0.0.0.0:8443].")] = None,
    ike_address: Annotated[str | None, typer.Option(help="Local address to serve IKE on [all].")] = None,
    ike_port: Annotated[int | None, typer.Option(help="UDP port of IKE [500].")] = None,
    natt_port: Annotated[int | None, typer.Option(help="UDP port of IKE and ESP behind NATs [4500].")] = None,
    public_name: Annotated[str | None, typer.Option(help="Name that clients know the gateway by.")] = None,
    data_plane: Annotated[DataPlaneChoice | None, typer.Option(help="Where ESP is done [auto].")] = None,
    log_level: Annotated[LogLevel | None, typer.Option(help="The least serious line to write [info].")] = None,
    log_format: Annotated[LogFormat | None, typer.Option(help="For people or machines [text].")] = None,
    user: Annotated[str | None, typer.Option(help="Account of the unprivileged processes [coati].")] = None,
) -> None:
    """Start the appliance: IKE gateway and panel. Every flag has a variable: COATI_LISTEN, COATI_PUBLIC_NAME ..."""
    flags = console.given({name: value for name, value in locals().items() if name != "flags"})
    settings = Settings(**flags)
    logs.configure(settings, "keeper")
    try:
        asyncio.run(_serve(settings))
    except CannotServe as error:
        console.complain(f"{error}; {error.remedy}")
        raise typer.Exit(console.FAILED) from None


async def _serve(settings: Settings) -> None:
    root = os.geteuid() == 0
    account = ensure_account(settings.user or _SERVICE_USER) if root else None
    if account is not None:
        give(settings.data_dir, account)
        settings = settings.model_copy(update={"user": account.name})
    async with Installation.open(settings) as installation:
        prepared = await first_start.ensure(installation)
    if account is not None:
        give(settings.data_dir, account)  # what was made just now is root's
    stop = stop_wanted()
    async with AsyncExitStack() as held:
        panel = held.enter_context(closing(_listen(settings.listen)))
        if account is None:
            _announce(settings, prepared, "off: it needs root. Start it as root: sudo ./coati serve")
            await attend(stop, gateway=None, esp=None, others=(_web(settings, panel, None),))
            return
        kind, reason = choose_data_plane(_wanted(settings.data_plane))
        address = str(settings.ike_address)
        ports = Ports(
            Address(address, settings.ike_port),
            Address(address, settings.natt_port),
            userspace_esp=kind is DataPlaneKind.USERSPACE,
        )
        keeper = Keeper(ports, kind)
        held.push_async_callback(keeper.close)
        _announce(
            settings,
            prepared,
            f"{address}, UDP {settings.ike_port} and {settings.natt_port}; ESP: {kind.value} ({reason})",
        )
        await attend(
            stop,
            gateway=ChildSpec(
                name="gateway",
                argv=python_module("appliance.gateway", "--data-plane", kind.value, "--data-plane-reason", reason),
                environment=settings.environment(),
                descriptors=keeper.gateway_descriptors(),
                account=account,
                writable=(settings.data_dir,),
                stop_seconds=_GOODBYE_SECONDS,
            ),
            esp=keeper.esp_child(account, hidden=(settings.data_dir,)),
            others=(_web(settings, panel, account),),
        )


def _wanted(choice: DataPlaneChoice) -> DataPlaneKind | None:
    return None if choice is DataPlaneChoice.AUTO else DataPlaneKind(choice.value)


def _listen(address: ListenAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CannotServe(
            f"the panel cannot listen on {address}: {error.strerror}", "choose another address by COATI_LISTEN"
        ) from error


def _web(settings: Settings, panel: socket.socket, account: Account | None) -> ChildSpec:
    return ChildSpec(
        name="web",
        argv=python_module("webui"),
        environment=settings.environment(),
        descriptors={"panel": panel.fileno()},
        account=account,
        writable=(settings.data_dir,),
    )


def _announce(settings: Settings, prepared: Prepared, gateway: str) -> None:
    """Tell the administrator, on standard output, where to go; the password is shown this once."""
    host = settings.listen.host
    if host in ("0.0.0.0", "::"):
        host = settings.public_name or str(primary_address() or "localhost")
    lines = [
        f"Coati {__version__}",
        f"  panel          https://{ListenAddress(host, settings.listen.port)}/",
        f"  gateway        {gateway}",
        f"  data           {settings.data_dir}",
    ]
    if prepared.administrator_password is not None:
        lines += [
            "  administrator  admin",
            f"  password       {prepared.administrator_password.get_secret_value()}",
            "                 (shown this once; set another: ./coati admin password)",
        ]
    lines.append("  next           ./coati user add NAME, ./coati ca export, then connect a client")
    console.say("\n".join(lines))
    sys.stdout.flush()  # a supervisor reads it through a pipe

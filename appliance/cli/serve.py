"""``coati serve``: reads its flags and becomes the keeper, which starts everything else."""

import os
from typing import Annotated

import typer

from appliance.cli import console, options
from appliance.settings import DataPlaneChoice, LogFormat, LogLevel, Settings
from ike_engine.runtime.children import PACKAGES, python_module


@options.speaks_itself
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
    console.here_only("this starts the appliance on this machine")
    flags = console.given({name: value for name, value in locals().items() if name != "flags"})
    settings = Settings(**flags)
    # The keeper runs as root all the time: it is another program, without all that the command line imports.
    argv = python_module("appliance.keeper")
    os.execve(argv[0], argv, {**os.environ, **settings.environment(), "PYTHONPATH": str(PACKAGES)})  # noqa: S606  no shell is what is wanted

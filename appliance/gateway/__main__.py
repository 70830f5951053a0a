"""``python -m appliance.gateway``: the gateway process, as the keeper starts it.

It inherits, by the names in ``children.DESCRIPTORS_VARIABLE``:

    ike        UDP socket of port 500
    natt       UDP socket of port 4500
    dataplane  channel to the data plane (``dataplane.channel``); absent with the data plane ``none``
    keeper     channel for what needs privilege (``runtime.operations``); may be absent
    pam        channel to the PAM worker (``auth.pam``); may be absent
    pulse      where it tells that it lives (``runtime.pulse``); may be absent

and its settings from the environment (``Settings.environment``). SIGTERM has it say goodbye to
every client and end.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

import structlog

from appliance import logs
from appliance.gateway.service import Gateway
from appliance.gateway.surroundings import Surroundings
from appliance.installation import Installation
from appliance.settings import DataPlaneChoice, Settings
from ike_engine.dataplane.channel import RemoteDataPlane
from ike_engine.dataplane.none import NoDataPlane
from ike_engine.runtime import pulse
from ike_engine.runtime.children import inherited_descriptors
from ike_engine.runtime.operations import Keeper
from ike_engine.runtime.privileges import keep_memory_private
from ike_engine.runtime.udp import UdpSocket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ike_engine.dataplane.interface import DataPlane

logger = structlog.get_logger(__name__)

# What some thirty logins leave behind.
_OBJECTS_BETWEEN_COLLECTIONS: Final = 10_000


async def serve(settings: Settings, descriptors: Mapping[str, int], data_plane_name: str, reason: str) -> int:
    """Serve until SIGTERM or SIGINT; give the exit status."""
    stop = asyncio.Event()
    lost = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def on_lost() -> None:
        logger.error("the data plane is gone")
        lost.set()
        stop.set()

    data_plane: DataPlane = NoDataPlane()
    if "dataplane" in descriptors:
        data_plane = RemoteDataPlane(socket.socket(fileno=descriptors["dataplane"]), on_lost)
    async with Installation.open(settings, migrate=False) as installation:
        gateway = Gateway(
            installation,
            Surroundings(
                plain=UdpSocket(socket.socket(fileno=descriptors["ike"]), nat_t=False),
                nat_t=UdpSocket(socket.socket(fileno=descriptors["natt"]), nat_t=True),
                data_plane=data_plane,
                data_plane_name=data_plane_name,
                data_plane_reason=reason,
                keeper=Keeper(socket.socket(fileno=descriptors["keeper"])) if "keeper" in descriptors else None,
                pam=socket.socket(fileno=descriptors["pam"]) if "pam" in descriptors else None,
            ),
        )
        beating = asyncio.create_task(pulse.beat(descriptors))
        try:
            await gateway.run(stop)
        finally:
            beating.cancel()
    return 1 if lost.is_set() else 0


def _let_the_collector_rest() -> None:
    """Have the cyclic garbage collector look at sessions only, and less often.

    What was imported lives as long as the process: to look through all of it held up every login for 90 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


def main() -> int:
    """Read what we were given, and serve."""
    parser = argparse.ArgumentParser(prog="appliance.gateway", description="The IKE gateway; started by coati serve.")
    known = [choice.value for choice in DataPlaneChoice if choice is not DataPlaneChoice.AUTO]
    parser.add_argument("--data-plane", choices=known, required=True, help="which one it is given")
    parser.add_argument("--data-plane-reason", default="", help="why that one, in words")
    arguments = parser.parse_args()
    settings = Settings()
    logs.configure(settings, "gateway")
    logs.keep(settings.data_dir, "gateway")
    keep_memory_private()
    _let_the_collector_rest()
    descriptors = inherited_descriptors()
    if missing := {"ike", "natt"} - descriptors.keys():
        parser.error(f"no {' and '.join(sorted(missing))} socket was handed down; start it by: coati serve")
    return asyncio.run(serve(settings, descriptors, arguments.data_plane, arguments.data_plane_reason))


if __name__ == "__main__":
    sys.exit(main())

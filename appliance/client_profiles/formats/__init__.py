"""The formats, a module each: ``CLIENT`` says what the program can, ``write`` gives its files."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from appliance.client_profiles.formats import (
    cisco_pcf,
    instructions,
    mobileconfig,
    network_manager,
    racoon,
    shrew,
    swanctl,
    vpnc,
)
from appliance.client_profiles.target import Client, ClientFile, ClientFormat, Target


class Format(NamedTuple):
    """A client program and how its files are written."""

    client: Client
    write: Callable[[Target], list[ClientFile]]


FORMATS: Final[Mapping[ClientFormat, Format]] = {
    ClientFormat.MOBILECONFIG: Format(mobileconfig.CLIENT, mobileconfig.write),
    ClientFormat.VPNC: Format(vpnc.CLIENT, vpnc.write),
    ClientFormat.CISCO_PCF: Format(cisco_pcf.CLIENT, cisco_pcf.write),
    ClientFormat.SHREW: Format(shrew.CLIENT, shrew.write),
    ClientFormat.SWANCTL: Format(swanctl.CLIENT, swanctl.write),
    ClientFormat.NETWORK_MANAGER: Format(network_manager.CLIENT, network_manager.write),
    ClientFormat.RACOON: Format(racoon.CLIENT, racoon.write),
    ClientFormat.INSTRUCTIONS: Format(instructions.CLIENT, instructions.write),
}

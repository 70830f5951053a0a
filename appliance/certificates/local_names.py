"""Under which names and addresses this machine can be reached."""

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from appliance.settings import Settings

_FIB_TRIE: Final = Path("/proc/net/fib_trie")
_LOCAL: Final = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL")
# Each costs 6 octets in a certificate that should travel in one datagram.
_MOST_ADDRESSES: Final = 6
_ELSEWHERE: Final = ("192.0.2.1", 9)  # RFC 5737: nobody is there, and nothing is sent


def primary_address() -> IPv4Address | None:
    """Give the address that packets to the world leave from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        return IPv4Address(probe.getsockname()[0])


def local_addresses() -> list[IPv4Address]:
    """Give this machine's own addresses that another could send to, the primary one first."""
    try:
        found = {IPv4Address(text) for text in _LOCAL.findall(_FIB_TRIE.read_text("ascii"))}
    except OSError:
        found = set()
    primary = primary_address()
    useful = sorted(address for address in found if not (address.is_loopback or address.is_link_local))
    return sorted(useful, key=lambda address: address != primary)


def gateway_names(settings: Settings, pools: Sequence[IPv4Network] = ()) -> tuple[str, ...]:
    """Give the names that clients may know the gateway by, the best first.

    Args:
        settings: The public name and the address that IKE is served on.
        pools: Networks of virtual IPs: an address of ours in one of them is not for the outside.
    """
    if settings.ike_address.is_unspecified:
        addresses = [own for own in local_addresses() if not any(own in network for network in pools)]
    else:
        addresses = [settings.ike_address]
    names = [settings.public_name, *map(str, addresses[:_MOST_ADDRESSES])]
    return tuple(dict.fromkeys(filter(None, names))) or (socket.gethostname().lower(),)


def panel_names(settings: Settings, pools: Sequence[IPv4Network] = ()) -> tuple[str, ...]:
    """Give the names that a browser may know the panel by."""
    names = (*gateway_names(settings, pools), socket.gethostname().lower(), "localhost", "127.0.0.1")
    return tuple(dict.fromkeys(names))

"""Which packets a Child SA carries: identities of quick mode as networks (RFC 2407 section 4.6.2)."""

from __future__ import annotations

import functools
import ipaddress
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from ike_engine.errors import InvalidIdInformation
from ike_engine.identities import Identification, IdType

if TYPE_CHECKING:
    from collections.abc import Sequence


@functools.lru_cache(maxsize=1_024)
def network_of(identification: Identification) -> IPv4Network:
    """The network that an ID payload of quick mode names; remembered, since most clients name the same one.

    Raises:
        InvalidIdInformation: it names none that we can carry (IPv6, a range that is no network).
    """
    data = identification.data
    try:
        if identification.kind == IdType.IPV4_ADDR and len(data) == 4:
            return IPv4Network((data, 32))
        if identification.kind == IdType.IPV4_ADDR_SUBNET and len(data) == 8:
            return IPv4Network((data[:4], str(IPv4Address(data[4:]))), strict=False)
        if identification.kind == IdType.IPV4_ADDR_RANGE and len(data) == 8:
            (network,) = ipaddress.summarize_address_range(IPv4Address(data[:4]), IPv4Address(data[4:]))
            return network
    except ValueError as error:
        raise InvalidIdInformation(f"traffic selector {data.hex()}: {error}") from error
    raise InvalidIdInformation(f"traffic selector of type {identification.kind} is not supported")


def identification_of(network: IPv4Network) -> Identification:
    """The ID payload of a network: an address when it is a single one."""
    if network.prefixlen == 32:
        return Identification(IdType.IPV4_ADDR, network.network_address.packed)
    return Identification(IdType.IPV4_ADDR_SUBNET, network.network_address.packed + network.netmask.packed)


def narrow(asked: IPv4Network, allowed: Sequence[IPv4Network]) -> tuple[IPv4Network, ...]:
    """What of ``asked`` is allowed; two networks either contain one another or are disjoint."""
    return tuple(asked if asked.subnet_of(network) else network for network in allowed if asked.overlaps(network))

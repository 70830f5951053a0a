"""Values as the fields of the channel's messages, and back; what is none of them raises ``ValueError``."""

from __future__ import annotations

import functools
import json
import socket
from ipaddress import IPv4Network
from typing import Any

_MAPPED = bytes(10) + b"\xff\xff"


def encode_address(ip: str) -> bytes:
    """Give the 16 octets of an address, IPv4 as its IPv4-mapped form (RFC 4291 section 2.5.5.2)."""
    if ":" in ip:
        return socket.inet_pton(socket.AF_INET6, ip)
    return _MAPPED + socket.inet_pton(socket.AF_INET, ip)


def decode_address(octets: bytes) -> str:
    """Read the 16 octets of an address."""
    if octets.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, octets[12:])
    return socket.inet_ntop(socket.AF_INET6, octets)


@functools.lru_cache(maxsize=1024)  # the same few networks come with every login
def network(address: int, prefix_length: int) -> IPv4Network:
    """Give the network of an address and a prefix length."""
    return IPv4Network((address, prefix_length))


def boolean(octet: int) -> bool:
    """Read an octet that is 0 or 1."""
    if octet > 1:
        raise ValueError(f"{octet} where 0 or 1 belongs")
    return octet == 1


def plain(datagram: bytes) -> Any:  # noqa: ANN401  whatever JSON holds
    """Read JSON that somebody wrote whom we do not believe."""
    try:
        return json.loads(datagram)
    except RecursionError:  # brackets within brackets, thousands deep
        raise ValueError("nested too deeply") from None

"""ISAKMP Mode Config (draft-dukes-ike-mode-cfg-02) with the Cisco Unity attributes.

pull:  Remote peer                                      Gateway
    HDR*, HASH, ATTR(REQUEST: ADDRESS, DNS, ...)   -->
                                                   <--  HDR*, HASH, ATTR(REPLY: ADDRESS, DNS, ...)

push:  Gateway                                          Remote peer
    HDR*, HASH, ATTR(SET: ADDRESS, DNS, ...)       -->
                                                   <--  HDR*, HASH, ATTR(ACK)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from ike_engine.actions import Configuration
from ike_engine.errors import ConfigurationRefused, Malformed
from ike_engine.ikev1.messages import Transaction
from ike_engine.ikev1.numbers import ModeConfigAttribute as Mode
from ike_engine.ikev1.numbers import TransactionType
from ike_engine.ikev1.payloads import Attributes
from ike_engine.wire import vendor_ids
from ike_engine.wire.attributes import Attribute

if TYPE_CHECKING:
    from ike_engine.exchange import Exchange
    from ike_engine.ikev1.isakmp_sa import IsakmpSa

PUSHED = (Mode.INTERNAL_IP4_ADDRESS, Mode.INTERNAL_IP4_NETMASK, Mode.INTERNAL_IP4_DNS, Mode.INTERNAL_IP4_NBNS)
ASKED = (
    Mode.INTERNAL_IP4_ADDRESS,
    Mode.INTERNAL_IP4_NETMASK,
    Mode.INTERNAL_IP4_DNS,
    Mode.INTERNAL_IP4_NBNS,
    Mode.UNITY_DEF_DOMAIN,
    Mode.UNITY_BANNER,
    Mode.UNITY_SPLIT_INCLUDE,
    Mode.UNITY_LOCAL_LAN,
    Mode.UNITY_SPLITDNS_NAME,
    Mode.UNITY_SAVE_PASSWD,
    Mode.UNITY_PFS,
)
LONGEST_HOSTNAME = 255
"""Octets of a client's own name that travel back to it."""

LONGEST_TEXT = 4_000
"""Characters of a banner or a list of names that a client takes from a gateway."""

MOST_NETWORKS = 512
MOST_NAMES = 256
"""That a client takes from a gateway: more than any office has, and few enough to be installed."""

Configured = Callable[[Attributes], Awaitable[Configuration]]


async def respond(x: Exchange, sa: IsakmpSa, configure: Configured) -> Configuration:
    """The gateway's side of a pull.

    Args:
        configure: Gives the configuration (the same one for the whole session), or raises ``ConfigurationRefused``.
    """
    message = await x.receive(Transaction)
    request = message.attributes
    if request.type != TransactionType.REQUEST:
        raise Malformed(f"{request.type!r} where a Mode Config REQUEST was due")
    configuration = await configure(request)
    # quirk: racoon, vpnc 0.5.3: values in a REQUEST (zeros, a firewall's type) mean nothing: types are what is asked.
    wanted = tuple(dict.fromkeys(attribute.type for attribute in request.attributes))
    hostname = request.get(Mode.UNITY_DDNS_HOSTNAME)
    reply = Attributes(
        type=TransactionType.REPLY,
        identifier=request.identifier,
        attributes=tuple(encode(configuration, sa, wanted, hostname.octets[:LONGEST_HOSTNAME] if hostname else b"")),
    )
    x.send(Transaction(attributes=reply))
    return configuration


async def push(x: Exchange, sa: IsakmpSa, configure: Configured) -> Configuration:
    """The gateway's side of a push: SET everything that the client could want."""
    configuration = await configure(Attributes(type=TransactionType.REQUEST))
    wanted = ASKED if sa.announced(vendor_ids.CISCO_UNITY) else PUSHED
    x.send(
        Transaction(
            attributes=Attributes(type=TransactionType.SET, attributes=tuple(encode(configuration, sa, wanted)))
        )
    )
    await x.receive(Transaction)
    return configuration


async def initiate(x: Exchange, hostname: str, application_version: str) -> Configuration:
    """The client's side of a pull.

    Raises:
        ConfigurationRefused: the gateway gave no address.
    """
    attributes = [Attribute(number, b"") for number in ASKED]
    attributes.append(Attribute(Mode.APPLICATION_VERSION, application_version.encode()))
    if hostname:
        attributes.append(Attribute(Mode.UNITY_DDNS_HOSTNAME, hostname.encode()))
    x.send(Transaction(attributes=Attributes(type=TransactionType.REQUEST, attributes=tuple(attributes))))
    reply = await x.receive(Transaction)
    return decode(reply.attributes)


async def accept_push(x: Exchange) -> Configuration:
    """The client's side of a push."""
    message = await x.receive(Transaction)
    acknowledged = tuple(Attribute(attribute.type, b"") for attribute in message.attributes.attributes)
    x.send(
        Transaction(
            attributes=Attributes(
                type=TransactionType.ACK, identifier=message.attributes.identifier, attributes=acknowledged
            )
        )
    )
    return decode(message.attributes)


def text(request: Attributes, number: int, *, limit: int = 128, also: str = "") -> str:
    """A text attribute as printable characters (and those of ``also``); empty when it is not there."""
    attribute = request.get(number)
    if attribute is None:
        return ""
    decoded = attribute.octets.decode("utf-8", "replace").rstrip("\0")
    return "".join(character for character in decoded if character.isprintable() or character in also)[:limit]


# ---- values -----------------------------------------------------------------------------------------


def encode(
    configuration: Configuration, sa: IsakmpSa, wanted: tuple[int, ...], hostname: bytes = b""
) -> Iterator[Attribute]:
    """The wanted attributes that have a value, in the order in which they were wanted.

    Several servers are the attribute repeated. Unity attributes go only to who asked for them by
    number, and clients that are not Unity do not ask.
    """
    c = configuration
    for number in wanted:
        if number == Mode.INTERNAL_IP4_ADDRESS:
            yield Attribute(number, c.address.packed)
        elif number == Mode.INTERNAL_IP4_NETMASK:
            yield Attribute(number, c.netmask.packed)
        elif number == Mode.INTERNAL_IP4_DNS:
            yield from (Attribute(number, server.packed) for server in c.dns)
        elif number == Mode.INTERNAL_IP4_NBNS:
            yield from (Attribute(number, server.packed) for server in c.wins)
        elif number == Mode.APPLICATION_VERSION:
            yield Attribute(number, b"Coati")
        elif number == Mode.UNITY_BANNER and c.banner:
            yield Attribute(number, c.banner.encode())
        elif number == Mode.UNITY_SAVE_PASSWD:
            yield Attribute(number, int(c.save_password))
        elif number == Mode.UNITY_DEF_DOMAIN and c.domain:
            yield Attribute(number, c.domain.encode())
        elif number == Mode.UNITY_SPLITDNS_NAME and c.split_dns:
            # quirk: macOS reads past a value that is not NUL-terminated; all names in one attribute.
            yield Attribute(number, ",".join(c.split_dns).encode() + b"\0")
        elif number == Mode.UNITY_SPLIT_INCLUDE and c.split_include:
            yield Attribute(number, b"".join(map(_split_entry, c.split_include)))
        elif number == Mode.UNITY_LOCAL_LAN and c.split_exclude and not c.split_include:
            yield Attribute(number, b"".join(map(_split_entry, c.split_exclude)))
        elif number == Mode.UNITY_PFS:
            groups = sa.served_by.pfs_groups
            yield Attribute(number, int(groups[0]) if sa.served_by.require_pfs and groups else 0)
        elif number == Mode.UNITY_DDNS_HOSTNAME and hostname:
            yield Attribute(number, hostname)


def decode(attributes: Attributes) -> Configuration:
    """What a gateway gave us.

    Raises:
        ConfigurationRefused: no address is among it, or none that could be ours, or far too many networks.
        Malformed: a value has the wrong length.
    """
    addresses: dict[int, list[IPv4Address]] = {}
    networks: dict[int, list[IPv4Network]] = {}
    for attribute in attributes.attributes:
        if attribute.type in PUSHED and len(attribute.octets) >= 4:
            addresses.setdefault(attribute.type, []).append(IPv4Address(attribute.octets[:4]))
        elif attribute.type in (Mode.UNITY_SPLIT_INCLUDE, Mode.UNITY_LOCAL_LAN):
            networks.setdefault(attribute.type, []).extend(_split_entries(attribute.octets))
    address = addresses.get(Mode.INTERNAL_IP4_ADDRESS)
    if not address:
        raise ConfigurationRefused("the gateway gave no address")
    if address[0].is_unspecified or address[0].is_loopback or address[0].is_multicast:
        raise ConfigurationRefused(f"the gateway gave {address[0]}, which cannot be an address of ours")
    if (count := sum(map(len, networks.values()))) > MOST_NETWORKS:
        raise ConfigurationRefused(f"the gateway names {count} networks; {MOST_NETWORKS} is the most")
    saved = attributes.get(Mode.UNITY_SAVE_PASSWD)
    return Configuration(
        address=address[0],
        netmask=addresses.get(Mode.INTERNAL_IP4_NETMASK, [IPv4Address("255.255.255.255")])[0],
        dns=tuple(addresses.get(Mode.INTERNAL_IP4_DNS, ())),
        wins=tuple(addresses.get(Mode.INTERNAL_IP4_NBNS, ())),
        domain=text(attributes, Mode.UNITY_DEF_DOMAIN),
        split_include=tuple(networks.get(Mode.UNITY_SPLIT_INCLUDE, ())),
        split_exclude=tuple(networks.get(Mode.UNITY_LOCAL_LAN, ())),
        split_dns=tuple(filter(None, text(attributes, Mode.UNITY_SPLITDNS_NAME, limit=LONGEST_TEXT).split(",")))[
            :MOST_NAMES
        ],
        banner=text(attributes, Mode.UNITY_BANNER, limit=LONGEST_TEXT, also="\n\t"),
        save_password=saved is not None and saved.number == 1,
    )


SPLIT_ENTRY_OCTETS = 14


def _split_entry(network: IPv4Network) -> bytes:
    """Address, mask, and protocol and ports that are zero in practice."""
    return network.network_address.packed + network.netmask.packed + bytes(6)


def _split_entries(data: bytes) -> Iterator[IPv4Network]:
    """The zeros of the last entry may be missing."""
    for start in range(0, len(data), SPLIT_ENTRY_OCTETS):
        address, mask = data[start : start + 4], data[start + 4 : start + 8]
        try:
            yield ipaddress.IPv4Network((address, str(IPv4Address(mask))), strict=False)
        except ValueError as error:
            raise Malformed(f"split network: {error}") from error

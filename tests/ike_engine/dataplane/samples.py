"""Child SAs to test with, and an inner packet."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from ike_engine.child_sa import ChildSa, EspKeys
from ike_engine.crypto.suites import Cipher, EspSuite, Integrity
from ike_engine.dataplane.databases import Action, Direction, Owner, SadEntry, SpdEntry
from ike_engine.path import Address, Path
from ike_engine.secret import Secret

SUITES = (
    EspSuite(Cipher.AES_GCM_128),
    EspSuite(Cipher.AES_GCM_256),
    *(
        EspSuite(cipher, integrity)
        for cipher in (Cipher.AES_CBC_128, Cipher.AES_CBC_192, Cipher.AES_CBC_256, Cipher.TRIPLE_DES_CBC)
        for integrity in Integrity
    ),
)
GATEWAY, CLIENT = Address("192.0.2.1", 4500), Address("198.51.100.7", 33333)
EVERYTHING = IPv4Network("0.0.0.0/0")


def keys(suite: EspSuite, seed: int) -> EspKeys:
    """Keys that differ in every octet."""
    integrity_octets = suite.integrity.key_octets if suite.integrity else 0
    material = bytes((seed + 5 * place) % 256 for place in range(suite.cipher.keying_octets + integrity_octets))
    return EspKeys(
        Secret(material[: suite.cipher.keying_octets]),
        Secret(material[suite.cipher.keying_octets :]),
    )


def child_sa(suite: EspSuite = SUITES[0], **changed: Any) -> ChildSa:
    """The gateway's view of a client's Child SA."""
    child = ChildSa(
        inbound_spi=0xC0000001,
        outbound_spi=0xD0000001,
        peer_id=7,
        suite=suite,
        inbound_keys=keys(suite, 1),
        outbound_keys=keys(suite, 101),
        path=Path(GATEWAY, CLIENT, nat_t=True),
        encapsulated=True,
        local_networks=(EVERYTHING,),
        remote_networks=(IPv4Network("10.9.0.5"),),
        lifetime_seconds=3600,
    )
    return replace(child, **changed)


def inner(source: str, destination: str, payload: bytes = b"payload") -> bytes:
    """An IPv4 packet as far as a data plane looks at it."""
    header = struct.pack("!BBHIBBH", 0x45, 0, 20 + len(payload), 0, 64, 17, 0)
    return header + IPv4Address(source).packed + IPv4Address(destination).packed + payload


def sad_entry(**changed: Any) -> SadEntry:
    """The inbound half of ``child_sa``."""
    entry = SadEntry(
        owner=Owner.PEER,
        peer_id=7,
        direction=Direction.IN,
        spi=0xC0000001,
        inbound_spi=0xC0000001,
        source=CLIENT,
        destination=GATEWAY,
        encapsulated=True,
        algorithms="aes128gcm16",
        reqid=0,
        interface_id=0,
        sequence=12,
        replay_window=2048,
        octets=1000,
        packets=12,
        integrity_failures=0,
        replays=0,
        age_seconds=60.0,
        idle_seconds=1.5,
        lifetime_seconds=3600,
        lifetime_octets=0,
    )
    return replace(entry, **changed)


def spd_entry(**changed: Any) -> SpdEntry:
    """What ``child_sa`` lets in."""
    entry = SpdEntry(
        owner=Owner.PEER,
        peer_id=7,
        direction=Direction.IN,
        action=Action.PROTECT,
        source=IPv4Network("10.9.0.5"),
        destination=EVERYTHING,
        priority=0,
        reqid=0,
        interface_id=0,
        tunnel_source=CLIENT.ip,
        tunnel_destination=GATEWAY.ip,
    )
    return replace(entry, **changed)

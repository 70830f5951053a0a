"""The entries of ``databases`` as they cross the channel: one fixed struct each (see ``order_messages``)."""

from __future__ import annotations

import struct
from typing import Any, Final

from ike_engine.dataplane.databases import (
    ENTRIES_PER_PART,
    Action,
    Databases,
    DatabasesPart,
    Direction,
    Owner,
    SadEntry,
    SpdEntry,
)
from ike_engine.dataplane.fields import boolean, decode_address, encode_address, network
from ike_engine.path import Address

_ALGORITHMS_OCTETS: Final = 64

# kind, number of the question, last, entries of each database
_HEAD = struct.Struct("!BIBHH")
# owner, peer, direction, SPI, inbound SPI, source, destination, encapsulated, algorithms, reqid, interface, sequence,
# window, octets, packets, integrity failures, replays, age, idle (below zero: never), lifetime in seconds and octets
_SAD_ENTRY = struct.Struct(f"!BQBII16sH16sHB{_ALGORITHMS_OCTETS}sIIQIQQQQddQQ")
# owner, peer, direction, action, source, destination, priority, reqid, interface, tunnel's source and destination
_SPD_ENTRY = struct.Struct("!BQBBIBIBIII16s16s")


def encode_part(kind: int, part: DatabasesPart) -> bytes:
    """Give the datagram of a part.

    Raises:
        ValueError: more entries than one datagram may carry.
        struct.error: a number in it is outside its field.
    """
    sad, spd = part.held.sad, part.held.spd
    if max(len(sad), len(spd)) > ENTRIES_PER_PART:
        raise ValueError(f"{len(sad)} and {len(spd)} entries in one part; {ENTRIES_PER_PART} is the most")
    head = _HEAD.pack(kind, part.number, part.last, len(sad), len(spd))
    return b"".join((head, *map(_encode_sad_entry, sad), *map(_encode_spd_entry, spd)))


def decode_part(datagram: bytes) -> DatabasesPart:
    """Read one part.

    Raises:
        ValueError: a value in it is none.
        struct.error: it is too short.
    """
    _, number, last, sad_count, spd_count = _HEAD.unpack_from(datagram)
    sad_end = _HEAD.size + sad_count * _SAD_ENTRY.size
    end = sad_end + spd_count * _SPD_ENTRY.size
    if max(sad_count, spd_count) > ENTRIES_PER_PART or len(datagram) != end:
        raise ValueError(f"{sad_count} and {spd_count} entries in {len(datagram)} octets")
    sad = tuple(map(_sad_entry, _SAD_ENTRY.iter_unpack(datagram[_HEAD.size : sad_end])))
    spd = tuple(map(_spd_entry, _SPD_ENTRY.iter_unpack(datagram[sad_end:])))
    return DatabasesPart(number, boolean(last), Databases(sad, spd))


def _encode_sad_entry(entry: SadEntry) -> bytes:
    return _SAD_ENTRY.pack(
        entry.owner.value,
        entry.peer_id,
        entry.direction.value,
        entry.spi,
        entry.inbound_spi,
        *(encode_address(entry.source.ip), entry.source.port),
        *(encode_address(entry.destination.ip), entry.destination.port),
        entry.encapsulated,
        entry.algorithms.encode("ascii", "replace")[:_ALGORITHMS_OCTETS],
        entry.reqid,
        entry.interface_id,
        entry.sequence,
        entry.replay_window,
        entry.octets,
        entry.packets,
        entry.integrity_failures,
        entry.replays,
        entry.age_seconds,
        -1.0 if entry.idle_seconds is None else entry.idle_seconds,
        entry.lifetime_seconds,
        entry.lifetime_octets,
    )


def _sad_entry(fields: tuple[Any, ...]) -> SadEntry:
    owner, peer_id, direction, *spis, source, source_port, destination, destination_port = fields[:9]
    encapsulated, algorithms, *numbers, age_seconds, idle_seconds, lifetime_seconds, lifetime_octets = fields[9:]
    values = (
        Owner(owner),
        peer_id,
        Direction(direction),
        *spis,
        Address(decode_address(source), source_port),
        Address(decode_address(destination), destination_port),
        boolean(encapsulated),
        algorithms.rstrip(b"\0").decode("ascii"),
        *numbers,
        age_seconds,
        None if idle_seconds < 0 else idle_seconds,
        lifetime_seconds,
        lifetime_octets,
    )
    return SadEntry(*values)


def _encode_spd_entry(entry: SpdEntry) -> bytes:
    return _SPD_ENTRY.pack(
        entry.owner.value,
        entry.peer_id,
        entry.direction.value,
        entry.action.value,
        *(int(entry.source.network_address), entry.source.prefixlen),
        *(int(entry.destination.network_address), entry.destination.prefixlen),
        entry.priority,
        entry.reqid,
        entry.interface_id,
        encode_address(entry.tunnel_source),
        encode_address(entry.tunnel_destination),
    )


def _spd_entry(fields: tuple[Any, ...]) -> SpdEntry:
    owner, peer_id, direction, action, *networks = fields[:8]
    *numbers, tunnel_source, tunnel_destination = fields[8:]
    values = (
        Owner(owner),
        peer_id,
        Direction(direction),
        Action(action),
        network(*networks[:2]),
        network(*networks[2:]),
        *numbers,
        decode_address(tunnel_source),
        decode_address(tunnel_destination),
    )
    return SpdEntry(*values)

"""The kernel's SAD and SPD as people read them: what a dump of XFRM says, without the keys that come with it.

Whose an entry is, its reqid tells: ours lie in one range (``xfrm``), and each belongs to one peer. IPv6 entries,
which can only be of others, are left out.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Network
from socket import AF_INET
from typing import TYPE_CHECKING, Final

from ike_engine.crypto.suites import Cipher, Integrity
from ike_engine.dataplane import xfrm_messages as xfrm
from ike_engine.dataplane.databases import Action, Direction, Owner, SadEntry, SpdEntry
from ike_engine.path import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ike_engine.dataplane.netlink import Message

_DIRECTIONS: Final = {
    xfrm.Direction.IN: Direction.IN,
    xfrm.Direction.OUT: Direction.OUT,
    xfrm.Direction.FORWARD: Direction.FORWARD,
}


@dataclass(frozen=True, slots=True)
class Ownership:
    """What the data plane knows of one SA or one reqid.

    Attributes:
        owner, peer_id: As in the entries.
        inbound_spi: Of the Child SA, or 0.
        direction: Of the SA.
    """

    owner: Owner
    peer_id: int = 0
    inbound_spi: int = 0
    direction: Direction = Direction.UNKNOWN


def sad_entries(
    messages: Iterable[Message], wall: float, owned: Mapping[tuple[int, str], Ownership]
) -> Iterator[SadEntry]:
    """Read a dump of SAs.

    Args:
        messages: From ``all_states``.
        wall: Seconds of the wall clock.
        owned: By SPI and destination.
    """
    for message in messages:
        fields = xfrm.SA_INFO.unpack_from(message.body)
        if fields[_FAMILY_FIELD] != AF_INET:
            continue
        info = xfrm.StateInfo.parse(message.body)
        owner = owned.get((info.spi, info.destination)) or _unknown(info.reqid)
        sent, received, window = _replay(info.attributes)
        encapsulation = info.attributes.get(xfrm.Number.ENCAP)
        ports = [b"", b""] if encapsulation is None else xfrm.ENCAPSULATION.unpack_from(encapsulation)[1:3]
        source_port, destination_port = (int.from_bytes(port, "big") for port in ports)
        hard_octets = fields[_LIMITS_FIELD + 1]
        yield SadEntry(
            owner=owner.owner,
            peer_id=owner.peer_id,
            direction=owner.direction,
            spi=info.spi,
            inbound_spi=owner.inbound_spi,
            source=Address(xfrm.text(fields[_SOURCE_FIELD]), source_port),
            destination=Address(info.destination, destination_port),
            encapsulated=encapsulation is not None,
            algorithms=_algorithms(info.attributes),
            reqid=info.reqid,
            interface_id=xfrm.interface_id(info.attributes),
            sequence=max(sent, received),  # an SA does one of the two
            replay_window=0 if owner.direction is Direction.OUT else window,
            octets=info.octets,
            packets=info.packets,
            integrity_failures=info.integrity_failures,
            replays=info.replays,
            age_seconds=max(0.0, wall - fields[xfrm.OCTETS_FIELD + 2]),
            idle_seconds=None if info.last_used is None else max(0.0, wall - info.last_used),
            lifetime_seconds=fields[_LIMITS_FIELD + 5],
            lifetime_octets=0 if hard_octets == xfrm.UNLIMITED else hard_octets,
        )


def _unknown(reqid: int) -> Ownership:
    return Ownership(Owner.NOBODY if reqid in xfrm.OUR_REQIDS else Owner.OTHERS)


def spd_entries(messages: Iterable[Message], peers: Mapping[int, int]) -> Iterator[SpdEntry]:
    """Read a dump of policies; those of sockets are left out.

    Args:
        messages: From ``all_policies``.
        peers: By reqid.
    """
    for message in messages:
        fields = xfrm.POLICY_INFO.unpack_from(message.body)
        direction, action = fields[-4], fields[-3]
        if fields[_SELECTOR_FAMILY] != AF_INET or direction not in _DIRECTIONS:
            continue
        attributes = message.attributes(xfrm.POLICY_INFO.size)
        template = attributes.get(xfrm.Number.TMPL)
        reqid, near, far = 0, "0.0.0.0", "0.0.0.0"
        if template:
            far_octets, _, _, _, near_octets, reqid, *_ = xfrm.TEMPLATE.unpack_from(template)
            near, far = xfrm.text(near_octets), xfrm.text(far_octets)
        peer_id = peers.get(reqid, 0)
        yield SpdEntry(
            owner=Owner.PEER if peer_id else Owner.NOBODY if reqid in xfrm.OUR_REQIDS else Owner.OTHERS,
            peer_id=peer_id,
            direction=_DIRECTIONS[xfrm.Direction(direction)],
            action=Action.DISCARD if action == xfrm.ACTION_BLOCK else Action.PROTECT if template else Action.BYPASS,
            source=_network(fields[1], fields[8]),
            destination=_network(fields[0], fields[7]),
            priority=fields[-6],
            reqid=reqid,
            interface_id=xfrm.interface_id(attributes),
            tunnel_source=near,
            tunnel_destination=far,
        )


_SELECTOR_FAMILY: Final = 6
_SOURCE_FIELD: Final = xfrm.SPI_FIELD + 2
_LIMITS_FIELD: Final = _SOURCE_FIELD + 1
_FAMILY_FIELD: Final = xfrm.REQID_FIELD + 1

_ALGORITHM = struct.Struct("=64sI")  # name and bits of the key, at the head of every struct of an algorithm
_ICV = struct.Struct("=64s4xI")
_CIPHERS: Final = {(xfrm.CIPHER_NAMES[cipher], 8 * cipher.keying_octets): cipher.keyword for cipher in Cipher}
_INTEGRITIES: Final = {
    (xfrm.INTEGRITY_NAMES[integrity], 8 * integrity.icv_octets): integrity.keyword for integrity in Integrity
}


def _algorithms(attributes: dict[int, bytes]) -> str:
    """Name algorithms as we do, or as the kernel does where we do not have them."""
    words = []
    for layout, names, number in (
        (_ALGORITHM, _CIPHERS, xfrm.Number.ALG_AEAD),
        (_ALGORITHM, _CIPHERS, xfrm.Number.ALG_CRYPT),
        (_ICV, _INTEGRITIES, xfrm.Number.ALG_AUTH_TRUNC),
    ):
        if number in attributes:
            name, bits = layout.unpack_from(attributes[number])
            key = name.rstrip(b"\0"), bits
            words.append(names.get(key) or f"{key[0].decode(errors='replace')}/{bits}")
    return "-".join(words)


def _replay(attributes: dict[int, bytes]) -> tuple[int, int, int]:
    """Give the last sequence number sent, the highest received, and the window."""
    state = attributes.get(xfrm.Number.REPLAY_ESN_VAL)
    if state is None:
        return 0, 0, 0
    _, sent, received, sent_high, received_high, window = xfrm.REPLAY_STATE.unpack_from(state)
    return sent_high << 32 | sent, received_high << 32 | received, window


def _network(address: bytes, prefix_length: int) -> IPv4Network:
    return IPv4Network((address[:4], prefix_length), strict=False)

"""The XFRM messages that Coati exchanges with the kernel (``linux/xfrm.h``; RFC 3549 for their frame).

One ``struct.Struct`` a C struct, in its field order. Numbers are in host order, but SPIs and ports in
network order, which is why those are written as octets. Every struct's size is checked against the
kernel's by a test, and whole messages against what iproute2 sends.
"""

from __future__ import annotations

import enum
import functools
import socket
import struct
import sys
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, NamedTuple

from ike_engine.crypto.suites import Cipher, EspSuite, Integrity
from ike_engine.dataplane.netlink import Attribute, Message, Request, be16, be32, find_attribute
from ike_engine.path import Address

if TYPE_CHECKING:
    from ike_engine.child_sa import ChildSa, EspKeys

GROUP_EXPIRE, GROUP_MAPPING = 1 << 1, 1 << 7  # XFRMNLGRP_EXPIRE, XFRMNLGRP_MAPPING as bits

UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2  # linux/udp.h: socket option at IPPROTO_UDP, and its value
REPLAY_WINDOW = 2048
"""Packets; the same as in user space."""

OUR_REQIDS = range(0x43000000, 0x44000000)
"""Reqids of ours ("C" for Coati), by which our SAs and policies are known; nothing else on the host should use them."""

UNLIMITED = 0xFFFFFFFFFFFFFFFF


class Kind(enum.IntEnum):
    """Message types."""

    NEWSA = 0x10
    DELSA = 0x11
    GETSA = 0x12
    NEWPOLICY = 0x13
    DELPOLICY = 0x14
    GETPOLICY = 0x15
    EXPIRE = 0x18
    UPDPOLICY = 0x19
    UPDSA = 0x1A
    MAPPING = 0x26


class Direction(enum.IntEnum):
    """Where a policy applies: to what is for this host, what leaves it, what it forwards."""

    IN = 0
    OUT = 1
    FORWARD = 2


class Number(enum.IntEnum):
    """Attribute types (XFRMA_*)."""

    ALG_CRYPT = 2
    ENCAP = 4
    TMPL = 5
    LTIME_VAL = 9
    SRCADDR = 13
    LASTUSED = 15
    ALG_AEAD = 18
    ALG_AUTH_TRUNC = 20
    REPLAY_ESN_VAL = 23
    IF_ID = 31
    MTIMER_THRESH = 32


_MODE_TUNNEL = 1
ACTION_BLOCK = 1
"""Of a policy: XFRM_POLICY_BLOCK."""
_LIFETIME_CURRENT = "4Q"  # octets, packets, added at, first used at (seconds of the wall clock)
_LIFETIME_LIMITS = "8Q"  # soft and hard octets, packets, seconds since added, seconds since used
_SELECTOR_FORMAT = "16s16sHHHHHBBB3xiI"
_ID_FORMAT = "16s4sB3x"

SELECTOR = struct.Struct("=" + _SELECTOR_FORMAT)
SA_INFO = struct.Struct(
    "=" + _SELECTOR_FORMAT + _ID_FORMAT + "16s" + _LIFETIME_LIMITS + _LIFETIME_CURRENT + "3I" + "IIHBBB7x"
)
SA_ID = struct.Struct("=16s4sHBx")
POLICY_INFO = struct.Struct("=" + _SELECTOR_FORMAT + _LIFETIME_LIMITS + _LIFETIME_CURRENT + "IIBBBB4x")
POLICY_ID = struct.Struct("=" + _SELECTOR_FORMAT + "IB3x")
TEMPLATE = struct.Struct("=" + _ID_FORMAT + "H2x16sIBBBxIII")
ENCAPSULATION = struct.Struct("=H2s2s2x16s")
REPLAY_STATE = struct.Struct("=6I")  # words of bitmap, out, in, out high, in high, window; the bitmap follows
EXPIRE = struct.Struct("=224sB7x")
MAPPING = struct.Struct("=16s4sHBxI16s16s2s2s")

_ANY_ADDRESS = bytes(16)
_ALGORITHM = struct.Struct("=64sI")
_ALGORITHM_TRUNCATED = struct.Struct("=64sII")

CIPHER_NAMES = {
    Cipher.AES_CBC_128: b"cbc(aes)",
    Cipher.AES_CBC_192: b"cbc(aes)",
    Cipher.AES_CBC_256: b"cbc(aes)",
    Cipher.TRIPLE_DES_CBC: b"cbc(des3_ede)",
    Cipher.AES_GCM_128: b"rfc4106(gcm(aes))",
    Cipher.AES_GCM_256: b"rfc4106(gcm(aes))",
}
INTEGRITY_NAMES = {
    Integrity.HMAC_MD5_96: b"hmac(md5)",
    Integrity.HMAC_SHA1_96: b"hmac(sha1)",
    Integrity.HMAC_SHA2_256_128: b"hmac(sha256)",
    Integrity.HMAC_SHA2_256_96: b"hmac(sha256)",
    Integrity.HMAC_SHA2_384_192: b"hmac(sha384)",
    Integrity.HMAC_SHA2_512_256: b"hmac(sha512)",
}


# ---- states ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Limits of an SA; ``UNLIMITED`` octets and 0 seconds mean no limit."""

    soft_octets: int = UNLIMITED
    hard_octets: int = UNLIMITED
    soft_seconds: int = 0
    hard_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One SA as it is given to the kernel.

    Attributes:
        source: Outer address and UDP port that packets come from.
        destination: Outer address and port that they go to.
        selector: (source, destination) networks of the inner packets it is for, or ``None`` for all.
        carried_over: Attributes of the SA that this one continues (see ``continued``).
        mapping_events_seconds: Least time between two MAPPING events of one SA; 0: not said.
        interface_id: Of the XFRM interface whose packets take it, or 0.
    """

    spi: int
    source: Address
    destination: Address
    reqid: int
    suite: EspSuite
    keys: EspKeys
    encapsulated: bool
    lifetime: Lifetime
    selector: tuple[IPv4Network, IPv4Network] | None
    carried_over: tuple[Attribute, ...] = ()
    mapping_events_seconds: int = 0
    interface_id: int = 0

    def new(self) -> Request:
        """Add the SA; refused when one of the same SPI, destination and protocol exists."""
        return self._request(Kind.NEWSA)

    def update(self) -> Request:
        """Give the existing SA these ports and lifetimes; its keys, counters and replay state stay."""
        return self._request(Kind.UPDSA)

    def delete(self) -> Request:
        """Delete the SA."""
        return Request(Kind.DELSA, self._id(), ((Number.SRCADDR, _address(self.source.ip)),))

    def get(self) -> Request:
        """Ask for the SA as the kernel has it."""
        return Request(Kind.GETSA, self._id(), ((Number.SRCADDR, _address(self.source.ip)),))

    def _id(self) -> bytes:
        return SA_ID.pack(_address(self.destination.ip), be32(self.spi), socket.AF_INET, socket.IPPROTO_ESP)

    def _request(self, kind: Kind) -> Request:
        life = self.lifetime
        body = SA_INFO.pack(
            *(_selector(*self.selector) if self.selector else _EVERYTHING),
            _address(self.destination.ip),
            be32(self.spi),
            socket.IPPROTO_ESP,
            _address(self.source.ip),
            *(life.soft_octets, life.hard_octets, UNLIMITED, UNLIMITED, life.soft_seconds, life.hard_seconds, 0, 0),
            *(0, 0, 0, 0),
            *(0, 0, 0),
            0,
            self.reqid,
            socket.AF_INET,
            _MODE_TUNNEL,
            0,
            0,
        )
        attributes: list[Attribute] = []
        if self.encapsulated:
            ports = be16(self.source.port), be16(self.destination.port)
            attributes.append((Number.ENCAP, ENCAPSULATION.pack(UDP_ENCAP_ESPINUDP, *ports, _ANY_ADDRESS)))
        attributes += _algorithms(self.suite, self.keys)
        attributes += self.carried_over or (
            (Number.REPLAY_ESN_VAL, REPLAY_STATE.pack(REPLAY_WINDOW // 32, 0, 0, 0, 0, REPLAY_WINDOW)),
        )
        if self.mapping_events_seconds:
            attributes.append((Number.MTIMER_THRESH, struct.pack("=I", self.mapping_events_seconds)))
        attributes += _interface(self.interface_id)
        return Request(kind, body, attributes)


@dataclass(frozen=True, slots=True)
class StateInfo:
    """What the kernel says of an SA.

    Attributes:
        replays: Packets whose number came before or is older than the window (RFC 4303 section 3.4.3). This and the
            next are counted where packets are received: of an outbound SA both stay at 0.
        integrity_failures: Packets that did not verify.
        last_used: Seconds of the wall clock; ``None`` when the kernel does not say.
        lifetime_current: A struct xfrm_lifetime_cur.
    """

    spi: int
    destination: str
    reqid: int
    octets: int
    packets: int
    replays: int
    integrity_failures: int
    last_used: int | None
    lifetime_current: bytes
    attributes: dict[int, bytes]

    @classmethod
    def parse(cls, body: bytes) -> StateInfo:
        """Read a struct xfrm_usersa_info and the attributes after it."""
        fields = SA_INFO.unpack_from(body)
        attributes = Message(Kind.NEWSA, body).attributes(SA_INFO.size)
        last_used = attributes.get(Number.LASTUSED)
        return cls(
            spi=int.from_bytes(fields[SPI_FIELD], "big"),
            destination=text(fields[SPI_FIELD - 1]),
            reqid=fields[REQID_FIELD],
            octets=fields[OCTETS_FIELD],
            packets=fields[OCTETS_FIELD + 1],
            replays=fields[STATS_FIELD] + fields[STATS_FIELD + 1],  # too old for the window, and in it but seen
            integrity_failures=fields[STATS_FIELD + 2],
            last_used=int.from_bytes(last_used, sys.byteorder) if last_used else None,
            lifetime_current=body[_CURRENT_OFFSET : _CURRENT_OFFSET + struct.calcsize(_LIFETIME_CURRENT)],
            attributes=attributes,
        )

    def continued(self, skip: int) -> tuple[Attribute, ...]:
        """Give the attributes that let another SA go on where this one is.

        Args:
            skip: How many outbound sequence numbers to leave out. The SA may have sent more since it
                was asked; AES-GCM must never see the same number twice under one key.
        """
        words, out, *rest = REPLAY_STATE.unpack_from(self.attributes[Number.REPLAY_ESN_VAL])
        bitmap = self.attributes[Number.REPLAY_ESN_VAL][REPLAY_STATE.size :]
        replay = REPLAY_STATE.pack(words, min(out + skip, 0xFFFFFFFF), *rest) + bitmap
        return ((Number.LTIME_VAL, self.lifetime_current), (Number.REPLAY_ESN_VAL, replay))


# Places in the fields of SA_INFO: a selector, then daddr, spi, proto and saddr, then 8 limits, and these.
SPI_FIELD = len(SELECTOR.unpack(bytes(SELECTOR.size))) + 1
OCTETS_FIELD = SPI_FIELD + 3 + 8
STATS_FIELD = OCTETS_FIELD + 4
REQID_FIELD = STATS_FIELD + 4
_CURRENT_OFFSET = struct.calcsize("=" + _SELECTOR_FORMAT + _ID_FORMAT + "16s" + _LIFETIME_LIMITS)


_COUNTED = struct.Struct(f"={SELECTOR.size}x16s4s{_CURRENT_OFFSET - SELECTOR.size - 20}x2Q16x3I")
"""Of a struct xfrm_usersa_info: destination and SPI; octets and packets; struct xfrm_stats."""


class StateCounters(NamedTuple):
    """What of a ``StateInfo`` is counted. All SAs are read for it again and again: no more of them is looked at."""

    spi: int
    destination: str
    octets: int
    packets: int
    replays: int
    integrity_failures: int
    last_used: int | None

    @classmethod
    def parse(cls, body: bytes) -> StateCounters:
        """Read a struct xfrm_usersa_info and of the attributes after it the one that is wanted."""
        address, spi, octets, packets, too_old, seen, integrity_failures = _COUNTED.unpack_from(body)
        last_used = find_attribute(body, SA_INFO.size, Number.LASTUSED)
        return cls(
            int.from_bytes(spi, "big"),
            text(address),
            octets,
            packets,
            too_old + seen,
            integrity_failures,
            int.from_bytes(last_used, sys.byteorder) if last_used else None,
        )


def all_states() -> Request:
    """Ask for every SA of the host, in a dump."""
    return Request(Kind.GETSA, bytes(SA_ID.size))


def delete_state(info: StateInfo) -> Request:
    """Delete an SA that a dump showed."""
    return Request(
        Kind.DELSA, SA_ID.pack(_address(info.destination), be32(info.spi), socket.AF_INET, socket.IPPROTO_ESP)
    )


def _algorithms(suite: EspSuite, keys: EspKeys) -> list[Attribute]:
    name = CIPHER_NAMES[suite.cipher]
    bits = 8 * len(keys.encryption)
    if suite.integrity is None:
        icv_bits = 8 * suite.icv_octets
        return [(Number.ALG_AEAD, _ALGORITHM_TRUNCATED.pack(name, bits, icv_bits) + keys.encryption)]
    authentication = _ALGORITHM_TRUNCATED.pack(
        INTEGRITY_NAMES[suite.integrity], 8 * len(keys.integrity), 8 * suite.icv_octets
    )
    return [
        (Number.ALG_AUTH_TRUNC, authentication + keys.integrity),
        (Number.ALG_CRYPT, _ALGORITHM.pack(name, bits) + keys.encryption),
    ]


# ---- policies -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyEntry:
    """One policy: packets between two networks take a tunnel, and come out of no other.

    Attributes:
        discard: They do not pass at all.
        interface_id: It is for packets of this XFRM interface only; 0: only for those of none.
        outer: (source, destination) addresses of the tunnel; ``0.0.0.0`` leaves an end open, which a
            policy for what arrives may.
    """

    direction: Direction
    source: IPv4Network
    destination: IPv4Network
    reqid: int
    outer: tuple[str, str]
    discard: bool = False
    interface_id: int = 0

    @property
    def priority(self) -> int:
        """Less is stronger: narrower networks before wider ones."""
        return 10_000 + 64 - self.source.prefixlen - self.destination.prefixlen

    def new(self) -> Request:
        """Add the policy; refused when one for the same packets exists."""
        return self._request(Kind.NEWPOLICY)

    def replace(self) -> Request:
        """Add the policy, or put it in the place of the one for the same packets."""
        return self._request(Kind.UPDPOLICY)

    def delete(self) -> Request:
        """Delete the policy for these packets."""
        body = POLICY_ID.pack(*_selector(self.source, self.destination), 0, self.direction)
        return Request(Kind.DELPOLICY, body, _interface(self.interface_id))

    def _request(self, kind: Kind) -> Request:
        body = POLICY_INFO.pack(
            *_selector(self.source, self.destination),
            *(UNLIMITED, UNLIMITED, UNLIMITED, UNLIMITED, 0, 0, 0, 0),
            *(0, 0, 0, 0),
            self.priority,
            0,
            self.direction,
            ACTION_BLOCK if self.discard else 0,
            0,
            0,
        )
        source, destination = map(_address, self.outer)
        every = 0xFFFFFFFF  # algorithms: the reqid says enough
        template = TEMPLATE.pack(
            *(destination, bytes(4), socket.IPPROTO_ESP),
            *(socket.AF_INET, source, self.reqid, _MODE_TUNNEL, 0, 0),
            *(every, every, every),
        )
        return Request(kind, body, ((Number.TMPL, template), *_interface(self.interface_id)))


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """What the kernel says of a policy: enough to know whose it is and to delete it."""

    reqid: int
    """Of its first template; 0 when it has none."""
    selector: bytes
    direction: int
    interface_id: int

    @classmethod
    def parse(cls, body: bytes) -> PolicyInfo:
        """Read a struct xfrm_userpolicy_info and the attributes after it."""
        attributes = Message(Kind.NEWPOLICY, body).attributes(POLICY_INFO.size)
        template = attributes.get(Number.TMPL)
        reqid = TEMPLATE.unpack_from(template)[5] if template else 0
        return cls(reqid, body[: SELECTOR.size], POLICY_INFO.unpack_from(body)[-4], interface_id(attributes))

    def delete(self) -> Request:
        """Delete the policy."""
        body = self.selector + struct.pack("=IB3x", 0, self.direction)
        return Request(Kind.DELPOLICY, body, _interface(self.interface_id))


def all_policies() -> Request:
    """Ask for every policy of the host, in a dump."""
    return Request(Kind.GETPOLICY, bytes(POLICY_ID.size))


# ---- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExpireEvent:
    """A lifetime limit of an SA passed; after a hard one the kernel has deleted it."""

    state: StateInfo
    hard: bool

    @classmethod
    def parse(cls, body: bytes) -> ExpireEvent:
        """Read a struct xfrm_user_expire."""
        state, hard = EXPIRE.unpack_from(body)
        return cls(StateInfo.parse(state), bool(hard))


@dataclass(frozen=True, slots=True)
class MappingEvent:
    """An authentic packet of an inbound SA came from elsewhere."""

    spi: int
    reqid: int
    remote: Address

    @classmethod
    def parse(cls, body: bytes) -> MappingEvent:
        """Read a struct xfrm_user_mapping."""
        _, spi, _, _, reqid, _, address, _, port = MAPPING.unpack_from(body)
        return cls(int.from_bytes(spi, "big"), reqid, Address(text(address), int.from_bytes(port, "big")))


def interface_id(attributes: dict[int, bytes]) -> int:
    """Read which XFRM interface an SA or a policy is for; 0: none."""
    return int.from_bytes(attributes.get(Number.IF_ID, b""), sys.byteorder)


def _interface(number: int) -> tuple[Attribute, ...]:
    return ((Number.IF_ID, struct.pack("=I", number)),) if number else ()


def _selector(source: IPv4Network, destination: IPv4Network) -> tuple[bytes | int, ...]:
    return (
        destination.network_address.packed.ljust(16, b"\0"),
        source.network_address.packed.ljust(16, b"\0"),
        *(0, 0, 0, 0),
        socket.AF_INET,
        destination.prefixlen,
        source.prefixlen,
        *(0, 0, 0),
    )


_EVERYTHING = _selector(IPv4Network("0.0.0.0/0"), IPv4Network("0.0.0.0/0"))


def _address(ip: str) -> bytes:
    return socket.inet_pton(socket.AF_INET, ip).ljust(16, b"\0")


@functools.lru_cache(maxsize=1 << 15)
def text(address: bytes) -> str:
    """Read an xfrm_address_t that holds an IPv4 address."""
    return socket.inet_ntop(socket.AF_INET, address[:4])


def lifetime(child: ChildSa, soft_share: float) -> Lifetime:
    """Give both limits of a Child SA, the soft ones at a share of the hard ones."""
    octets = UNLIMITED if child.lifetime_kilobytes is None else child.lifetime_kilobytes * 1024
    return Lifetime(
        soft_octets=octets if octets == UNLIMITED else int(octets * soft_share),
        hard_octets=octets,
        soft_seconds=int(child.lifetime_seconds * soft_share),
        hard_seconds=child.lifetime_seconds,
    )

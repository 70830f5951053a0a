"""Orders and reports as the datagrams that cross the channel between a gateway and its data plane.

The layout is fixed-size structs in network order, because two orders cross here for every login and
because the reader is the privileged side: what it accepts must be plain to see. ``decode`` believes
nothing; whatever does not make a valid value raises ``ValueError``.
"""

from __future__ import annotations

import struct
from itertools import repeat
from typing import TYPE_CHECKING, Any

from ike_engine.child_sa import ChildSa, EspKeys
from ike_engine.crypto.suites import Cipher, EspSuite, Integrity
from ike_engine.dataplane.database_messages import decode_part, encode_part
from ike_engine.dataplane.databases import DatabasesPart
from ike_engine.dataplane.fields import boolean, decode_address, encode_address, network
from ike_engine.dataplane.interface import (
    ChildCounters,
    Counters,
    Expired,
    Install,
    InstallFailed,
    Installing,
    Order,
    PathObserved,
    QueryCounters,
    QueryDatabases,
    Remove,
    Told,
    UpdatePath,
)
from ike_engine.path import Address, Path
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

MAXIMUM_OCTETS = 65536
"""No datagram on the channel is larger."""

SPIS_PER_ORDER = 8192
"""How many Child SAs one order may name."""

COUNTERS_PER_REPORT = 512
"""An answer about more Child SAs comes in several ``Counters``."""

LOWEST_SPI = 256
"""1..255 are reserved and 0 is the non-ESP marker (RFC 4303 section 2.1, RFC 3948 section 2.2)."""

# First octet of every datagram.
_INSTALL, _REMOVE, _UPDATE_PATH, _QUERY_COUNTERS, _QUERY_DATABASES = 1, 2, 3, 4, 5
_INSTALL_FAILED, _EXPIRED, _PATH_OBSERVED, _COUNTERS, _DATABASES_PART = 17, 18, 19, 20, 21

_PATH = struct.Struct("!16sH16sHB")  # local, remote, nat_t
# kind, halves, inbound SPI, outbound SPI, peer, cipher, integrity, encapsulated, seconds, kilobytes
# (0: no limit), numbers of local and remote networks, path
_INSTALL_HEAD = struct.Struct("!BBIIQBBBIQHH" + _PATH.format.removeprefix("!"))
_NETWORK = struct.Struct("!IB")
_SPI_LIST_HEAD = struct.Struct("!BH")
_UPDATE_HEAD = struct.Struct("!BH" + _PATH.format.removeprefix("!"))
_QUERY_COUNTERS_HEAD = struct.Struct("!BHI")  # kind, number of SPIs, number of the query
_QUERY_DATABASES_BODY = struct.Struct("!BII")
_FAILED_HEAD = struct.Struct("!BI")
_EXPIRED_BODY = struct.Struct("!BIB")
_OBSERVED_BODY = struct.Struct("!BI" + _PATH.format.removeprefix("!"))
_COUNTERS_HEAD = struct.Struct("!BIB")  # kind, number of the query, last
_CHILD_COUNTERS = struct.Struct("!IQQQQQQd")  # idle seconds below zero: nothing came yet

# Position in these is what travels. Append only: an esp process may outlive its gateway's upgrade.
_CIPHERS = (
    Cipher.AES_CBC_128,
    Cipher.AES_CBC_192,
    Cipher.AES_CBC_256,
    Cipher.TRIPLE_DES_CBC,
    Cipher.AES_GCM_128,
    Cipher.AES_GCM_256,
)
_INTEGRITIES = (
    None,
    Integrity.HMAC_MD5_96,
    Integrity.HMAC_SHA1_96,
    Integrity.HMAC_SHA2_256_128,
    Integrity.HMAC_SHA2_256_96,
    Integrity.HMAC_SHA2_384_192,
    Integrity.HMAC_SHA2_512_256,
)
_CIPHER_NUMBER = {cipher: number for number, cipher in enumerate(_CIPHERS)}
_INTEGRITY_NUMBER = {integrity: number for number, integrity in enumerate(_INTEGRITIES)}


# ---- encoding -------------------------------------------------------------------------------


def encode(message: Order | Told) -> bytes:
    """Give the datagram of an order or a report.

    Raises:
        ValueError: a list in it is longer than one datagram may carry.
        struct.error: a number in it is outside its field.
    """
    return _ENCODERS[type(message)](message)


def _encode_install(order: Install) -> bytes:
    child = order.child
    head = _INSTALL_HEAD.pack(
        _INSTALL,
        order.installing.value,
        child.inbound_spi,
        child.outbound_spi,
        child.peer_id,
        _CIPHER_NUMBER[child.suite.cipher],
        _INTEGRITY_NUMBER[child.suite.integrity],
        child.encapsulated,
        child.lifetime_seconds,
        child.lifetime_kilobytes or 0,
        len(child.local_networks),
        len(child.remote_networks),
        *_path_fields(child.path),
    )
    networks = [
        _NETWORK.pack(int(each.network_address), each.prefixlen)
        for each in child.local_networks + child.remote_networks
    ]
    inbound, outbound = child.inbound_keys, child.outbound_keys
    keys = (inbound.encryption, inbound.integrity, outbound.encryption, outbound.integrity)
    return b"".join((head, *networks, *keys))


def _encode_remove(order: Remove) -> bytes:
    return _SPI_LIST_HEAD.pack(_REMOVE, len(order.inbound_spis)) + _encode_spis(order.inbound_spis)


def _encode_update_path(order: UpdatePath) -> bytes:
    head = _UPDATE_HEAD.pack(_UPDATE_PATH, len(order.inbound_spis), *_path_fields(order.path))
    return head + _encode_spis(order.inbound_spis)


def _encode_query_counters(order: QueryCounters) -> bytes:
    head = _QUERY_COUNTERS_HEAD.pack(_QUERY_COUNTERS, len(order.inbound_spis), order.number)
    return head + _encode_spis(order.inbound_spis)


def _encode_query_databases(order: QueryDatabases) -> bytes:
    return _QUERY_DATABASES_BODY.pack(_QUERY_DATABASES, order.number, order.part)


def _encode_install_failed(report: InstallFailed) -> bytes:
    return _FAILED_HEAD.pack(_INSTALL_FAILED, report.inbound_spi) + report.reason.encode()[:1024]


def _encode_expired(report: Expired) -> bytes:
    return _EXPIRED_BODY.pack(_EXPIRED, report.inbound_spi, report.hard)


def _encode_path_observed(report: PathObserved) -> bytes:
    return _OBSERVED_BODY.pack(_PATH_OBSERVED, report.inbound_spi, *_path_fields(report.path))


def _encode_counters(report: Counters) -> bytes:
    if len(report.children) > COUNTERS_PER_REPORT:
        raise ValueError(f"{len(report.children)} Child SAs in one report; {COUNTERS_PER_REPORT} is the most")
    head = _COUNTERS_HEAD.pack(_COUNTERS, report.number, report.last)
    return head + b"".join(map(_encode_child_counters, report.children))


def _encode_databases_part(report: DatabasesPart) -> bytes:
    return encode_part(_DATABASES_PART, report)


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    Install: _encode_install,
    Remove: _encode_remove,
    UpdatePath: _encode_update_path,
    QueryCounters: _encode_query_counters,
    QueryDatabases: _encode_query_databases,
    InstallFailed: _encode_install_failed,
    Expired: _encode_expired,
    PathObserved: _encode_path_observed,
    Counters: _encode_counters,
    DatabasesPart: _encode_databases_part,
}


def _encode_spis(spis: tuple[int, ...]) -> bytes:
    if len(spis) > SPIS_PER_ORDER:
        raise ValueError(f"{len(spis)} Child SAs in one order; {SPIS_PER_ORDER} is the most")
    return struct.pack(f"!{len(spis)}I", *spis)


def _encode_child_counters(child: ChildCounters) -> bytes:
    return _CHILD_COUNTERS.pack(
        child.inbound_spi,
        child.octets_in,
        child.octets_out,
        child.packets_in,
        child.packets_out,
        child.integrity_failures,
        child.replays,
        -1.0 if child.idle_seconds is None else child.idle_seconds,
    )


def _path_fields(path: Path) -> tuple[bytes, int, bytes, int, bool]:
    return (
        encode_address(path.local.ip),
        path.local.port,
        encode_address(path.remote.ip),
        path.remote.port,
        path.nat_t,
    )


# ---- decoding -------------------------------------------------------------------------------


def decode(datagram: bytes) -> Order | Told:
    """Read one datagram of the channel.

    Raises:
        ValueError: it is not exactly one well-formed order or report.
    """
    if not 0 < len(datagram) <= MAXIMUM_OCTETS:
        raise ValueError(f"a datagram of {len(datagram)} octets")
    decoder = _DECODERS.get(datagram[0])
    if decoder is None:
        raise ValueError(f"unknown kind {datagram[0]}")
    try:
        return decoder(datagram)
    except struct.error as error:
        raise ValueError(f"kind {datagram[0]}: {error}") from None


def decode_order(datagram: bytes) -> Order:
    """Read what a gateway sent.

    Raises:
        ValueError: it is not exactly one well-formed order.
    """
    order = decode(datagram)
    if not isinstance(order, Install | Remove | UpdatePath | QueryCounters | QueryDatabases):
        raise ValueError(f"{type(order).__name__} is not an order")  # noqa: TRY004 (rubbish on a wire)
    return order


def _decode_install(datagram: bytes) -> Install:
    (
        _,
        halves,
        inbound_spi,
        outbound_spi,
        peer_id,
        cipher_number,
        integrity_number,
        encapsulated,
        lifetime_seconds,
        lifetime_kilobytes,
        local_count,
        remote_count,
        *path_fields,
    ) = _INSTALL_HEAD.unpack_from(datagram)
    if halves not in (1, 2, 3):
        raise ValueError(f"halves {halves}")
    if cipher_number >= len(_CIPHERS) or integrity_number >= len(_INTEGRITIES):
        raise ValueError(f"unknown algorithms {cipher_number}, {integrity_number}")
    if lifetime_seconds == 0:
        raise ValueError("a Child SA that lives for 0 seconds")
    if not remote_count or not local_count:
        raise ValueError("a Child SA without networks")
    suite = EspSuite(_CIPHERS[cipher_number], _INTEGRITIES[integrity_number])
    networks_end = _INSTALL_HEAD.size + _NETWORK.size * (local_count + remote_count)
    key_octets = suite.keying_octets
    if len(datagram) != networks_end + 2 * key_octets:
        raise ValueError(f"{len(datagram)} octets where {networks_end + 2 * key_octets} belong")
    networks = tuple(network(*fields) for fields in _NETWORK.iter_unpack(datagram[_INSTALL_HEAD.size : networks_end]))
    child = ChildSa(
        inbound_spi=_spi(inbound_spi),
        outbound_spi=_spi(outbound_spi),
        peer_id=peer_id,
        suite=suite,
        inbound_keys=_keys(datagram[networks_end : networks_end + key_octets], suite),
        outbound_keys=_keys(datagram[networks_end + key_octets :], suite),
        path=_path(*path_fields),
        encapsulated=boolean(encapsulated),
        local_networks=networks[:local_count],
        remote_networks=networks[local_count:],
        lifetime_seconds=lifetime_seconds,
        lifetime_kilobytes=lifetime_kilobytes or None,
    )
    return Install(child, Installing(halves))


def _decode_remove(datagram: bytes) -> Remove:
    _, count = _SPI_LIST_HEAD.unpack_from(datagram)
    return Remove(_decode_spis(datagram, _SPI_LIST_HEAD.size, count))


def _decode_update_path(datagram: bytes) -> UpdatePath:
    _, count, *path_fields = _UPDATE_HEAD.unpack_from(datagram)
    return UpdatePath(_decode_spis(datagram, _UPDATE_HEAD.size, count), _path(*path_fields))


def _decode_query_counters(datagram: bytes) -> QueryCounters:
    _, count, number = _QUERY_COUNTERS_HEAD.unpack_from(datagram)
    return QueryCounters(_decode_spis(datagram, _QUERY_COUNTERS_HEAD.size, count), number)


def _decode_query_databases(datagram: bytes) -> QueryDatabases:
    _, number, part = _QUERY_DATABASES_BODY.unpack(datagram)
    return QueryDatabases(number, part)


def _decode_install_failed(datagram: bytes) -> InstallFailed:
    _, spi = _FAILED_HEAD.unpack_from(datagram)
    return InstallFailed(_spi(spi), datagram[_FAILED_HEAD.size :].decode(errors="replace"))


def _decode_expired(datagram: bytes) -> Expired:
    _, spi, hard = _EXPIRED_BODY.unpack(datagram)
    return Expired(_spi(spi), boolean(hard))


def _decode_path_observed(datagram: bytes) -> PathObserved:
    _, spi, *path_fields = _OBSERVED_BODY.unpack(datagram)
    return PathObserved(_spi(spi), _path(*path_fields))


def _decode_counters(datagram: bytes) -> Counters:
    _, number, last = _COUNTERS_HEAD.unpack_from(datagram)
    count, remainder = divmod(len(datagram) - _COUNTERS_HEAD.size, _CHILD_COUNTERS.size)
    if remainder or count > COUNTERS_PER_REPORT:
        raise ValueError(f"counters in {len(datagram)} octets")
    starts = range(_COUNTERS_HEAD.size, len(datagram), _CHILD_COUNTERS.size)
    return Counters(tuple(map(_decode_child_counters, starts, repeat(datagram))), number, boolean(last))


def _decode_child_counters(offset: int, datagram: bytes) -> ChildCounters:
    spi, *numbers, idle = _CHILD_COUNTERS.unpack_from(datagram, offset)
    octets_in, octets_out, packets_in, packets_out, integrity_failures, replays = numbers
    return ChildCounters(
        inbound_spi=_spi(spi),
        octets_in=octets_in,
        octets_out=octets_out,
        packets_in=packets_in,
        packets_out=packets_out,
        integrity_failures=integrity_failures,
        replays=replays,
        idle_seconds=None if idle < 0 else idle,
    )


_DECODERS: dict[int, Callable[[bytes], Order | Told]] = {
    _INSTALL: _decode_install,
    _REMOVE: _decode_remove,
    _UPDATE_PATH: _decode_update_path,
    _QUERY_COUNTERS: _decode_query_counters,
    _QUERY_DATABASES: _decode_query_databases,
    _INSTALL_FAILED: _decode_install_failed,
    _EXPIRED: _decode_expired,
    _PATH_OBSERVED: _decode_path_observed,
    _COUNTERS: _decode_counters,
    _DATABASES_PART: decode_part,
}


def _spi(number: int) -> int:
    if number < LOWEST_SPI:
        raise ValueError(f"SPI {number} is reserved")
    return number


def _decode_spis(datagram: bytes, offset: int, count: int) -> tuple[int, ...]:
    if count > SPIS_PER_ORDER or len(datagram) != offset + 4 * count:
        raise ValueError(f"{count} SPIs in {len(datagram)} octets")
    return tuple(map(_spi, struct.unpack_from(f"!{count}I", datagram, offset)))


def _keys(material: bytes, suite: EspSuite) -> EspKeys:
    split = suite.cipher.keying_octets
    return EspKeys(Secret(material[:split]), Secret(material[split:]))


def _path(local: bytes, local_port: int, remote: bytes, remote_port: int, nat_t: int) -> Path:
    ours, theirs = decode_address(local), decode_address(remote)
    if (":" in ours) != (":" in theirs):
        raise ValueError("a path between two address families")
    return Path(Address(ours, local_port), Address(theirs, remote_port), boolean(nat_t))

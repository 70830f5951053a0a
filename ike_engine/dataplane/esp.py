"""ESP packets: encapsulation, decapsulation and anti-replay (RFC 4303 sections 2 and 3).

AES-GCM is RFC 4106, AES-CBC RFC 3602, 3DES-CBC RFC 2451, HMAC RFC 2403, 2404 and 4868. Sequence
numbers have 32 bits: IKEv1 clients do not negotiate extended ones. Only ciphers and headers are
here; who may send what is the SA database's business.

Everything runs once for every packet: algorithms are chosen and keyed once, when the SA is made, and
what remains is a closure with one cipher call and, without an AEAD, one HMAC.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher as CipherMode
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC

from ike_engine.crypto.suites import Cipher, EspSuite, HashAlgorithm

if TYPE_CHECKING:
    from ike_engine.child_sa import EspKeys

HEADER_OCTETS = 8
"""SPI and sequence number."""

LAST_SEQUENCE = 0xFFFFFFFF
"""The last number that may be sent under one key (RFC 4303 section 3.3.3)."""

REPLAY_WINDOW = 2048
"""Packets. Wide, because a receiver that coalesces datagrams delivers in bursts and flows overtake each other."""

NEXT_HEADER_IPV4 = 4

IPV4 = 4
IPV4_HEADER_OCTETS = 20

Seal = Callable[[int, bytes], bytes]
"""Sequence number and inner IPv4 packet to ESP packet."""

Unseal = Callable[[bytes], bytes]
"""ESP packet to padded plaintext with its two-octet trailer; raises ``InvalidTag``."""

_HASHES: dict[HashAlgorithm, Callable[[], hashes.HashAlgorithm]] = {
    HashAlgorithm.MD5: hashes.MD5,
    HashAlgorithm.SHA1: hashes.SHA1,
    HashAlgorithm.SHA2_256: hashes.SHA256,
    HashAlgorithm.SHA2_384: hashes.SHA384,
    HashAlgorithm.SHA2_512: hashes.SHA512,
}


def seal(spi: int, suite: EspSuite, keys: EspKeys) -> Seal:
    """Give the function that makes the ESP packets of one outbound SA.

    It must see each sequence number once at most, in rising order.
    """
    return _seal_gcm(spi, keys) if suite.cipher.is_aead else _seal_cbc(spi, suite, keys)


def unseal(suite: EspSuite, keys: EspKeys) -> Unseal:
    """Give the function that verifies and decrypts the ESP packets of one inbound SA."""
    return _unseal_gcm(suite, keys) if suite.cipher.is_aead else _unseal_cbc(suite, keys)


def _trailers(alignment: int) -> tuple[bytes, ...]:
    """Padding 1, 2, 3..., its length, and next header IPv4, by inner length modulo ``alignment``."""
    pad_lengths = [-(length + 2) % alignment for length in range(alignment)]
    return tuple(bytes([*range(1, pad + 1), pad, NEXT_HEADER_IPV4]) for pad in pad_lengths)


def _seal_gcm(spi: int, keys: EspKeys) -> Seal:
    key, salt = keys.encryption[:-4], bytes(keys.encryption[-4:])
    encrypt = AESGCM(key).encrypt
    # The IV must never repeat under one key (RFC 4106 section 3.1). The sequence number does not; the
    # random half is for the day when somebody installs the same SA twice.
    unique = int.from_bytes(os.urandom(4), "big")
    pack_header = struct.Struct("!IIII").pack
    trailers = _trailers(4)

    def seal_packet(sequence: int, packet: bytes) -> bytes:
        header = pack_header(spi, sequence, unique, sequence)
        return header + encrypt(salt + header[8:], packet + trailers[len(packet) & 3], header[:8])

    return seal_packet


def _unseal_gcm(suite: EspSuite, keys: EspKeys) -> Unseal:
    key, salt = keys.encryption[:-4], bytes(keys.encryption[-4:])
    decrypt = AESGCM(key).decrypt
    payload = HEADER_OCTETS + suite.cipher.iv_octets
    shortest = payload + 4 + suite.icv_octets

    def unseal_packet(datagram: bytes) -> bytes:
        if len(datagram) < shortest or len(datagram) & 3:
            raise InvalidTag
        return decrypt(salt + datagram[8:16], datagram[payload:], datagram[:8])

    return unseal_packet


def _seal_cbc(spi: int, suite: EspSuite, keys: EspKeys) -> Seal:
    block = suite.cipher.block_octets
    # One cipher context for the life of the SA. Starting a context for every packet costs four times
    # the encryption. Instead the CBC chain runs on, and before each packet goes one block of zeros:
    # its ciphertext, the encryption under the SA's key of a value that never came before (the last
    # block of the packet before), is the IV, as unpredictable as RFC 3602 section 3 asks (NIST SP
    # 800-38A appendix C, first method). What follows it is plain CBC under that IV.
    start_block = bytes(block)
    encrypt = CipherMode(_block_cipher(suite.cipher, keys.encryption), modes.CBC(os.urandom(block))).encryptor().update
    keyed_hmac = _keyed_hmac(suite, keys)
    icv_octets = suite.icv_octets
    pack_header = struct.Struct("!II").pack
    trailers = _trailers(block)
    mask = block - 1

    def seal_packet(sequence: int, packet: bytes) -> bytes:
        covered = pack_header(spi, sequence) + encrypt(start_block + packet + trailers[len(packet) & mask])
        mac = keyed_hmac.copy()
        mac.update(covered)
        return covered + mac.finalize()[:icv_octets]

    return seal_packet


def _unseal_cbc(suite: EspSuite, keys: EspKeys) -> Unseal:
    block = suite.cipher.block_octets
    # The same trick backwards: an IV fed in as if it were ciphertext decrypts to rubbish, which is
    # thrown away, and leaves the context exactly where the packet's first block needs it.
    decrypt = CipherMode(_block_cipher(suite.cipher, keys.encryption), modes.CBC(bytes(block))).decryptor().update
    keyed_hmac = _keyed_hmac(suite, keys)
    icv_octets = suite.icv_octets
    shortest = HEADER_OCTETS + 2 * block + icv_octets
    mask = block - 1
    equal = hmac.compare_digest

    def unseal_packet(datagram: bytes) -> bytes:
        end = len(datagram) - icv_octets
        if len(datagram) < shortest or (end - HEADER_OCTETS) & mask:
            raise InvalidTag
        mac = keyed_hmac.copy()
        mac.update(datagram[:end])
        if not equal(mac.finalize()[:icv_octets], datagram[end:]):
            raise InvalidTag
        return decrypt(datagram[HEADER_OCTETS:end])[block:]

    return unseal_packet


def _block_cipher(cipher: Cipher, key: bytes) -> algorithms.AES | TripleDES:
    return TripleDES(key) if cipher is Cipher.TRIPLE_DES_CBC else algorithms.AES(key)


def _keyed_hmac(suite: EspSuite, keys: EspKeys) -> HMAC:
    """An HMAC that has taken its key and waits for data: copying it is cheaper than keying another."""
    if suite.integrity is None:
        raise ValueError(f"{suite} without integrity")
    return HMAC(keys.integrity, _HASHES[suite.integrity.hash_algorithm]())


class ReplayWindow:
    """Which sequence numbers of an inbound SA came already (RFC 4303 section 3.4.3).

    One octet for each number of the window, in a ring: the common packet, one above the highest so
    far, costs a single store, where shifting a bitmap would cost more the wider the window is.
    """

    __slots__ = ("_seen", "highest")

    def __init__(self) -> None:
        self.highest = 0
        self._seen = bytearray(REPLAY_WINDOW)

    def admits(self, sequence: int) -> bool:
        """Whether the number is new: to be asked before the packet is verified."""
        if sequence > self.highest:
            return True
        return sequence > self.highest - REPLAY_WINDOW and sequence > 0 and not self._seen[sequence % REPLAY_WINDOW]

    def accept(self, sequence: int) -> None:
        """Take note of a number that was admitted and whose packet is authentic."""
        skipped = sequence - self.highest - 1
        if skipped >= 0:
            if skipped >= REPLAY_WINDOW:
                self._seen = bytearray(REPLAY_WINDOW)
            else:
                for number in range(self.highest + 1, sequence):
                    self._seen[number % REPLAY_WINDOW] = 0
            self.highest = sequence
        self._seen[sequence % REPLAY_WINDOW] = 1


def inner_packet(plaintext: bytes) -> bytes:
    """Strip the trailer and any traffic-flow padding from what was unsealed.

    Returns:
        The inner IPv4 packet, or ``b""`` for what is to be dropped in silence: a dummy packet (RFC 4303
        section 2.6), or another protocol (vpnc sends IPv6 router solicitations as soon as its TUN is up).
    """
    padding = plaintext[-2] + 2
    if plaintext[-1] != NEXT_HEADER_IPV4 or plaintext[0] >> 4 != IPV4:
        return b""
    length = plaintext[2] << 8 | plaintext[3]
    if not IPV4_HEADER_OCTETS <= length <= len(plaintext) - padding:
        return b""
    return plaintext[:length]

"""Keying material of IKEv1 (RFC 2409 section 5 and appendix B), in the RFC's letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ike_engine.child_sa import EspKeys
from ike_engine.crypto.prf import digest, prf
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from ike_engine.crypto.suites import Cipher, EspSuite, HashAlgorithm


@dataclass(frozen=True, slots=True)
class IsakmpKeys:
    """SKEYID and what is made of it: ``d`` for Child SAs, ``a`` for HASHes, ``e`` cut to the cipher's key."""

    skeyid: Secret
    skeyid_d: Secret
    skeyid_a: Secret
    cipher_key: Secret


def skeyid_of_signatures(hash_algorithm: HashAlgorithm, ni_b: bytes, nr_b: bytes, g_xy: bytes) -> Secret:
    """SKEYID = prf(Ni_b | Nr_b, g^xy): RSA signatures, and hybrid, which proves the gateway by one."""
    return prf(hash_algorithm, ni_b + nr_b, g_xy)


def skeyid_of_pre_shared_key(hash_algorithm: HashAlgorithm, key: Secret, ni_b: bytes, nr_b: bytes) -> Secret:
    """SKEYID = prf(pre-shared-key, Ni_b | Nr_b)."""
    return prf(hash_algorithm, key, ni_b, nr_b)


def derive(
    hash_algorithm: HashAlgorithm, cipher: Cipher, skeyid: Secret, g_xy: bytes, cky_i: bytes, cky_r: bytes
) -> IsakmpKeys:
    """SKEYID_d, SKEYID_a and the encryption key (RFC 2409 section 5 and appendix B)."""
    tail = g_xy + cky_i + cky_r
    skeyid_d = prf(hash_algorithm, skeyid, tail, b"\0")
    skeyid_a = prf(hash_algorithm, skeyid, skeyid_d, tail, b"\1")
    skeyid_e = prf(hash_algorithm, skeyid, skeyid_a, tail, b"\2")
    return IsakmpKeys(skeyid, skeyid_d, skeyid_a, _cipher_key(hash_algorithm, cipher, skeyid_e))


def _cipher_key(hash_algorithm: HashAlgorithm, cipher: Cipher, skeyid_e: Secret) -> Secret:
    """Ka = K1 | K2 | ..., K1 = prf(SKEYID_e, 0), Kn = prf(SKEYID_e, Kn-1), when SKEYID_e is too short."""
    if len(skeyid_e) >= cipher.key_octets:
        return Secret(skeyid_e[: cipher.key_octets])
    block: bytes = b"\0"
    key = b""
    while len(key) < cipher.key_octets:
        block = prf(hash_algorithm, skeyid_e, block)
        key += block
    return Secret(key[: cipher.key_octets])


def initial_iv(hash_algorithm: HashAlgorithm, cipher: Cipher, g_xi: bytes, g_xr: bytes) -> bytes:
    """IV of the first encrypted phase 1 message: hash(g^xi | g^xr) (RFC 2409 appendix B)."""
    return digest(hash_algorithm, g_xi, g_xr)[: cipher.block_octets]


def phase_2_iv(hash_algorithm: HashAlgorithm, cipher: Cipher, last_block: bytes, message_id: bytes) -> bytes:
    """IV of the first message of a message id: hash(last phase 1 block | M-ID) (RFC 2409 appendix B)."""
    return digest(hash_algorithm, last_block, message_id)[: cipher.block_octets]


def esp_keys(
    hash_algorithm: HashAlgorithm,
    skeyid_d: Secret,
    suite: EspSuite,
    spi: int,
    nonces: bytes,
    g_qm_xy: bytes = b"",
) -> EspKeys:
    """KEYMAT of the ESP SA with ``spi`` (RFC 2409 section 5.5).

    Args:
        nonces: Ni_b | Nr_b of the quick mode.
        g_qm_xy: Its Diffie-Hellman secret with PFS, else empty.
    """
    seed = g_qm_xy + b"\x03" + spi.to_bytes(4, "big") + nonces
    block: bytes = b""
    material = b""
    while len(material) < suite.keying_octets:
        block = prf(hash_algorithm, skeyid_d, block, seed)
        material += block
    encryption = suite.cipher.keying_octets
    return EspKeys(Secret(material[:encryption]), Secret(material[encryption : suite.keying_octets]))

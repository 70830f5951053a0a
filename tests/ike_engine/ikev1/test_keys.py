"""Keying material against captured handshakes, and the rules of RFC 2409 that no capture shows."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest

from ike_engine.crypto.suites import Cipher, EspSuite, HashAlgorithm, Integrity
from ike_engine.ikev1 import keys
from ike_engine.ikev1.numbers import PayloadType
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, KeyExchange, Nonce
from ike_engine.secret import Secret
from ike_engine.wire.header import HEADER_OCTETS
from tests.vectors.captured import HANDSHAKES, handshake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ike_engine.wire.chain import Payload

HASHES = {algorithm.keyword: algorithm for algorithm in HashAlgorithm}


class Captured:
    """What the formulas take, from the clear messages of a handshake."""

    def __init__(self, name: str) -> None:
        found = handshake(name)
        self.hash = HASHES[found["hash"]]
        self.keys = {key: bytes.fromhex(value) for key, value in found["keys"].items()}
        self.messages = found["messages"]
        public: list[bytes] = []
        nonces: list[bytes] = []
        for message in self.messages:
            data = bytes.fromhex(message["hex"])
            if not message["flags"] & 1 and data[16] != PayloadType.FRAGMENT:
                payloads = tuple(whole_payloads(data))
                public += [payload.data for payload in payloads if isinstance(payload, KeyExchange)]
                nonces += [payload.data for payload in payloads if isinstance(payload, Nonce)]
        self.g_xi, self.g_xr = public
        self.ni_b, self.nr_b = nonces
        self.cky_i, self.cky_r = data[:8], data[8:16]


def whole_payloads(data: bytes) -> Iterator[Payload]:
    """The payloads of a message, as far as they go: of one in IP fragments only the first was captured."""
    number, at = data[16], HEADER_OCTETS
    while number and (end := at + int.from_bytes(data[at + 2 : at + 4], "big")) <= len(data):
        yield IKEV1_PAYLOADS[number].parse(data[at + 4 : end])
        number, at = data[at], end


@pytest.mark.parametrize("name", HANDSHAKES)
def test_captured_handshakes_are_reproduced(name: str) -> None:
    captured = Captured(name)
    known = captured.keys
    skeyid = keys.skeyid_of_signatures(captured.hash, captured.ni_b, captured.nr_b, known["g_xy"])
    assert skeyid == known["SKEYID"]
    derived = keys.derive(captured.hash, Cipher.AES_CBC_256, skeyid, known["g_xy"], captured.cky_i, captured.cky_r)
    assert derived.skeyid_d == known["SKEYID_d"]
    assert derived.skeyid_a == known["SKEYID_a"]
    assert derived.cipher_key == known["Ka"]  # of SHA-1's 20 octets it is an expansion
    assert keys.initial_iv(captured.hash, Cipher.AES_CBC_256, captured.g_xi, captured.g_xr) == known["IV0"]


@pytest.mark.parametrize("name", HANDSHAKES)
def test_the_iv_of_a_message_id_begins_at_the_last_block_of_phase_1(name: str) -> None:
    captured = Captured(name)
    last_block = captured.keys["IV0"]
    checked = 0
    for message in captured.messages:
        if message.get("iv_from") == "phase 1 chain":
            assert bytes.fromhex(message["iv"]) == last_block
            last_block = bytes.fromhex(message["hex"])[-16:]
        elif str(message.get("iv_from")).startswith("hash("):
            iv = keys.phase_2_iv(captured.hash, Cipher.AES_CBC_256, last_block, bytes.fromhex(message["mid"]))
            assert iv == bytes.fromhex(message["iv"])
            checked += 1
    assert checked >= 5


def test_skeyid_of_a_group_key_is_keyed_by_it() -> None:
    expected = hmac.digest(b"group key", b"initiator" + b"responder", "sha256")
    assert keys.skeyid_of_pre_shared_key(HashAlgorithm.SHA2_256, Secret(b"group key"), b"initiator", b"responder") == (
        expected
    )


@pytest.mark.parametrize("algorithm", HashAlgorithm)
@pytest.mark.parametrize("cipher", [cipher for cipher in Cipher if not cipher.is_aead])
def test_a_cipher_key_is_cut_or_expanded(algorithm: HashAlgorithm, cipher: Cipher) -> None:
    """RFC 2409 appendix B: K1 = prf(SKEYID_e, 0), K2 = prf(SKEYID_e, K1) when SKEYID_e is too short."""
    skeyid, g_xy, i, r = Secret(b"s" * algorithm.octets), b"g" * 128, b"i" * 8, b"r" * 8

    def prf(key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, algorithm.keyword)

    d = prf(skeyid, g_xy + i + r + b"\0")
    a = prf(skeyid, d + g_xy + i + r + b"\1")
    e = prf(skeyid, a + g_xy + i + r + b"\2")
    if len(e) < cipher.key_octets:
        k1 = prf(e, b"\0")
        e = k1 + prf(e, k1)
    derived = keys.derive(algorithm, cipher, skeyid, g_xy, i, r)
    assert derived.cipher_key == e[: cipher.key_octets]
    assert (derived.skeyid, derived.skeyid_d, derived.skeyid_a) == (skeyid, d, a)


@pytest.mark.parametrize("cipher", [Cipher.AES_CBC_128, Cipher.TRIPLE_DES_CBC])
def test_an_iv_is_as_long_as_a_block(cipher: Cipher) -> None:
    expected = hashlib.sha1(b"first" + b"second").digest()[: cipher.block_octets]  # noqa: S324  the RFC's
    assert keys.initial_iv(HashAlgorithm.SHA1, cipher, b"first", b"second") == expected
    assert keys.phase_2_iv(HashAlgorithm.SHA1, cipher, b"first", b"second") == expected


SUITES = [
    EspSuite(Cipher.AES_CBC_128, Integrity.HMAC_SHA1_96),
    EspSuite(Cipher.AES_CBC_256, Integrity.HMAC_SHA2_512_256),
    EspSuite(Cipher.AES_CBC_192, Integrity.HMAC_SHA2_384_192),
    EspSuite(Cipher.AES_CBC_256, Integrity.HMAC_SHA2_256_96),
    EspSuite(Cipher.TRIPLE_DES_CBC, Integrity.HMAC_MD5_96),
    EspSuite(Cipher.AES_GCM_256),
]


@pytest.mark.parametrize("g_qm_xy", [b"", b"g" * 128])
@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_keymat_is_cut_into_cipher_and_integrity_keys(suite: EspSuite, g_qm_xy: bytes) -> None:
    """RFC 2409 section 5.5: KEYMAT = prf(SKEYID_d, [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b), expanded."""
    seed = g_qm_xy + b"\x03" + b"\x00\x00\x01\x02" + b"nonces"
    k1 = hmac.digest(b"d" * 20, seed, "sha1")
    keymat = block = k1
    for _ in range(5):
        block = hmac.digest(b"d" * 20, block + seed, "sha1")
        keymat += block
    made = keys.esp_keys(HashAlgorithm.SHA1, Secret(b"d" * 20), suite, 0x102, b"nonces", g_qm_xy)
    cipher = suite.cipher.keying_octets
    assert made.encryption == keymat[:cipher]
    assert made.integrity == keymat[cipher : suite.keying_octets]
    assert len(made.encryption) + len(made.integrity) == suite.keying_octets


def test_each_direction_has_keys_of_its_own() -> None:
    arguments = HashAlgorithm.SHA2_256, Secret(b"d" * 32), SUITES[0]
    assert keys.esp_keys(*arguments, 1000, b"nonces") != keys.esp_keys(*arguments, 1001, b"nonces")

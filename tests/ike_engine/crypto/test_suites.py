"""The sizes of algorithms: what the RFCs say, by name."""

from __future__ import annotations

import hashlib

import pytest

from ike_engine.crypto.suites import Cipher, DhGroup, EspSuite, HashAlgorithm, Integrity


@pytest.mark.parametrize("algorithm", HashAlgorithm)
def test_a_hash_is_as_long_as_it_says(algorithm: HashAlgorithm) -> None:
    assert hashlib.new(algorithm.keyword).digest_size == algorithm.octets


@pytest.mark.parametrize(
    ("cipher", "key", "block", "iv", "keying"),
    [
        (Cipher.AES_CBC_128, 16, 16, 16, 16),
        (Cipher.AES_CBC_192, 24, 16, 16, 24),
        (Cipher.AES_CBC_256, 32, 16, 16, 32),
        (Cipher.TRIPLE_DES_CBC, 24, 8, 8, 24),
        (Cipher.AES_GCM_128, 16, 16, 8, 20),  # RFC 4106 section 8.1: a salt of 4 octets
        (Cipher.AES_GCM_256, 32, 16, 8, 36),
    ],
)
def test_a_cipher_has_the_sizes_of_its_rfc(cipher: Cipher, key: int, block: int, iv: int, keying: int) -> None:
    assert (cipher.key_octets, cipher.block_octets, cipher.iv_octets, cipher.keying_octets) == (key, block, iv, keying)


@pytest.mark.parametrize(
    ("integrity", "key", "icv"),
    [
        (Integrity.HMAC_MD5_96, 16, 12),  # RFC 2403
        (Integrity.HMAC_SHA1_96, 20, 12),  # RFC 2404
        (Integrity.HMAC_SHA2_256_128, 32, 16),  # RFC 4868
        (Integrity.HMAC_SHA2_384_192, 48, 24),
        (Integrity.HMAC_SHA2_512_256, 64, 32),
        # quirk: Android up to 7 and PF_KEY on Linux cut HMAC-SHA2-256 to 96 bits.
        (Integrity.HMAC_SHA2_256_96, 32, 12),
    ],
)
def test_an_icv_is_cut_as_its_rfc_says(integrity: Integrity, key: int, icv: int) -> None:
    suite = EspSuite(Cipher.AES_CBC_128, integrity)
    assert (integrity.key_octets, suite.icv_octets) == (key, icv)
    assert suite.keying_octets == 16 + key


def test_an_aead_stands_alone() -> None:
    assert EspSuite(Cipher.AES_GCM_256).icv_octets == 16
    with pytest.raises(ValueError, match="stands alone"):
        EspSuite(Cipher.AES_GCM_256, Integrity.HMAC_SHA1_96)
    with pytest.raises(ValueError, match="needs an integrity"):
        EspSuite(Cipher.AES_CBC_256)


@pytest.mark.parametrize(
    ("number", "keyword"),
    [
        (2, "modp1024"),
        (5, "modp1536"),
        (14, "modp2048"),
        (15, "modp3072"),
        (16, "modp4096"),
        (19, "ecp256"),
        (20, "ecp384"),
        (21, "ecp521"),
    ],
)
def test_a_group_has_its_iana_number(number: int, keyword: str) -> None:
    assert DhGroup(number).keyword == keyword


def test_no_name_is_given_twice() -> None:
    for kind in (Cipher, HashAlgorithm, Integrity, DhGroup):
        keywords = [member.keyword for member in kind]
        assert len(keywords) == len(set(keywords))

"""Hashes and HMAC against FIPS 180-4, RFC 1321, RFC 2202 and RFC 4231."""

from __future__ import annotations

import pytest

from ike_engine.crypto.prf import digest, prf
from ike_engine.crypto.suites import HashAlgorithm
from ike_engine.secret import Secret


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (HashAlgorithm.MD5, "900150983cd24fb0d6963f7d28e17f72"),
        (HashAlgorithm.SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (HashAlgorithm.SHA2_256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            HashAlgorithm.SHA2_384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            HashAlgorithm.SHA2_512,
            (
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
            ),
        ),
    ],
)
def test_a_digest_is_that_of_the_parts_joined(algorithm: HashAlgorithm, expected: str) -> None:
    assert digest(algorithm, b"a", b"", b"bc").hex() == expected
    assert len(bytes.fromhex(expected)) == algorithm.octets


LONG_KEY_TEXT = b"Test Using Larger Than Block-Size Key - Hash Key First"


@pytest.mark.parametrize(
    ("algorithm", "key", "data", "expected"),
    [
        # RFC 2202 section 2, cases 1, 2 and 6
        (HashAlgorithm.MD5, b"\x0b" * 16, b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
        (HashAlgorithm.MD5, b"Jefe", b"what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
        (HashAlgorithm.MD5, b"\xaa" * 80, LONG_KEY_TEXT, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
        # RFC 2202 section 3, cases 1, 2 and 6
        (HashAlgorithm.SHA1, b"\x0b" * 20, b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
        (HashAlgorithm.SHA1, b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (HashAlgorithm.SHA1, b"\xaa" * 80, LONG_KEY_TEXT, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
        # RFC 4231 section 4, cases 1, 2 and 6
        (
            HashAlgorithm.SHA2_256,
            b"\x0b" * 20,
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            HashAlgorithm.SHA2_256,
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            HashAlgorithm.SHA2_256,
            b"\xaa" * 131,
            LONG_KEY_TEXT,
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            HashAlgorithm.SHA2_384,
            b"\x0b" * 20,
            b"Hi There",
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        ),
        (
            HashAlgorithm.SHA2_384,
            b"\xaa" * 131,
            LONG_KEY_TEXT,
            "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
        ),
        (
            HashAlgorithm.SHA2_512,
            b"\x0b" * 20,
            b"Hi There",
            (
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
            ),
        ),
        (
            HashAlgorithm.SHA2_512,
            b"\xaa" * 131,
            LONG_KEY_TEXT,
            (
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
                "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
            ),
        ),
    ],
)
def test_the_prf_is_hmac(algorithm: HashAlgorithm, key: bytes, data: bytes, expected: str) -> None:
    assert prf(algorithm, key, data).hex() == expected
    assert prf(algorithm, key, data[:3], data[3:]).hex() == expected


def test_the_prf_takes_an_empty_key_and_gives_a_secret() -> None:
    value = prf(HashAlgorithm.SHA2_256, b"", b"")
    # The empty HMAC-SHA-256, as any implementation gives it.
    assert value.hex() == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
    assert isinstance(value, Secret)
    assert str(value) == "<32 octets>"

"""RSA over the bare hash, and how keys are read and hidden."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ike_engine.crypto.prf import digest
from ike_engine.crypto.signatures import PrivateKey, verify_hash
from ike_engine.crypto.suites import HashAlgorithm
from ike_engine.secret import Secret


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    return PrivateKey(rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="module")
def other_key() -> PrivateKey:
    return PrivateKey(rsa.generate_private_key(65537, 2048))


@pytest.mark.parametrize("algorithm", list(HashAlgorithm))
def test_the_signature_is_a_padded_hash_without_its_algorithm(key: PrivateKey, algorithm: HashAlgorithm) -> None:
    bare_hash = digest(algorithm, b"HASH_R")
    signature = key.sign_hash(bare_hash)
    public = key.public_key.public_numbers()
    encoded = pow(int.from_bytes(signature, "big"), public.e, public.n).to_bytes(256, "big")
    # RFC 8017 section 9.2, with T the hash alone (RFC 2409 section 5.1)
    assert encoded == b"\x00\x01" + b"\xff" * (256 - 3 - algorithm.octets) + b"\x00" + bare_hash
    assert verify_hash(key.public_key, bare_hash, signature)


def test_what_does_not_fit_is_false_and_raises_nothing(key: PrivateKey, other_key: PrivateKey) -> None:
    bare_hash = digest(HashAlgorithm.SHA2_256, b"HASH_R")
    signature = key.sign_hash(bare_hash)
    assert not verify_hash(other_key.public_key, bare_hash, signature)
    assert not verify_hash(key.public_key, digest(HashAlgorithm.SHA2_256, b"HASH_I"), signature)
    assert not verify_hash(key.public_key, bare_hash[:-1], signature)
    assert not verify_hash(key.public_key, bare_hash + b"\x00", signature)
    for bad in (b"", signature[:-1], signature + b"\x00", b"\x00" + signature, bytes(256), b"\xff" * 256):
        assert not verify_hash(key.public_key, bare_hash, bad)
    for position in (0, 128, 255):
        bent = bytearray(signature)
        bent[position] ^= 1
        assert not verify_hash(key.public_key, bare_hash, bytes(bent))


def test_a_signature_with_digest_info_is_not_ikev1s(key: PrivateKey) -> None:
    """Taking one would let a signature made for another protocol pass here."""
    bare_hash = digest(HashAlgorithm.SHA2_256, b"HASH_R")
    digest_info = bytes.fromhex("3031300d060960864801650304020105000420") + bare_hash
    assert not verify_hash(key.public_key, bare_hash, key.sign_hash(digest_info))


def test_a_key_that_is_not_rsa_verifies_nothing() -> None:
    assert not verify_hash(ec.generate_private_key(ec.SECP256R1()).public_key(), bytes(32), bytes(256))


def test_a_hash_that_does_not_fit_is_refused(key: PrivateKey) -> None:
    with pytest.raises(ValueError, match=r"."):
        key.sign_hash(bytes(256 - 10))


def test_keys_survive_pem(key: PrivateKey, other_key: PrivateKey) -> None:
    pem = key.to_pem()
    assert isinstance(pem, Secret)
    again = PrivateKey.from_pem(pem)
    assert again == key
    assert hash(again) == hash(key)
    assert again != other_key
    assert key != key.to_pem()
    assert again.sign_hash(bytes(32)) == key.sign_hash(bytes(32))


def test_a_key_with_a_password(key: PrivateKey) -> None:
    locked = serialization.load_pem_private_key(key.to_pem(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"horse"),
    )
    assert PrivateKey.from_pem(locked, b"horse") == key
    with pytest.raises(ValueError, match="wrong password"):
        PrivateKey.from_pem(locked, b"donkey")
    with pytest.raises(ValueError, match="Password was not given"):
        PrivateKey.from_pem(locked)
    with pytest.raises(ValueError, match="Password was given but"):
        PrivateKey.from_pem(key.to_pem(), b"horse")


def _pem(private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_keys_that_do_not_serve_are_refused() -> None:
    with pytest.raises(ValueError, match="not an RSA key"):
        PrivateKey.from_pem(_pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(ValueError, match="1024 bits is too weak; 2048 is the least"):
        PrivateKey.from_pem(_pem(rsa.generate_private_key(65537, 1024)))  # noqa: S505 - that is the point
    with pytest.raises(ValueError, match="not a private key"):
        PrivateKey.from_pem(b"-----BEGIN NONSENSE-----")


def test_nothing_shows_the_key(key: PrivateKey) -> None:
    assert repr(key) == str(key) == f"{key}" == "<private RSA key of 2048 bits>"
    assert not hasattr(key, "__dict__")

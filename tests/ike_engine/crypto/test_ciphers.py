"""CBC against RFC 3602, NIST SP 800-38A and OpenSSL's 3DES test."""

from __future__ import annotations

import pytest

from ike_engine.crypto.ciphers import cbc_decrypt, cbc_encrypt
from ike_engine.crypto.suites import Cipher

CBC_CIPHERS = [cipher for cipher in Cipher if not cipher.is_aead]


@pytest.mark.parametrize(
    ("cipher", "key", "iv", "clear", "secret"),
    [
        pytest.param(
            Cipher.AES_CBC_128,
            "06a9214036b8a15b512e03d534120006",
            "3dafba429d9eb430b422da802c9fac41",
            b"Single block msg".hex(),
            "e353779c1079aeb82708942dbe77181a",
            id="RFC 3602 case 1",
        ),
        pytest.param(
            Cipher.AES_CBC_128,
            "c286696d887c9aa0611bbb3e2025a45a",
            "562e17996d093d28ddb3ba695a2e6f58",
            bytes(range(32)).hex(),
            "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
            id="RFC 3602 case 2",
        ),
        pytest.param(
            Cipher.AES_CBC_192,
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "000102030405060708090a0b0c0d0e0f",
            "6bc1bee22e409f96e93d7e117393172a",
            "4f021db243bc633d7178183a9fa071e8",
            id="SP 800-38A F.2.3",
        ),
        pytest.param(
            Cipher.AES_CBC_256,
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "000102030405060708090a0b0c0d0e0f",
            "6bc1bee22e409f96e93d7e117393172a",
            "f58c4c04d6e5f1ba779eabfb5f7bfbd6",
            id="SP 800-38A F.2.5",
        ),
        pytest.param(
            Cipher.TRIPLE_DES_CBC,
            "0123456789abcdeff1e0d3c2b5a49786fedcba9876543210",
            "fedcba9876543210",
            b"7654321 Now is the time for \0\0\0\0".hex(),
            "3fe301c962ac01d02213763c1cbd4cdc799657c064ecf5d41c673812cfde9675",
            id="OpenSSL destest",
        ),
    ],
)
def test_vectors(cipher: Cipher, key: str, iv: str, clear: str, secret: str) -> None:
    arguments = cipher, bytes.fromhex(key), bytes.fromhex(iv)
    assert cbc_encrypt(*arguments, bytes.fromhex(clear)).hex() == secret
    assert cbc_decrypt(*arguments, bytes.fromhex(secret)).hex() == clear


@pytest.mark.parametrize("cipher", CBC_CIPHERS)
def test_a_chain_goes_on_from_the_last_block(cipher: Cipher) -> None:
    key, iv = bytes(range(cipher.key_octets)), bytes(cipher.block_octets)
    data = bytes(range(4 * cipher.block_octets))
    half = len(data) // 2
    first = cbc_encrypt(cipher, key, iv, data[:half])
    second = cbc_encrypt(cipher, key, first[-cipher.block_octets :], data[half:])
    assert first + second == cbc_encrypt(cipher, key, iv, data)


@pytest.mark.parametrize("cipher", CBC_CIPHERS)
@pytest.mark.parametrize("crypt", [cbc_encrypt, cbc_decrypt])
@pytest.mark.parametrize(
    ("more_key", "more_iv", "more_data"), [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
)
def test_wrong_lengths_are_refused(cipher: Cipher, crypt: object, more_key: int, more_iv: int, more_data: int) -> None:
    assert callable(crypt)
    with pytest.raises(ValueError, match=r"."):
        crypt(
            cipher,
            bytes(cipher.key_octets + more_key),
            bytes(cipher.block_octets + more_iv),
            bytes(2 * cipher.block_octets + more_data),
        )


def test_no_data_is_no_data() -> None:
    assert cbc_encrypt(Cipher.AES_CBC_256, bytes(32), bytes(16), b"") == b""


def test_a_key_of_another_aes_is_refused() -> None:
    with pytest.raises(ValueError, match="aes256 takes a key of 32 octets, not 16"):
        cbc_encrypt(Cipher.AES_CBC_256, bytes(16), bytes(16), bytes(16))


def test_an_aead_is_not_used_as_cbc() -> None:
    with pytest.raises(ValueError, match="aes256gcm16 is not a CBC cipher"):
        cbc_encrypt(Cipher.AES_GCM_256, bytes(32), bytes(16), bytes(16))

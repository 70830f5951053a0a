"""Block ciphers in CBC mode for IKE messages (RFC 2409 appendix B; AES by RFC 3602, 3DES by RFC 2451).

Padding is the caller's: an IKEv1 message is filled up in ways that only its length fields can undo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

# 3DES stays for old clients by an administrator's choice; its place in "decrepit" is where it is kept for that.
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher as _Operation
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from ike_engine.crypto.suites import Cipher

if TYPE_CHECKING:
    from collections.abc import Callable

_ALGORITHMS: Final[dict[Cipher, Callable[[bytes], BlockCipherAlgorithm]]] = {
    Cipher.AES_CBC_128: AES,
    Cipher.AES_CBC_192: AES,
    Cipher.AES_CBC_256: AES,
    Cipher.TRIPLE_DES_CBC: TripleDES,
}


def cbc_encrypt(cipher: Cipher, key: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt whole blocks.

    Args:
        cipher: One of the CBC ciphers.
        key: ``cipher.key_octets`` octets.
        iv: ``cipher.block_octets`` octets.
        data: A multiple of ``cipher.block_octets`` octets.

    Returns:
        As many octets as ``data`` has; its last block is the next IV of the chain.

    Raises:
        ValueError: a length is wrong, or ``cipher`` is not a CBC cipher.
    """
    encryptor = _operation(cipher, key, iv).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def cbc_decrypt(cipher: Cipher, key: bytes, iv: bytes, data: bytes) -> bytes:
    """Decrypt whole blocks; arguments and errors as ``cbc_encrypt``."""
    decryptor = _operation(cipher, key, iv).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def _operation(cipher: Cipher, key: bytes, iv: bytes) -> _Operation[CBC]:
    # cryptography takes any AES key length, and a 16- or 8-octet key for 3DES: our suites mean one length each.
    if len(key) != cipher.key_octets:
        raise ValueError(f"{cipher.keyword} takes a key of {cipher.key_octets} octets, not {len(key)}")
    algorithm = _ALGORITHMS.get(cipher)
    if algorithm is None:
        raise ValueError(f"{cipher.keyword} is not a CBC cipher")
    return _Operation(algorithm(key), CBC(iv))

"""RSA signatures of IKEv1: PKCS#1 v1.5 over the bare HASH, without its DigestInfo (RFC 2409 section 5.1).

The hash that is signed is a prf output, whose algorithm phase 1 has already agreed; so nothing in the signature
names it. IKEv2 signs as the rest of the world does, and will not come here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo

from ike_engine.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

MINIMUM_MODULUS_BITS: Final = 2048
"""RSA keys below this are refused, ours and our peers' (NIST SP 800-57 part 1, table 2)."""

_PADDING: Final = PKCS1v15()
_BARE_HASH: Final = NoDigestInfo()


class PrivateKey:
    """An RSA private key.

    Load it once: reading a key tests it for consistency, which costs many signatures' time, and OpenSSL keeps
    its blinding factors with the key object. Two keys are equal when their public halves are.
    """

    __slots__ = ("_key", "_public_key")

    def __init__(self, key: RSAPrivateKey) -> None:
        """Wrap ``key``.

        Raises:
            ValueError: the modulus is shorter than ``MINIMUM_MODULUS_BITS``.
        """
        if key.key_size < MINIMUM_MODULUS_BITS:
            raise ValueError(f"an RSA key of {key.key_size} bits is too weak; {MINIMUM_MODULUS_BITS} is the least")
        self._key = key
        self._public_key = key.public_key()

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None = None) -> Self:
        """Read a PKCS#8 or PKCS#1 key in PEM.

        Raises:
            ValueError: not a private key, not RSA, too weak, damaged, or the password is missing or wrong.
        """
        try:
            key = serialization.load_pem_private_key(pem, password)
        except TypeError as error:  # how cryptography says that a password is missing, or that there is none to give
            raise ValueError(str(error)) from error
        except ValueError as error:  # what a wrong password decrypts to is called any kind of damage
            raise ValueError("wrong password, or not a private key" if password else "not a private key") from error
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("not an RSA key: IKEv1 clients verify RSA signatures only")  # noqa: TRY004 - bad value
        return cls(key)

    def to_pem(self) -> Secret:
        """PKCS#8 in PEM, not encrypted: for a store that encrypts at rest."""
        return Secret(
            self._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    @property
    def public_key(self) -> RSAPublicKey:
        """The half to be certified."""
        return self._public_key

    def sign_hash(self, bare_hash: bytes) -> bytes:
        """Sign HASH_I or HASH_R as it is.

        Returns:
            As many octets as the modulus has.

        Raises:
            ValueError: ``bare_hash`` does not fit into the modulus.
        """
        return self._key.sign(bare_hash, _PADDING, _BARE_HASH)

    def __eq__(self, other: object) -> bool:
        return self._public_key == other._public_key if isinstance(other, PrivateKey) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._public_key.public_numbers())

    def __repr__(self) -> str:
        return f"<private RSA key of {self._key.key_size} bits>"


def verify_hash(public_key: PublicKeyTypes, bare_hash: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is one over HASH_I or HASH_R by the holder of ``public_key``.

    A key that is not RSA has signed nothing that we understand: ``False``.
    """
    if not isinstance(public_key, RSAPublicKey):
        return False
    try:
        signed = public_key.recover_data_from_signature(signature, _PADDING, None)
    except InvalidSignature:
        return False
    return signed == bare_hash

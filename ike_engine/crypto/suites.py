"""The algorithms that we know, by their standard names and sizes.

Numbers on the wire are not here: IKEv1 and IKEv2 number the same algorithms differently, each in
its own ``proposals`` module.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Cipher(enum.Enum):
    """Symmetric ciphers of IKE and ESP. Sizes in octets."""

    AES_CBC_128 = ("aes128", 16, 16, 0)
    AES_CBC_192 = ("aes192", 24, 16, 0)
    AES_CBC_256 = ("aes256", 32, 16, 0)
    TRIPLE_DES_CBC = ("3des", 24, 8, 0)
    AES_GCM_128 = ("aes128gcm16", 16, 16, 4)
    AES_GCM_256 = ("aes256gcm16", 32, 16, 4)

    def __init__(self, keyword: str, key_octets: int, block_octets: int, salt_octets: int) -> None:
        self.keyword = keyword
        self.key_octets = key_octets
        self.block_octets = block_octets
        self.salt_octets = salt_octets

    @property
    def is_aead(self) -> bool:
        """Whether the cipher authenticates too (RFC 4106): then it stands without an Integrity."""
        return self.salt_octets > 0

    @property
    def iv_octets(self) -> int:
        """IV as it travels in an ESP packet (RFC 3602 section 2.3; RFC 4106 section 3.1)."""
        return 8 if self.is_aead else self.block_octets

    @property
    def keying_octets(self) -> int:
        """Key material to draw: the key and, for GCM, its 4-octet salt (RFC 4106 section 8.1)."""
        return self.key_octets + self.salt_octets


class HashAlgorithm(enum.Enum):
    """Hash functions; HMAC over one of them is the IKEv1 prf (RFC 2409 section 4)."""

    MD5 = ("md5", 16)
    SHA1 = ("sha1", 20)
    SHA2_256 = ("sha256", 32)
    SHA2_384 = ("sha384", 48)
    SHA2_512 = ("sha512", 64)

    def __init__(self, keyword: str, octets: int) -> None:
        self.keyword = keyword
        self.octets = octets


class Integrity(enum.Enum):
    """ESP integrity algorithms: HMAC cut to ``icv_octets`` (RFC 2403, 2404, 4868)."""

    HMAC_MD5_96 = ("md5", HashAlgorithm.MD5, 16, 12)
    HMAC_SHA1_96 = ("sha1", HashAlgorithm.SHA1, 20, 12)
    HMAC_SHA2_256_128 = ("sha256", HashAlgorithm.SHA2_256, 32, 16)
    # What Linux' PF_KEY and Android up to 7 do under the number of the one above.
    HMAC_SHA2_256_96 = ("sha256_96", HashAlgorithm.SHA2_256, 32, 12)
    HMAC_SHA2_384_192 = ("sha384", HashAlgorithm.SHA2_384, 48, 24)
    HMAC_SHA2_512_256 = ("sha512", HashAlgorithm.SHA2_512, 64, 32)

    def __init__(self, keyword: str, hash_algorithm: HashAlgorithm, key_octets: int, icv_octets: int) -> None:
        self.keyword = keyword
        self.hash_algorithm = hash_algorithm
        self.key_octets = key_octets
        self.icv_octets = icv_octets


class DhGroup(enum.IntEnum):
    """Diffie-Hellman groups by their IANA number (RFC 2409 section 6, RFC 3526, RFC 5903)."""

    MODP_1024 = 2
    MODP_1536 = 5
    MODP_2048 = 14
    MODP_3072 = 15
    MODP_4096 = 16
    ECP_256 = 19
    ECP_384 = 20
    ECP_521 = 21

    @property
    def keyword(self) -> str:
        """Short name as administrators write it: ``modp2048``, ``ecp256``."""
        return self.name.replace("_", "").lower()


@dataclass(frozen=True, slots=True)
class EspSuite:
    """What protects an ESP SA: a cipher and, unless it is an AEAD, an integrity algorithm."""

    cipher: Cipher
    integrity: Integrity | None = None

    def __post_init__(self) -> None:
        if self.cipher.is_aead == (self.integrity is not None):
            raise ValueError("an AEAD cipher stands alone; any other needs an integrity algorithm")

    def __str__(self) -> str:
        return self.cipher.keyword + (f"-{self.integrity.keyword}" if self.integrity else "")

    @property
    def icv_octets(self) -> int:
        """Octets of the integrity check value at the end of each packet."""
        return 16 if self.integrity is None else self.integrity.icv_octets

    @property
    def keying_octets(self) -> int:
        """Octets of KEYMAT for one direction (RFC 2409 section 5.5)."""
        return self.cipher.keying_octets + (self.integrity.key_octets if self.integrity else 0)

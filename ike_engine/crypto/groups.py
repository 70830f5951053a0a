"""Diffie-Hellman: MODP groups (RFC 2409 section 6, RFC 3526) and ECP groups (RFC 5903).

Public values and shared secrets are octet strings of constant length, padded on the left (RFC 2409 section 5,
RFC 5903 section 7).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

import gmpy2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ike_engine.crypto import modular
from ike_engine.crypto.suites import DhGroup
from ike_engine.errors import InvalidKeyInformation
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable


class KeyPair(ABC):
    """Our half of one Diffie-Hellman exchange. Use it once, then drop it: that is the forward secrecy.

    Attributes:
        group: Where it lives.
        public: What the KE payload carries.
    """

    __slots__ = ("group", "public")

    group: DhGroup
    public: bytes

    @abstractmethod
    def shared(self, peer_public: bytes) -> Secret:
        """The shared secret g^xy.

        Raises:
            InvalidKeyInformation: ``peer_public`` has the wrong length or is no (good) element of the group.
        """

    def __repr__(self) -> str:
        return f"<{self.group.keyword} key pair>"


def generate(group: DhGroup, entropy: Callable[[int], bytes]) -> KeyPair:
    """Draw a fresh key pair.

    Args:
        group: Any that we know.
        entropy: Gives as many unpredictable octets as it is asked for.
    """
    if group in _MODP:
        return ModpKeyPair(group, Secret(entropy(_MODP[group].exponent_octets)))
    return EcpKeyPair(group, Secret(entropy(ecp_octets(group) + _EXTRA_OCTETS)))


# ---- MODP -----------------------------------------------------------------------------------


class _Modp:
    """Modulus p of a group whose generator is 2, and the size of exponents in it."""

    __slots__ = ("exponent_octets", "modulus", "power")

    def __init__(self, bits: int, pi_offset: int, exponent_octets: int) -> None:
        # All primes of this family are 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) * pi) + offset).
        with gmpy2.context(precision=bits + 64):
            pi_bits = int(gmpy2.floor(gmpy2.mul_2exp(gmpy2.const_pi(), bits - 130)))
        self.modulus = 2**bits - 2 ** (bits - 64) - 1 + 2**64 * (pi_bits + pi_offset)
        self.exponent_octets = exponent_octets
        self.power = modular.modulus(self.modulus).power


# Exponents: at least twice the strength of the group (RFC 3526 section 8; NIST SP 800-56A rev. 3 appendix D),
# rounded up to whole 64-bit words since constant-time exponentiation pays by the word.
_MODP: Final = {
    DhGroup.MODP_1024: _Modp(1024, 129_093, 24),
    DhGroup.MODP_1536: _Modp(1536, 741_804, 24),
    DhGroup.MODP_2048: _Modp(2048, 124_476, 32),
    DhGroup.MODP_3072: _Modp(3072, 1_690_314, 32),
    DhGroup.MODP_4096: _Modp(4096, 240_904, 40),
}
_GENERATOR: Final = b"\x02"


class ModpKeyPair(KeyPair):
    """Key pair in a MODP group."""

    __slots__ = ("_exponent", "_modp")

    def __init__(self, group: DhGroup, seed: Secret) -> None:
        """Compute g^x.

        Args:
            group: A MODP group.
            seed: Big endian; the private exponent is seed + 1 (NIST SP 800-56A rev. 3 section 5.6.1.1.3).
        """
        self.group = group
        self._modp = _MODP[group]
        # One octet more than the seed: of seeds, one in 2^160 at the most makes the sum that long.
        self._exponent = Secret((int.from_bytes(seed, "big") + 1).to_bytes(len(seed) + 1, "big"))
        self.public = self._modp.power(_GENERATOR, self._exponent)

    def shared(self, peer_public: bytes) -> Secret:
        """See ``KeyPair.shared``. 0, 1 and p-1 are refused: they would make the secret known to everyone."""
        octets = len(self.public)
        if len(peer_public) != octets:
            raise InvalidKeyInformation(f"{self.group.keyword} public value of {len(peer_public)} octets, not {octets}")
        # p is a safe prime, so beyond 1 and p-1 there is no small subgroup to be confined to (RFC 2412 appendix E).
        if not 1 < int.from_bytes(peer_public, "big") < self._modp.modulus - 1:
            raise InvalidKeyInformation(f"{self.group.keyword} public value out of range")
        return Secret(self._modp.power(peer_public, self._exponent))


# ---- ECP ------------------------------------------------------------------------------------

_CURVES: Final[dict[DhGroup, ec.EllipticCurve]] = {
    DhGroup.ECP_256: ec.SECP256R1(),
    DhGroup.ECP_384: ec.SECP384R1(),
    DhGroup.ECP_521: ec.SECP521R1(),
}
_EXTRA_OCTETS: Final = 8  # FIPS 186-5 appendix A.2.1: 64 extra bits make the bias of the reduction negligible
_UNCOMPRESSED: Final = b"\x04"


def ecp_octets(group: DhGroup) -> int:
    """Octets of one coordinate of an ECP group's points."""
    return (_CURVES[group].key_size + 7) // 8


class EcpKeyPair(KeyPair):
    """Key pair on a NIST curve."""

    __slots__ = ("_private_key",)

    def __init__(self, group: DhGroup, seed: Secret) -> None:
        """Compute the public point.

        Args:
            group: An ECP group.
            seed: Big endian; the private scalar is seed mod (n-1) + 1 (FIPS 186-5 appendix A.2.1).
        """
        self.group = group
        curve = _CURVES[group]
        self._private_key = ec.derive_private_key(int.from_bytes(seed, "big") % (curve.group_order - 1) + 1, curve)
        point = self._private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public = point[len(_UNCOMPRESSED) :]

    def shared(self, peer_public: bytes) -> Secret:
        """See ``KeyPair.shared``. The secret is the x coordinate alone (RFC 5903 section 9)."""
        octets = 2 * ecp_octets(self.group)
        if len(peer_public) != octets:
            raise InvalidKeyInformation(f"{self.group.keyword} public value of {len(peer_public)} octets, not {octets}")
        try:
            peer = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[self.group], _UNCOMPRESSED + peer_public)
        except ValueError as error:
            raise InvalidKeyInformation(f"{self.group.keyword} public value is not on the curve") from error
        return Secret(self._private_key.exchange(ec.ECDH(), peer))

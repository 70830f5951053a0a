"""Hash functions and the keyed pseudo-random function over them (RFC 2409 section 4; HMAC is RFC 2104)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from ike_engine.secret import Secret

if TYPE_CHECKING:
    from ike_engine.crypto.suites import HashAlgorithm


def digest(algorithm: HashAlgorithm, *parts: bytes) -> bytes:
    """Hash the concatenation of ``parts``.

    Returns:
        ``algorithm.octets`` octets.
    """
    # MD5 and SHA-1 remain where the peer chose them for IVs and NAT-D; a FIPS build may serve that use only.
    return hashlib.new(algorithm.keyword, b"".join(parts), usedforsecurity=False).digest()


def prf(algorithm: HashAlgorithm, key: bytes, *parts: bytes) -> Secret:
    """HMAC of the concatenation of ``parts``, the ``prf(key, msg)`` of RFC 2409 section 4.

    Keys may have any length, none included (RFC 2104 section 2).

    Returns:
        ``algorithm.octets`` octets; compare them with ``hmac.compare_digest`` only.
    """
    return Secret(hmac.digest(key, b"".join(parts), algorithm.keyword))

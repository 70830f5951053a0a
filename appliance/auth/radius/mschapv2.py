"""MS-CHAPv2 (RFC 2759) as RADIUS carries it (RFC 2548): the password itself never leaves the gateway.

    peer challenge, authenticator challenge (both drawn here) --> MS-CHAP-Challenge, MS-CHAP2-Response
                                                              <-- MS-CHAP2-Success (S=...) | MS-CHAP-Error (E=...)

It proves in turn that the server knows the password. MD4 and single DES are what it is made of:
against somebody who reads the requests it is worth little more than the RADIUS secret that PAP hides behind.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

from appliance.auth.radius.md4 import md4
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

_MAGIC_1: Final = b"Magic server to client signing constant"  # section 8.7
_MAGIC_2: Final = b"Pad to make it do more than one iteration"
_ERRORS: Final = {  # section 6
    646: "not at this time of day",
    647: "the account is disabled",
    648: "the password has expired",
    649: "the account has no permission to dial in",
    691: "wrong password",
    709: "the password could not be changed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One proof of a password.

    Attributes:
        challenge: 16 octets for MS-CHAP-Challenge.
        response: 50 octets for MS-CHAP2-Response.
        expected: What the server must answer to prove that it knows the password: ``S=`` and 40 hex digits.
    """

    challenge: bytes
    response: bytes
    expected: bytes

    def proves(self, success: bytes) -> bool:
        """Tell whether this MS-CHAP2-Success comes from who knows the password. Its first octet is our identifier."""
        return hmac.compare_digest(success[1 : 1 + len(self.expected)], self.expected)


def prove(username: str, password: str, *, entropy: Callable[[int], bytes] = os.urandom) -> Exchange:
    r"""Answer a challenge of our own, as the server wants it.

    Args:
        username: As the client sent it; a ``DOMAIN\\`` in front does not count (section 4).
        password: Up to 256 characters.
        entropy: Gives random octets.
    """
    challenge, peer_challenge = entropy(16), entropy(16)
    name = username.rpartition("\\")[2].encode()
    password_hash = Secret(md4(password.encode("utf-16-le")))
    hashed = challenge_hash(peer_challenge, challenge, name)
    nt_response = challenge_response(hashed, password_hash)
    return Exchange(
        challenge=challenge,
        # Identifier, flags, peer challenge, 8 reserved octets, response (RFC 2548 section 2.3.2).
        response=bytes(2) + peer_challenge + bytes(8) + nt_response,
        expected=authenticator_response(password_hash, nt_response, hashed),
    )


def challenge_hash(peer_challenge: bytes, authenticator_challenge: bytes, username: bytes) -> bytes:
    """Section 8.2."""
    return hashlib.sha1(peer_challenge + authenticator_challenge + username, usedforsecurity=False).digest()[:8]


def challenge_response(challenge: bytes, password_hash: bytes) -> bytes:
    """Section 8.5: three DES blocks under the hash, seven octets a key."""
    padded = password_hash + bytes(5)
    return b"".join(_des(padded[start : start + 7], challenge) for start in (0, 7, 14))


def authenticator_response(password_hash: bytes, nt_response: bytes, hashed_challenge: bytes) -> bytes:
    """Section 8.7."""
    hash_of_hash = md4(password_hash)
    digest = hashlib.sha1(hash_of_hash + nt_response + _MAGIC_1, usedforsecurity=False).digest()
    digest = hashlib.sha1(digest + hashed_challenge + _MAGIC_2, usedforsecurity=False).digest()
    return b"S=" + digest.hex().upper().encode()


def error_in_words(error: bytes) -> str:
    """Say what an MS-CHAP-Error means (``E=691 R=1 C=... V=3 M=text``); empty when it says nothing."""
    text = error.decode("ascii", "replace")
    number = re.search(r"E=(\d+)", text)
    told = re.search(r"M=(.+)", text)
    known = _ERRORS.get(int(number[1]), f"error {number[1]}") if number else ""
    return ": ".join(filter(None, (known, told[1].strip() if told else "")))


def _des(key: bytes, block: bytes) -> bytes:
    bits = int.from_bytes(key, "big")
    # Seven bits an octet, and a parity bit that nobody looks at.
    spread = bytes((bits >> shift & 0x7F) << 1 for shift in range(49, -7, -7))
    # Triple DES with three equal keys is DES; ECB of one block is that block.
    encryptor = Cipher(TripleDES(spread * 3), ECB()).encryptor()  # noqa: S305
    return encryptor.update(block) + encryptor.finalize()

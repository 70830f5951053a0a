"""Passwords: how they are normalised, judged, hashed and verified (argon2id, RFC 9106).

Hashing is slow by design, so it runs in a small thread pool of its own: at most as many at once as
there are cores, and never in the event loop.
"""

import asyncio
import base64
import os
import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from ike_engine.secret import Secret

LEAST_CHARACTERS: Final = 10
LEAST_DIFFERENT: Final = 5
LEAST_STRENGTH: Final = 3
"""From 0 to 4, as zxcvbn counts: more than 10^8 guesses, so safe against whoever must ask the gateway for each."""

MOST_OCTETS: Final = 1024


def _drawn(octets: int) -> str:
    """Give chance in base64 as the PHC string format wants it: without padding."""
    return base64.b64encode(secrets.token_bytes(octets)).decode().rstrip("=")


# OWASP's first choice for argon2id (19 MiB, 2 passes, 1 lane): a login storm stays within a small machine's memory.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_POOL: Final = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="argon2")
# Verified for users that do not exist, so that they cost the same time as a wrong password. Drawn, not computed:
# making a hash is slow by design, and every process and every command imports this.
_NOBODYS_HASH: Final = (
    f"$argon2id$v={ARGON2_VERSION}$m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    f"${_drawn(_HASHER.salt_len)}${_drawn(_HASHER.hash_len)}"
)

# What an attacker on this very appliance tries first.
_OUR_WORDS: Final = ("coati", "vpn", "ipsec", "gateway", "passwort", "kennwort", "geheim", "cisco", "strongswan")
_MOST_JUDGED: Final = 72  # zxcvbn takes no more: what is long enough for that is judged by its beginning
_GENERATED_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"


def normalise(password: str | bytes) -> Secret:
    """Give the octets that are hashed: UTF-8 of the NFC form.

    Clients send octets in an encoding that no RFC names: what is not UTF-8 is read as Latin-1.
    """
    if isinstance(password, bytes):
        octets = bytes(password)
        try:
            password = octets.decode()
        except UnicodeDecodeError:
            password = octets.decode("latin-1")
    return Secret(unicodedata.normalize("NFC", password).encode())


def weakness(password: str, *names: str) -> str:
    """Say why ``password`` must not be set for an account with these names; empty when it may."""
    return next((words for is_so, words in _judge(unicodedata.normalize("NFC", password), names) if is_so), "")


def _judge(password: str, names: Sequence[str]) -> Iterator[tuple[bool, str]]:
    folded = password.casefold()
    yield len(folded) < LEAST_CHARACTERS, f"it has fewer than {LEAST_CHARACTERS} characters"
    yield len(folded.encode()) > MOST_OCTETS, f"it has more than {MOST_OCTETS} octets"
    yield (
        any(unicodedata.category(character) == "Cc" for character in folded),
        "it has a control character, which VPN clients cannot send",
    )
    yield len(set(folded)) < LEAST_DIFFERENT, f"it has fewer than {LEAST_DIFFERENT} different characters"
    yield (
        any(name and len(folded.replace(name.casefold(), "")) < LEAST_DIFFERENT for name in names),
        "it is little more than the account's name",
    )
    judged = _zxcvbn(password, names)
    warning = judged["feedback"]["warning"].removesuffix(".").replace("This is", "it is")
    words = warning[:1].lower() + warning[1:] or "too few guesses would find it"
    yield (
        judged["score"] < LEAST_STRENGTH,
        f"{words} (strength {judged['score']} of 4; {LEAST_STRENGTH} is needed)",
    )


def strength(password: str, *names: str) -> int:
    """Give how hard ``password`` is to guess for somebody who knows these names, from 0 to 4 (zxcvbn's score)."""
    return int(_zxcvbn(unicodedata.normalize("NFC", password), names)["score"])


def _zxcvbn(password: str, names: Sequence[str]) -> dict[str, Any]:
    from zxcvbn import zxcvbn  # noqa: PLC0415  reading its lists takes 0.1 s, which few commands need

    known = [word for name in names for word in (name, *name.split())]
    judged: dict[str, Any] = zxcvbn(password[:_MOST_JUDGED], user_inputs=[*known, *_OUR_WORDS])
    return judged


def generate() -> str:
    """Give a password of 20 letters and digits (99 bits) that can be read out over the telephone."""
    return "-".join("".join(secrets.choice(_GENERATED_ALPHABET) for _ in range(5)) for _ in range(4))


async def hash_password(password: str | bytes) -> str:
    """Give the argon2id hash in PHC string form."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, _HASHER.hash, normalise(password))


async def verify(password_hash: str | None, password: str | bytes) -> bool:
    """Whether ``password`` is the one that was hashed; without a hash the same work is done for nothing."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, _verify, password_hash, normalise(password))


async def made_anew(password_hash: str, password: str | bytes) -> str | None:
    """Give the hash of a right password by the parameters of today; ``None``: it was made by these already."""
    return await hash_password(password) if _HASHER.check_needs_rehash(password_hash) else None


def _verify(password_hash: str | None, octets: bytes) -> bool:
    if len(octets) > MOST_OCTETS:
        octets = b""
    try:
        return _HASHER.verify(password_hash or _NOBODYS_HASH, octets) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False

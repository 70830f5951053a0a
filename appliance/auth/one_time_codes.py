"""One-time codes: TOTP (RFC 6238 as authenticator apps do it: SHA-1, 6 digits, 30 s), and recovery codes."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from typing import TYPE_CHECKING, Final

import pyotp

if TYPE_CHECKING:
    from datetime import datetime

DIGITS: Final = 6
PERIOD_SECONDS: Final = 30
RECOVERY_CODES: Final = 10
_ISSUER: Final = "Coati"
# Clocks of telephones and gateways differ, and a user types slowly.
_DRIFT_STEPS: Final = 1
_SEED_CHARACTERS: Final = 32  # 160 bits, as RFC 4226 section 4 recommends
# No letter or digit that looks like another; 16 of 29 are 77 bits: out of reach for who has the hashes.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz345679"
_RECOVERY_CHARACTERS: Final = 16


def new_seed() -> str:
    """Give what codes are made from, in base32 as apps take it."""
    return pyotp.random_base32(_SEED_CHARACTERS)


def uri(seed: str, user: str, gateway: str) -> str:
    """Give the ``otpauth`` address that apps read from a QR code.

    Args:
        seed: In base32.
        user: Shown in the app.
        gateway: The public name of the gateway; may be empty.
    """
    return pyotp.TOTP(seed).provisioning_uri(name=user, issuer_name=f"{_ISSUER} {gateway}".strip())


def matching_step(seed: str, code: str, at: datetime, last_step: int) -> int | None:
    """Give the time step that ``code`` is of, if it is a good one: near ``at`` and later than ``last_step``."""
    totp = pyotp.TOTP(seed)
    present = int(at.timestamp()) // PERIOD_SECONDS
    wanted = digits(code)
    if not wanted.isascii():
        return None
    found = None
    for step in range(present - _DRIFT_STEPS, present + _DRIFT_STEPS + 1):
        good = pyotp.utils.strings_equal(totp.generate_otp(step), wanted)
        if good and step > last_step:
            found = step
    return found


def digits(code: str) -> str:
    """Give the code without what people put between its halves, in ASCII."""
    return unicodedata.normalize("NFKC", code).replace(" ", "").replace("-", "")


def new_recovery_codes() -> list[str]:
    """Give codes to be kept on paper, for when the telephone is gone."""
    made = ("".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_CHARACTERS)) for _ in range(RECOVERY_CODES))
    return ["-".join(code[at : at + 4] for at in range(0, _RECOVERY_CHARACTERS, 4)) for code in made]


def recovery_digest(code: str) -> str:
    """Give what is kept of a recovery code: they are random enough for a plain hash."""
    return hashlib.sha256(digits(code).lower().encode()).hexdigest()


def is_recovery_code(code: str) -> bool:
    """Tell whether ``code`` has the form of one."""
    plain = digits(code).lower()
    return len(plain) == _RECOVERY_CHARACTERS and set(plain) <= set(_ALPHABET)


def split(password: str) -> tuple[str, str]:
    """Give the password and the code behind it; the code is empty when none is there."""
    for length in (_RECOVERY_CHARACTERS + 3, _RECOVERY_CHARACTERS):
        if len(password) > length and is_recovery_code(password[-length:]):
            return password[:-length], password[-length:]
    code = password[-DIGITS:]
    if len(password) > DIGITS and code.isascii() and code.isdecimal():
        return password[:-DIGITS], code
    return password, ""

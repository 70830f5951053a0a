"""Secrets at rest: AES-256-GCM under one key that lies in a file beside the database.

A row holds only the sealed octets, so a reader of a table (or of a backup of the database) has
nothing. Whoever needs the secret opens it on purpose; the purpose is authenticated, so that octets
cannot be moved to another column and opened there.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.data_directory import write_private
from ike_engine.secret import Secret

_KEY_OCTETS: Final = 32
_NONCE_OCTETS: Final = 12
_VERSION: Final = b"\x01"


class Unsealable(Exception):
    """Sealed octets that this key does not open: another key, another purpose, or damage."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed secret as a column holds it: version, nonce, ciphertext and tag."""

    octets: bytes

    def __repr__(self) -> str:
        return f"<sealed, {len(self.octets)} octets>"


class MasterKey:
    """The key that secrets in the database are sealed under."""

    __slots__ = ("_cipher",)

    def __init__(self, key: Secret) -> None:
        if len(key) != _KEY_OCTETS:
            raise ValueError(f"a master key has {_KEY_OCTETS} octets")
        self._cipher = AESGCM(key)

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """Read the key file; make one with a new key if there is none.

        Raises:
            OSError: it can be neither read nor made.
            ValueError: it is not a key file.
        """
        if not path.exists():
            with contextlib.suppress(FileExistsError):  # another process was first
                write_private(path, os.urandom(_KEY_OCTETS).hex().encode() + b"\n")
        try:
            return cls(Secret(bytes.fromhex(path.read_text("ascii").strip())))
        except ValueError as error:
            raise ValueError(f"{path} is not a master key; restore it from a backup") from error

    def seal(self, secret: bytes, purpose: str) -> Sealed:
        """Seal ``secret`` so that only :meth:`open` with the same purpose gives it back."""
        nonce = os.urandom(_NONCE_OCTETS)
        return Sealed(_VERSION + nonce + self._cipher.encrypt(nonce, secret, purpose.encode()))

    def open(self, sealed: Sealed, purpose: str) -> Secret:
        """Give the secret back.

        Raises:
            Unsealable: this is not the key or the purpose that it was sealed with.
        """
        nonce, ciphertext = sealed.octets[1 : 1 + _NONCE_OCTETS], sealed.octets[1 + _NONCE_OCTETS :]
        if sealed.octets[:1] == _VERSION:
            with contextlib.suppress(InvalidTag, ValueError):
                return Secret(self._cipher.decrypt(nonce, ciphertext, purpose.encode()))
        raise Unsealable(f"the master key does not open this {purpose}; was master.key replaced?")

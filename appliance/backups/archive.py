"""The file that a backup is.

    a line    COATI BACKUP 1
    a line    {"version": ..., "revision": ..., "made_at": ..., "kdf": {...}, "nonce": ...}, which anybody can read
    the rest  AES-256-GCM(scrypt(passphrase), zlib(JSON)), the lines above authenticated

It holds the master key, so the passphrase is what protects every secret of the installation: scrypt
(RFC 7914) makes each guess cost tens of milliseconds and 64 MiB.
"""

from __future__ import annotations

import json
import os
import zlib
from datetime import datetime
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from appliance.errors import Invalid
from appliance.models.columns import now

_MAGIC: Final = b"COATI BACKUP "
_FORMAT: Final = 1
_COST, _BLOCK, _LANES = 1 << 16, 8, 1
_HIGHEST_COST: Final = 1 << 20  # a gigabyte: more, and the file is meant to hurt
_SALT_OCTETS: Final = 16
_KEY_OCTETS: Final = 32
_NONCE_OCTETS: Final = 12
LONGEST_HEADER_OCTETS: Final = 4_096
"""The two lines that anybody can read are shorter than that."""


class Header(NamedTuple):
    """What a backup says of itself without its passphrase.

    Attributes:
        version: Of the software that made it.
        revision: Of the tables, as ``migrations/`` counts them.
    """

    version: str
    revision: str
    made_at: datetime


def seal(content: dict[str, Any], passphrase: str, *, version: str, revision: str) -> bytes:
    """Give the file; takes a fraction of a second on purpose."""
    salt, nonce = os.urandom(_SALT_OCTETS), os.urandom(_NONCE_OCTETS)
    described = {
        "version": version,
        "revision": revision,
        "made_at": now().isoformat(timespec="seconds"),
        "kdf": {"name": "scrypt", "n": _COST, "r": _BLOCK, "p": _LANES, "salt": salt.hex()},
        "nonce": nonce.hex(),
    }
    head = b"%s%d\n%s\n" % (_MAGIC, _FORMAT, json.dumps(described).encode())
    plain = zlib.compress(json.dumps(content).encode())
    return head + AESGCM(_key(passphrase, salt, _COST)).encrypt(nonce, plain, head)


def describe(file: bytes) -> Header:
    """Read the header.

    Raises:
        Invalid: it is no backup, or one of a newer format.
    """
    return _read(file)[0]


def unseal(file: bytes, passphrase: str) -> tuple[Header, dict[str, Any]]:
    """Give what is in the file.

    Raises:
        Invalid: it is no backup, one of a newer format, damaged, or the passphrase is another.
    """
    header, described, head = _read(file)
    try:
        key = _key(passphrase, bytes.fromhex(described["kdf"]["salt"]), described["kdf"]["n"])
        plain = AESGCM(key).decrypt(bytes.fromhex(described["nonce"]), file[len(head) :], head)
    except InvalidTag:
        raise Invalid(
            "the passphrase is wrong, or the file is damaged",
            field="passphrase",
            remedy="try the passphrase that the backup was made with; take another backup if that is sure",
        ) from None
    content: dict[str, Any] = json.loads(zlib.decompress(plain))
    return header, content


def _read(file: bytes) -> tuple[Header, dict[str, Any], bytes]:
    first, newline, rest = file.partition(b"\n")
    number = first.removeprefix(_MAGIC)
    if not first.startswith(_MAGIC) or not newline or not number.isdigit():
        raise Invalid("this is no backup of Coati", remedy="take a file that coati backup create has made")
    if int(number) > _FORMAT:
        raise Invalid(
            f"this backup is of format {int(number)}; this version of Coati knows formats up to {_FORMAT}",
            remedy="update Coati first",
        )
    second, newline, _ = rest.partition(b"\n")
    try:
        described = json.loads(second)
        header = Header(
            str(described["version"]), str(described["revision"]), datetime.fromisoformat(described["made_at"])
        )
        kdf = described["kdf"]
        sound = (
            bool(newline)
            and (kdf["name"], kdf["r"], kdf["p"]) == ("scrypt", _BLOCK, _LANES)
            and kdf["n"] in (1 << bits for bits in range(14, _HIGHEST_COST.bit_length()))
            and len(bytes.fromhex(kdf["salt"])) == _SALT_OCTETS
            and len(bytes.fromhex(described["nonce"])) == _NONCE_OCTETS
        )
    except (ValueError, TypeError, KeyError):
        sound = False
    if not sound:
        raise Invalid("the file is damaged: its header cannot be read", remedy="take another backup")
    return header, described, first + b"\n" + second + b"\n"


def _key(passphrase: str, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=_KEY_OCTETS, n=cost, r=_BLOCK, p=_LANES).derive(passphrase.encode())

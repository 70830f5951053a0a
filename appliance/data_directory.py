"""The data directory: who owns it, and the account that the unprivileged processes run as.

Started by root, Coati keeps its files under that account, so that the gateway and the panel can
work on them without privilege. A command that root runs later gives what it makes to the
directory's owner; SQLite does the same for its WAL.
"""

import os
import pwd
from pathlib import Path
from typing import NamedTuple

from appliance.settings import Settings

_CANDIDATES = ("coati", "nobody")


class Account(NamedTuple):
    """An account of the operating system."""

    name: str
    uid: int
    gid: int


def service_account(settings: Settings) -> Account | None:
    """Give the account to drop privilege to, or ``None`` when there is none to drop (not root).

    Raises:
        ValueError: ``COATI_USER`` names no account.
    """
    if os.geteuid() != 0:
        return None
    if settings.user.isdecimal():
        uid = int(settings.user)
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            return Account(settings.user, uid, uid)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in (settings.user,) if settings.user else _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise ValueError(f"there is no account {settings.user!r}; make one by: adduser --system --group coati")


def prepare(settings: Settings) -> None:
    """Make the data directory if it is missing: mode 0700, owned by the service account.

    Raises:
        OSError: it cannot be made.
        ValueError: ``COATI_USER`` names no account.
    """
    directory = settings.data_dir
    if directory.is_dir():
        return
    directory.mkdir(parents=True, mode=0o700)
    account = service_account(settings)
    if account is not None:
        os.chown(directory, account.uid, account.gid)


def adopt(path: Path) -> None:
    """Give a file that root made to the owner of its directory."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read.

    Raises:
        FileExistsError: it is there already.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    adopt(path)

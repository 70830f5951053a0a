"""Who the unprivileged processes run as, and what a process gives up by itself."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

# Where there is no useradd (a bare container), no name is needed either: a number that Debian's policy
# keeps free of meaning (section 9.2.2: 60000-64999 is handed out on request, 65000-65533 is reserved).
_NAMELESS_ID = 65_250

# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4

_libc = ctypes.CDLL(None, use_errno=True)


def keep_memory_private() -> None:
    """Have this process leave no core and be traced by nobody but root: it holds passwords.

    Its limit of a core's size (``confine``) does not bind a core that the kernel pipes to a program;
    this does. An exec undoes it, so every program asks for itself.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def outlive_parent() -> None:
    """Take ``die_with_parent`` back."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Account(NamedTuple):
    """An account of the operating system; ``name`` may be just its number."""

    name: str
    uid: int
    gid: int


def ensure_account(name: str) -> Account:
    """Find the service user; make it, as a system user without home or shell, when it is missing. Needs root.

    Args:
        name: A name, or a number, which need not have an entry in the user database.

    Raises:
        ValueError: it is root, or cannot be made.
    """
    account = _find(name) or _make(name)
    if account.uid == 0:
        raise ValueError(f"{name} is root; the unprivileged processes need another account")
    return account


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        return Account(name, int(name), int(name)) if name.isdecimal() else None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _make(name: str) -> Account:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return Account(str(_NAMELESS_ID), _NAMELESS_ID, _NAMELESS_ID)
    options = ("--system", "--user-group", "--no-create-home", "--home-dir=/nonexistent", "--shell=/usr/sbin/nologin")
    made = subprocess.run([useradd, *options, "--", name], capture_output=True, text=True, check=False)  # noqa: S603
    account = _find(name)
    if account is None:
        raise ValueError(f"cannot make the service user {name}: {made.stderr.strip() or 'useradd failed'}")
    return account


def give(directory: Path, account: Account) -> None:
    """Make ``directory`` private to ``account``, with all that root or an earlier service user left in it. Needs root.

    Symbolic links are given as links: whoever wrote one decides nothing about its target.

    Raises:
        OSError: it cannot be made or given.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for parent, directories, files in os.walk(directory):
        for path in (parent, *(os.path.join(parent, name) for name in (*directories, *files))):  # noqa: PTH118
            if os.lstat(path).st_uid != account.uid:
                os.lchown(path, account.uid, account.gid)
    directory.chmod(0o700)

"""The data directory, which belongs to the account that the unprivileged processes run as.

``coati serve`` gives it to that account. A command that root runs later gives what it makes to the
directory's owner; SQLite does the same for its WAL. Whoever owns the directory must not be able to
have root write or give away anything else: no symbolic link is followed here.
"""

import errno
import os
from pathlib import Path

from appliance.settings import Settings


def prepare(settings: Settings) -> None:
    """Make the data directory if it is missing, for its owner only.

    Raises:
        OSError: it cannot be made.
    """
    try:
        settings.data_dir.mkdir(parents=True, mode=0o700, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(settings.data_dir)) from None


def open_private(path: Path, flags: int) -> int:
    """Open a file for its owner only, making it if ``flags`` say so; it belongs to the directory's owner.

    Raises:
        OSError: it cannot be opened, or is a symbolic link.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0 and flags & os.O_CREAT:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read.

    Raises:
        FileExistsError: it is there already.
    """
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

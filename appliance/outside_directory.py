"""Directories that an administrator names: whether this process can write there, and what to do when it cannot.

Under systemd the unit takes away all but the data directory (``ProtectSystem=strict``): what is named besides it needs
a line in a drop-in, and the words of a refusal give it.
"""

import errno
import os
import tempfile
from pathlib import Path
from typing import Final

from appliance.errors import Invalid

_REMEDIES: Final = {
    errno.EROFS: "if systemd runs it: systemctl edit coati, there the lines [Service] and ReadWritePaths={folder}, "
    "then systemctl restart coati; else its file system is mounted to be read only",
    errno.ENOENT: "make it, or mount what belongs there; the service does not see the machine's /home, /root and /tmp",
}
_DENIED: Final = "let the account that Coati runs as write there: chown coati {folder}"


def cannot_write(folder: Path, error: OSError, *, field: str = "") -> Invalid:
    """Give what an error means that came of writing there."""
    remedy = _REMEDIES.get(error.errno or 0, "")
    if error.errno in (errno.EACCES, errno.EPERM):
        remedy = _DENIED
    return Invalid(f"cannot write in {folder}: {error.strerror}", field=field, remedy=remedy.format(folder=folder))


def try_it(folder: Path, *, field: str) -> None:
    """Write a file there, and remove it.

    Args:
        folder: A whole path.
        field: The input that named it.

    Raises:
        Invalid: it cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=".coati-", dir=folder)
        os.close(descriptor)
        Path(name).unlink()
    except OSError as error:
        raise cannot_write(folder, error, field=field) from None

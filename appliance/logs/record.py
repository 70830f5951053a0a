"""The record: the lines of all processes of this machine, as JSON, in a file that is bounded and turned over.

``log/lines.jsonl`` in the data directory; what was full before is ``.1`` (the latest) to ``.3``. Every process appends
for itself: what it writes is small, goes to the page cache and waits for nobody. Who finds the file full turns it
over; the others notice within a second. A full disk costs lines here, which are counted, and nothing else.
Why so: docs/decisions/0100-the-record-of-the-log.md.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import stat
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDER: Final = "log"
FILE: Final = "lines.jsonl"
OLDER: Final = 3
_MOST_OCTETS: Final = 8 << 20
_LONGEST_TEXT: Final = 8_192
_MOST_ITEMS: Final = 100
_LOOK_SECONDS: Final = 1.0
_MODE: Final = 0o640
_ENCODER: Final = json.JSONEncoder(default=repr, ensure_ascii=False)
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Record:
    """Appends to the file of a data directory.

    Args:
        data_dir: Whose owner owns the file: what root writes is read by those who are not root.
        most_octets: So large a file is turned over.
        clock: Monotonic seconds.

    Attributes:
        lost: Lines that could not be written since the last one that could.

    Raises:
        OSError: the folder cannot be had.
    """

    def __init__(
        self, data_dir: Path, *, most_octets: int = _MOST_OCTETS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.lost = 0
        self._most_octets = most_octets
        self._clock = clock
        owner = data_dir.stat()
        self._owner = (owner.st_uid, owner.st_gid)
        with contextlib.suppress(FileExistsError):
            (data_dir / FOLDER).mkdir(mode=0o750)
            self._give(str(data_dir / FOLDER))
        # Root works here in a folder of others: no link may lead it elsewhere.
        self._folder = os.open(data_dir / FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._file: int | None = None
        self._look_at = 0.0

    def append(self, line: dict[str, Any]) -> None:
        """Write a line; one that cannot be written is counted."""
        try:
            file = self._current()
            octets = encoded(line)
            if os.write(file, octets) < len(octets):
                os.write(file, b"\n")  # what is left of it is a line that nobody can read
                raise OSError(errno.ENOSPC, "cut short")  # noqa: TRY301
            if self.lost:
                lost, self.lost = self.lost, 0
                note = {"event": "lines are missing in this record", "level": "warning", "lines": lost}
                os.write(file, encoded({name: line.get(name) for name in ("timestamp", "process")} | note))
        except OSError:
            self.lost += 1
            self._look_at = 0.0

    def close(self) -> None:
        """Let go."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        os.close(self._folder)

    def _current(self) -> int:
        now = self._clock()
        if self._file is None or now >= self._look_at:
            self._look(now)
        if self._file is None:
            raise FileNotFoundError
        return self._file

    def _look(self, now: float) -> None:
        """Another process may have turned the file over, or somebody removed it; or it is full."""
        self._look_at = now + _LOOK_SECONDS
        if self._file is None or not self._is_current(self._file):
            self._open()
        if self._file is not None and os.fstat(self._file).st_size >= self._most_octets:
            self._turn_over(self._file)

    def _is_current(self, file: int) -> bool:
        try:
            there = os.stat(FILE, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        ours = os.fstat(file)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def _open(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        try:
            file = os.open(FILE, _FLAGS | os.O_CREAT | os.O_EXCL, _MODE, dir_fd=self._folder)
        except FileExistsError:
            file = os.open(FILE, _FLAGS, dir_fd=self._folder)
        else:
            os.fchmod(file, _MODE)
            self._give(file)
        known = os.fstat(file)
        if not stat.S_ISREG(known.st_mode) or known.st_nlink != 1:
            os.close(file)
            raise FileNotFoundError(errno.ENOENT, "not a file of ours", FILE)
        self._file = file

    def _turn_over(self, file: int) -> None:
        """Whoever gets the lock does it; the others go on in the full file for a moment."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if self._is_current(file):
            for number in range(OLDER, 0, -1):
                before = f"{FILE}.{number - 1}" if number > 1 else FILE
                with contextlib.suppress(FileNotFoundError):
                    os.rename(before, f"{FILE}.{number}", src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._open()

    def _give(self, what: str | int) -> None:
        if os.geteuid() == 0:
            os.chown(what, *self._owner)


class RecordHandler(logging.Handler):
    """Puts what is logged into a record; never raises, never waits."""

    def __init__(self, record: Record, process: str, redact: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        super().__init__()
        self._record = record
        self._process = process
        self._redact = redact

    def emit(self, record: logging.LogRecord) -> None:
        """Append a line."""
        try:
            self._record.append(self.line(record))
        except Exception:  # noqa: BLE001  a line that cannot be told must not end what it tells of
            self.handleError(record)

    def line(self, record: logging.LogRecord) -> dict[str, Any]:
        """Give what was logged through structlog, or through ``logging`` alone, in one form."""
        if isinstance(record.msg, dict):
            line = {name: value for name, value in record.msg.items() if not name.startswith("_")}
        else:
            line = self._redact(
                structlog.contextvars.get_contextvars()
                | {
                    "event": record.getMessage(),
                    "level": record.levelname.lower(),
                    "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
                    "process": self._process,
                    "exc_info": record.exc_info,
                }
            )
        if line.get("exc_info"):
            line = dict(structlog.processors.format_exc_info(None, "", line))
        line.pop("exc_info", None)
        return line


def encoded(line: dict[str, Any]) -> bytes:
    """Give a line as JSON; what is too long in it is cut."""
    short = {name: _short(value) for name, value in line.items()}
    return _ENCODER.encode(short).encode("utf-8", "backslashreplace") + b"\n"


def _short(value: Any) -> Any:  # noqa: ANN401  whatever was logged
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[: _LONGEST_TEXT // 2]} ... {value[-_LONGEST_TEXT // 2 :]}"
    if isinstance(value, list | tuple):
        return [_short(each) for each in value[:_MOST_ITEMS]]
    return value

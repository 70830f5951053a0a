"""Writes log lines on standard error, which may be a terminal that was stopped or a pipe that nobody reads."""

from __future__ import annotations

import logging
import select
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from logging import LogRecord


class PatientStandardError(logging.StreamHandler[TextIO]):
    """Leaves out what cannot be written at once: the log must not stop what it tells of.

    A pipe or a socket is ready when it takes a line of usual length whole; a file always is.

    Attributes:
        left_out: Lines that were not written since the last one that was.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.left_out = 0
        self._ready = select.poll()
        try:
            self._ready.register(stream.fileno(), select.POLLOUT)
        except (OSError, ValueError):  # not a descriptor: a test's buffer
            self._ready = None  # type: ignore[assignment]

    def emit(self, record: LogRecord) -> None:
        """Write a line, if that is possible now."""
        if self._ready is not None and not self._ready.poll(0):
            self.left_out += 1
            return
        if self.left_out:
            count, self.left_out = self.left_out, 0
            self.stream.write(f"... {count} lines are left out: nobody read standard error ...\n")
        super().emit(record)

"""What systemd's journal wants of lines on standard error: how serious each is (sd-daemon(3), ``SyslogLevelPrefix=``).

Without it everything is information, and ``journalctl --priority=err`` shows nothing.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Final, TextIO

from ike_engine.log_lines import mark

_JOURNAL: Final = "/run/systemd/journal/stdout"


def reads(stream: TextIO) -> bool:
    """Whether what is written there goes to the journal, which keeps it and may pass it on."""
    try:
        with socket.socket(fileno=os.dup(stream.fileno())) as end:
            return bool(end.getpeername() == _JOURNAL)
    except (OSError, ValueError):  # a terminal, a file, a pipe, a test's buffer
        return False


class JournalFormatter(logging.Formatter):
    """Says before each line how serious it is.

    Args:
        inner: Makes the line, or the lines of a traceback.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        return "\n".join(mark(record.levelno, line) for line in self._inner.format(record).splitlines())

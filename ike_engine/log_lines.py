"""Log lines of a process that has only standard error: how serious a line is stands in front of it.

``<4>words``, as sd-daemon(3) has it; the numbers are syslog's (RFC 5424 section 6.2.1). What follows without such a
mark, a traceback, belongs to the line before. A process marks its lines when its parent says that it gathers them.
"""

import logging
import os
import re
from typing import Final

GATHERED_VARIABLE: Final = "STANDARD_ERROR_IS_GATHERED"
"""Environment variable that tells a child to mark its lines."""

_SEVERITIES: Final = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}
_LEVELS: Final = {0: logging.CRITICAL, 1: logging.CRITICAL, 5: logging.INFO} | {
    severity: level for level, severity in _SEVERITIES.items()
}
_MARK: Final = re.compile(r"<([0-7])>")


class _Marked(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return mark(record.levelno, super().format(record))


def speak(process: str) -> None:
    """Write this process's log on standard error: marked for a parent that gathers, else for people."""
    gathered = os.environ.get(GATHERED_VARIABLE)
    handler = logging.StreamHandler()
    plain = f"%(asctime)s [%(levelname)s] %(message)s process={process}"
    handler.setFormatter(_Marked("%(message)s") if gathered else logging.Formatter(plain))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def mark(level: int, line: str) -> str:
    """Put the mark of a level of ``logging`` before a line."""
    number = next((number for least, number in _SEVERITIES.items() if level >= least), _SEVERITIES[logging.DEBUG])
    return f"<{number}>{line}"


def severity(line: str) -> tuple[int | None, str]:
    """Take the mark off a line: gives the level of ``logging`` (``None``: it has none), and the words."""
    mark = _MARK.match(line)
    return (_LEVELS[int(mark[1])], line[mark.end() :]) if mark else (None, line)

"""What a child says on standard error, gathered by its parent line by line.

A child that may write no file has standard error all the same, and so have those that it starts and the interpreter
that it dies of. Nothing of it is understood here but where a line ends and how serious it says it is (``log_lines``).
A parent that has no time for it costs the child lines, never time.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Final

from ike_engine.log_lines import severity

Heard = Callable[[int, str, str], None]
"""Takes what a child says: the level as ``logging`` has it, the words, and what belongs to them (a traceback)."""

_READ_OCTETS: Final = 1 << 16
_LONGEST_LINE_OCTETS: Final = 8_192
_MOST_LINES: Final = 100
_SILENCE_SECONDS: Final = 0.2
"""After it nothing more belongs to what was said last."""

_MOST_A_SECOND: Final = 100
_LAST_READS: Final = 2
"""More than a pipe holds."""


class Gathering:
    """One end of a pipe whose other end is the standard error of a child, in all its lives.

    Args:
        heard: Called for everything that was said.

    Attributes:
        writing: What the child inherits.
    """

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._loop.add_reader(self._reading, self._on_octets)
        self._rest = b""
        self._said: tuple[int, str, list[str]] | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._since = 0.0
        self._told = self._left_out = 0

    def close(self) -> None:
        """Take what is left, and let go."""
        for _ in range(_LAST_READS):
            self._read()
        if self._rest:
            self._line(self._rest)
        self._finish()
        self._tell_left_out()
        self._loop.remove_reader(self._reading)
        os.close(self._reading)
        os.close(self.writing)

    def _on_octets(self) -> None:
        self._read()
        if self._silence is not None:
            self._silence.cancel()
        self._silence = self._loop.call_later(_SILENCE_SECONDS, self._finish)

    def _read(self) -> None:
        try:
            octets = os.read(self._reading, _READ_OCTETS)
        except BlockingIOError:
            return
        *lines, self._rest = (self._rest + octets).split(b"\n")
        if len(self._rest) > _LONGEST_LINE_OCTETS:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._line(line)

    def _line(self, octets: bytes) -> None:
        text = octets[:_LONGEST_LINE_OCTETS].decode("utf-8", "backslashreplace").expandtabs().rstrip()
        # A child may have been taken over: what it says is shown on terminals.
        text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
        level, words = severity(text)
        if level is not None:
            self._finish()
            self._said = (level, words, [])
        elif self._said is None:
            self._said = (logging.ERROR, "", [text])
        elif len(self._said[2]) < _MOST_LINES:
            self._said[2].append(text)

    def _finish(self) -> None:
        """What was said is whole."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        if self._said is None:
            return
        (level, words, more), self._said = self._said, None
        if not words:  # nobody marked it: of a traceback the last line says what it is
            words = more.pop() if len(more) == 1 else more[-1]
        if self._may_tell():
            self._heard(level, words, "\n".join(more))
        else:
            self._left_out += 1

    def _may_tell(self) -> bool:
        now = self._loop.time()
        if now - self._since >= 1.0:
            self._tell_left_out()
            self._since, self._told = now, 0
        self._told += 1
        return self._told <= _MOST_A_SECOND

    def _tell_left_out(self) -> None:
        if self._left_out:
            count, self._left_out = self._left_out, 0
            self._heard(logging.WARNING, f"{count} lines are left out: it said too much at once", "")

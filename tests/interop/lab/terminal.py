"""A program on a terminal of its own, with somebody who reads what it asks and types the answer."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.interop.lab.processes import Daemon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class TerminalDaemon(Daemon):
    """A program that stays, on a terminal; what it shows goes to a file as well."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            # A session of its own, whose terminal this becomes: programs ask for secrets on /dev/tty.
            ["setpriv", "--pdeathsig", "KILL", "setsid", "--ctty", "--wait", *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def answer(self, prompt: str, text: str, *, within: float = 60) -> None:
        """Wait until it asks, and type."""
        self.wait_for(lambda: prompt in self.output(), within=within, what=f"asks {prompt!r}")
        os.write(self._ours, text.encode() + b"\n")

    def stop(self, grace: float = 5) -> None:
        """Close the terminal after the program."""
        super().stop(grace)
        self._reader.join(grace)

    def _read(self) -> None:
        with self.log.open("ab") as log, suppress(OSError):  # EIO: nobody is on the other end any more
            while octets := os.read(self._ours, 4096):
                log.write(octets)
                log.flush()
        os.close(self._ours)

"""The HTTP server in the network behind the gateway, and the file that clients fetch from it."""

from __future__ import annotations

import hashlib
import random
import sys
from typing import TYPE_CHECKING, Self

from tests.interop.lab import file_server
from tests.interop.lab.processes import Daemon, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.lab.network import Place

FILE_OCTETS = 20_000_000


class WebServer:
    """Serves one file of 20 MB that compresses to nothing less, and remembers who asked."""

    def __init__(self, place: Place, directory: Path) -> None:
        self._place = place
        self._log = directory / "webserver.log"
        self._files = directory / "www"
        self._files.mkdir()
        content = random.Random(20_05).randbytes(FILE_OCTETS)
        (self._files / "file").write_bytes(content)
        self.digest = hashlib.sha256(content).hexdigest()
        self.url = f"http://{place.address}/file"
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-u", file_server.__file__, self._place.address, str(self._files)]
        self._daemon = self._place.daemon("web server", *command, log=self._log)
        self._daemon.wait_for(lambda: "serving" in self._daemon.output(), within=60, what="serves")
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.stop()

    def visitors(self) -> list[str]:
        """Addresses that asked for something, oldest first."""
        lines = self._daemon.output().splitlines()
        return [line.split()[0] for line in lines if '"GET ' in line]

    def was_visited_by(self, address: str) -> bool:
        return bool(eventually(lambda: address in self.visitors(), within=60, what=f"a request from {address}"))

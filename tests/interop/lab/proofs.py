"""Proofs that traffic flows through a tunnel: pings that come back, and a file that arrives whole."""

from __future__ import annotations

import hashlib
import re
import signal
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tests.interop.lab.network import SERVER
from tests.interop.lab.processes import Failed, eventually

if TYPE_CHECKING:
    from tests.interop.lab.network import Place
    from tests.interop.lab.webserver import WebServer


def ping(place: Place, *, count: int = 3, octets: int = 56) -> None:
    """Ping the server behind the gateway; every one must come back, once one has.

    What leaves at once after the client's last message of quick mode may overtake it: the gateway has the inbound SA
    before that, the outbound one only then.

    Raises:
        Failed: none came back, or one was lost afterwards.
    """
    quiet, size = ["ping", "-n", "-q"], ["-s", str(octets)]

    def comes_back() -> bool:
        return place.run(*quiet, "-c", "1", "-W", "1", *size, SERVER, check=False).returncode == 0

    eventually(comes_back, within=60, what="a ping comes back")
    done = place.run(*quiet, "-i", "0.1", "-W", "10", "-c", str(count), *size, SERVER, check=False)
    if f" {count} received" not in done.stdout:
        raise Failed(f"pings were lost:\n{done.stdout}{done.stderr}")


def cannot_reach(place: Place, server: WebServer) -> bool:
    """Whether the server behind the gateway is out of reach from here."""
    command = ["curl", "-s", "--head", "--connect-timeout", "1", "--max-time", "2", "-o", "/dev/null", server.url]
    return place.run(*command, check=False).returncode != 0


@dataclass(frozen=True)
class Loss:
    """How a run of pings went."""

    sent: int
    received: int
    report: str

    @property
    def lost(self) -> int:
        return self.sent - self.received


class SteadyPing:
    """Pings all the while, twenty a second if nothing else is said, until asked how many were lost."""

    def __init__(self, place: Place, *, seconds_apart: float = 0.05) -> None:
        command = place.argv("ping", "-n", "-i", str(seconds_apart), "-w", "120", SERVER)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._lines: list[str] = []
        self._reader = threading.Thread(target=lambda: self._lines.extend(self._process.stdout), daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(30)
        self._reader.join(30)
        self._process.stdout.close()

    def _replies(self) -> int:
        return sum("bytes from" in line for line in self._lines)

    def wait_for_replies(self, count: int, *, within: float = 60) -> None:
        """Wait for so many more replies.

        Raises:
            Failed: they did not come in time.
        """
        wanted = self._replies() + count
        eventually(lambda: self._replies() >= wanted, within=within, what=f"{count} more replies to pings")

    def stop(self) -> Loss:
        """End it; give what came of it. What was sent after the last that came back is not held against the tunnel."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)
        self._reader.join(30)
        report = "".join(self._lines)
        came_back = {int(number) for number in re.findall(r"bytes from .* icmp_seq=(\d+)", report)}
        if not came_back:
            raise Failed(f"no ping came back:\n{report}")
        return Loss(max(came_back), len(came_back), report)


def download(place: Place, server: WebServer, *, within: float = 60, octets_per_second: int | None = None) -> None:
    """Fetch the server's file, as fast as it goes or held back; it must arrive whole.

    Raises:
        Failed: it did not arrive in time, or not as it was sent.
    """
    limits = ["--connect-timeout", "15", "--max-time", str(within)]
    if octets_per_second is not None:
        limits += ["--limit-rate", str(octets_per_second)]
    command = place.argv("curl", "-sS", "--fail", *limits, server.url)
    fetch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    digest, octets = hashlib.sha256(), 0
    while block := fetch.stdout.read(1 << 20):
        digest.update(block)
        octets += len(block)
    _, complaint = fetch.communicate(timeout=30)
    if fetch.returncode != 0:
        raise Failed(f"the download ended after {octets} octets: {complaint.decode(errors='replace')}")
    if digest.hexdigest() != server.digest:
        raise Failed(f"the file arrived damaged ({octets} octets)")

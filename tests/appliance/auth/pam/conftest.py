"""A real PAM worker in a process of its own, and real services and users for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, NamedTuple

import pytest

from appliance.auth.pam.client import PamWorker
from appliance.auth.pam.messages import open_pair
from ike_engine.runtime.children import DESCRIPTORS_VARIABLE

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Iterator

TREE = Path(__file__).parents[4]
SYSTEM_PASSWORD = "a password of the system"
MATRIX = "/usr/lib/x86_64-linux-gnu/pam_wrapper/pam_matrix.so"
MATRIX_PASSWORD = "red pill, blue pill"


class Running(NamedTuple):
    """A worker's process, and the gateway's end of its channel."""

    process: subprocess.Popen[bytes]
    worker: PamWorker

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def start(end: socket.socket) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TREE)}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "appliance.auth.pam.worker"],
        env={**environment, DESCRIPTORS_VARIABLE: f"pam={end.fileno()}"},
        stdin=subprocess.DEVNULL,
        pass_fds=(end.fileno(),),
    )


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    ours, theirs = open_pair()
    process = start(theirs)
    theirs.close()
    worker = PamWorker(ours)
    yield Running(process, worker)
    worker.close()
    process.terminate()
    assert process.wait(timeout=20) in (0, -signal.SIGTERM)  # the latter before it has begun


@pytest.fixture
def pam_service() -> Iterator[Callable[..., str]]:
    """Write a service of these lines; gives its name."""
    made: list[Path] = []

    def write(*lines: str) -> str:
        file = Path("/etc/pam.d") / f"coati-test-{token_hex(6)}"
        file.write_text("".join(f"{line}\n" for line in lines))
        made.append(file)
        return file.name

    yield write
    for file in made:
        file.unlink()


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Write a shell script for pam_exec; ``$here`` is the test's own folder."""

    def write(text: str) -> Path:
        file = tmp_path / f"script-{token_hex(4)}"
        file.write_text(f"#!/bin/sh\nhere={tmp_path}\n{text}\n")
        file.chmod(0o755)
        return file

    return write


@pytest.fixture
def unix(pam_service: Callable[..., str]) -> str:
    """A service of pam_unix."""
    return pam_service("auth required pam_unix.so", "account required pam_unix.so")


@pytest.fixture
def system_user() -> Iterator[str]:
    """A user of this machine."""
    name = f"coati-{token_hex(6)}"
    subprocess.run(["useradd", "--no-create-home", "--shell=/usr/sbin/nologin", name], check=True)
    subprocess.run(["chpasswd"], input=f"{name}:{SYSTEM_PASSWORD}\n", text=True, check=True)
    yield name
    subprocess.run(["userdel", name], check=True)


@pytest.fixture
def matrix(pam_service: Callable[..., str], tmp_path: Path) -> str:
    """A service whose users are in a file of their own."""
    module = f"{MATRIX} passdb={tmp_path / 'passdb'}"
    service = pam_service(f"auth required {module}", f"account required {module}")
    (tmp_path / "passdb").write_text(f"neo:{MATRIX_PASSWORD}:{service}\n")
    return service

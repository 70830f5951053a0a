"""Whose a port is that the gateway needs."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.cli import doctor
from tests.ports import free_port

HOLDS = """
import socket
held = socket.socket(type=socket.SOCK_DGRAM)
held.bind(("127.0.0.1", 0))
print(held.getsockname()[1], flush=True)
input()
"""


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_free_port_is_free(kind: socket.SocketKind) -> None:
    finding = doctor._port(kind, "127.0.0.1", free_port(), "COATI_LISTEN")
    assert (finding.good, finding.words) == (True, "free")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_another_program_is_named(kind: socket.SocketKind) -> None:
    with socket.socket(type=kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            holder.listen()
        finding = doctor._port(kind, "127.0.0.1", holder.getsockname()[1], "COATI_LISTEN")
    assert not finding.good
    we = Path("/proc/self/cmdline").read_text().replace("\0", " ").strip()
    assert finding.words == f"Address already in use by {we}"
    assert finding.remedy == "stop what uses it, or change COATI_LISTEN"


def test_coati_itself_is_no_fault() -> None:
    command = [sys.executable, "-c", HOLDS, "appliance.keeper"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        port = int(keeper.stdout.readline())
        finding = doctor._port(socket.SOCK_DGRAM, "127.0.0.1", port, "COATI_IKE_PORT")
        keeper.kill()
    assert (finding.good, finding.words) == (True, "Coati has it, and runs")

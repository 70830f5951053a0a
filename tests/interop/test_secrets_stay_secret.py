"""Passwords and group keys that went over the wire are in no log, no file of ours and no process's arguments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network

WRONG = "a password that is not alice's"


@pytest.mark.appliance
def test_after_a_login_and_a_refusal(clients: Clients, gateway: CoatiGateway, network: Network) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE, "psk", "aggressive"), gateway.authority)
    client.connect()
    refused = clients.strongswan(network.home_b)
    refused.start(Login(replace(office.ALICE, password=WRONG), "psk", "aggressive"), gateway.authority)
    assert refused.try_connect().returncode != 0
    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip))
    eventually(lambda: "client refused" in gateway.log(), within=60, what="the refusal is logged")

    secrets = [word.encode() for word in (office.ALICE.password, WRONG, office.GROUP_KEY)]
    files = [file for file in gateway.directory.rglob("*") if file.is_file()]
    arguments = [Path(f"/proc/{pid}/cmdline") for pid in gateway.pids()]
    assert (gateway.directory / "data" / "coati.db") in files
    assert (gateway.directory / "log") in files
    for file in (*files, *arguments):
        content = file.read_bytes()
        assert not [secret for secret in secrets if secret in content], file
    # Who hears passwords leaves no core, whatever the kernel does with cores: its memory is root's alone.
    hear = [pid for pid in gateway.pids()[1:] if _runs(pid, b"appliance.gateway") or _runs(pid, b"webui")]
    assert len(hear) == 2
    assert {Path(f"/proc/{pid}/mem").stat().st_uid for pid in hear} == {0}


def _runs(pid: int, words: bytes) -> bool:
    return words in Path(f"/proc/{pid}/cmdline").read_bytes()

"""The unit under a real systemd: installed as its first lines say, logged in to, hung, killed, stopped.

A drop-in (``systemctl edit coati``) makes the watchdog impatient; all else is the unit as it is.
"""

from __future__ import annotations

import json
import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from tests.installed.machine import Machine
from tests.installed.trees import TREE
from tests.interop.lab import network as networks
from tests.interop.lab import office, proofs
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login, StrongSwanClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.interop

UNIT = TREE / "packaging" / "coati.service"
WATCHDOG_SECONDS = 10
STAFF = office.User("dora", "an account of this machine")


@pytest.fixture(scope="module")
def network() -> Iterator[networks.Network]:
    with networks.Network() as built:
        yield built


@pytest.fixture(scope="module")
def machine(network: networks.Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which Coati was installed and started."""
    with Machine(network.gateway, tmp_path_factory.mktemp("machine")) as booted:
        booted.run("mkdir", "-p", "/etc/coati", "/etc/sysusers.d", "/etc/systemd/system/coati.service.d")
        booted.run("tee", "/etc/coati/coati.env", stdin=f"COATI_PUBLIC_NAME={office.GATEWAY_NAME}\n")
        booted.run("chmod", "600", "/etc/coati/coati.env")
        patience = f"[Service]\nWatchdogSec={WATCHDOG_SECONDS}\n"
        booted.run("tee", "/etc/systemd/system/coati.service.d/override.conf", stdin=patience)
        for command in re.findall(r"^#   (.*)$", UNIT.read_text(), re.MULTILINE):
            booted.run("sh", "-e", "-c", f"cd /opt/coati; {command}")
        booted.wait_for_words("coati", "serving ")
        yield booted


@pytest.fixture(scope="module")
def authority(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    file.write_text(machine.coati("ca", "export"))
    return file


def test_it_is_ready_and_enabled(machine: Machine) -> None:
    known = machine.properties("coati", "ActiveState", "UnitFileState", "NRestarts", "StatusText", "Type")
    assert known == {
        "Type": "notify",
        "ActiveState": "active",
        "UnitFileState": "enabled",
        "NRestarts": "0",
        "StatusText": known["StatusText"],
    }
    assert known["StatusText"].startswith("Gateway 0.0.0.0, UDP 500 and 4500; ESP: ")
    assert "coati.service" in machine.run("systemctl", "status", "--no-pager", "coati")


def test_who_runs_is_who_should(machine: Machine) -> None:
    """Only the keeper has a capability, and no process may gain any."""
    running = machine.run("sh", "-c", "cd /sys/fs/cgroup/system.slice/coati.service && cat cgroup.procs").split()
    status = [machine.run("cat", f"/proc/{pid}/status") for pid in running]
    assert len(status) == 4
    assert all(re.search(r"^NoNewPrivs:\t1$", each, re.MULTILINE) for each in status)
    assert all(re.search(r"^Seccomp:\t2$", each, re.MULTILINE) for each in status)
    effective = [int(value, 16) for each in status for value in re.findall(r"^CapEff:\t(\w+)$", each, re.MULTILINE)]
    assert [each for each in effective if each] == [max(effective)]


def test_panel_and_measures_answer(machine: Machine, authority: Path) -> None:
    at = f"{office.GATEWAY_NAME}:8443:{networks.GATEWAY}"
    page = ("curl", "-sS", "--fail", "--cacert", str(authority), "--resolve", at)
    assert "<form" in machine.place.run(*page, "--location", f"https://{office.GATEWAY_NAME}:8443/").stdout
    assert machine.place.run("curl", "-sS", "--fail", "http://127.0.0.1:9443/healthz").stdout


def test_the_doctor_finds_nothing_to_mend(machine: Machine) -> None:
    """He exits with another status if he does."""
    assert "UDP 0.0.0.0:500: Coati has it, and runs" in machine.coati("doctor")


def test_a_real_client_logs_in_by_pam_and_stays(
    machine: Machine, network: networks.Network, authority: Path, tmp_path: Path
) -> None:
    """Through a gateway that hangs, too: confined as they are, PAM, TUN, routes, nftables and the stored stay work."""
    machine.run("useradd", "--create-home", STAFF.name)
    machine.run("chpasswd", stdin=f"{STAFF.name}:{STAFF.password}\n")
    machine.run("tee", "/etc/pam.d/vpn", stdin="auth required pam_unix.so\naccount required pam_unix.so\n")
    machine.coati("realm", "add", "staff", "pam", "--setting", "service=vpn")
    machine.coati("realm", "test", "staff", "--user", STAFF.name, "--password-stdin", stdin=STAFF.password + "\n")
    home = network.home_a
    with StrongSwanClient(home, tmp_path) as client:
        client.start(Login(office.User(f"{STAFF.name}@staff", STAFF.password)), authority, dpd_seconds=0)
        client.connect(within=60)
        with proofs.SteadyPing(home) as pings:
            pings.wait_for_replies(5)
            os.kill(machine.pid("appliance.gateway"), signal.SIGSTOP)
            machine.wait_for_words("coati", "gateway hangs; ending it")
            machine.wait_for_words("coati", "serving ", times=2)
            pings.wait_for_replies(5)
            assert pings.stop().lost == 0
        (session,) = json.loads(machine.coati("session", "list", "--json"))
        assert session["virtual_ip"] == client.virtual_ip
        assert client.log().count("CPRQ(X_USER X_PWD)") == 1
        assert machine.properties("coati", "NRestarts")["NRestarts"] == "0"
        # Who is told goodbye does not wait for dead peer detection.
        machine.run("systemctl", "restart", "coati")
        eventually(lambda: not client.is_up(), within=60, what="has heard the goodbye")
        machine.wait_for_words("coati", "serving ", times=3)
        client.connect(within=60)


def test_nothing_that_is_forbidden_was_wanted(machine: Machine) -> None:
    said = machine.journal("coati")
    for words in ("Operation not permitted", "Permission denied", "Read-only file system", "Traceback"):
        assert words not in said


def test_lines_tell_systemd_how_serious_they_are(machine: Machine) -> None:
    """``journalctl --priority=err`` shows what went wrong, and nothing else."""
    assert "gateway hangs; ending it" in machine.journal("coati", "--priority=err")
    assert "serving " not in machine.journal("coati", "--priority=warning")
    lines = [json.loads(line) for line in machine.journal("coati", "--output=json").splitlines()]
    assert {line["SYSLOG_IDENTIFIER"] for line in lines if line["_TRANSPORT"] == "stdout"} == {"coati"}
    assert not [line for line in lines if line["MESSAGE"].startswith("<")]


def test_the_first_password_is_not_in_the_journal(machine: Machine) -> None:
    assert "password       none yet; set one: ./coati admin password" in machine.journal("coati")
    assert "admin" in machine.coati("admin", "password", "admin", "--generate")


def test_a_backup_is_written_where_it_may_be(machine: Machine) -> None:
    passphrase = "a passphrase that nobody guesses\n"
    machine.coati("backup", "create", "/var/lib/coati/before.coati-backup", "--passphrase-stdin", stdin=passphrase)
    assert machine.run("stat", "--format=%U %a", "/var/lib/coati").split() == ["coati", "700"]


def test_a_hung_keeper_is_begun_anew_by_the_watchdog(machine: Machine) -> None:
    before = machine.journal("coati").count("serving ")
    os.kill(machine.pid("appliance.keeper"), signal.SIGSTOP)
    eventually(
        lambda: machine.properties("coati", "NRestarts")["NRestarts"] == "1",
        within=6 * WATCHDOG_SECONDS,
        every=0.5,
        what="systemd has begun it anew",
    )
    machine.wait_for_words("coati", "serving ", times=before + 1)
    assert "Watchdog timeout" in machine.journal("coati")


def test_stopping_leaves_nothing(machine: Machine) -> None:
    machine.run("systemctl", "stop", "coati")
    known = machine.properties("coati", "ActiveState", "Result", "ExecMainStatus")
    assert known == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    assert "coati" not in machine.run("nft", "list", "ruleset")
    assert not [name for name in machine.place.links() if name.startswith("coati")]
    assert machine.run("ip", "xfrm", "policy") == ""

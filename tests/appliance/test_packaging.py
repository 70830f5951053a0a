"""The files for whoever installs Coati: what systemd says of the unit, what it leaves us, what compose starts."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from compose_spec import PyCompose

from appliance.settings import Settings
from tests.appliance.test_keeper import ALONE, STRANGER, TREE, serving

UNIT: Final = TREE / "packaging" / "coati.service"
ANALYZE: Final = shutil.which("systemd-analyze")
WORST_EXPOSURE: Final = 4.5


def directives(name: str) -> list[str]:
    """The words of a directive of the unit, all its lines together."""
    return [word for line in re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE) for word in line.split()]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as if this tree were in /opt/coati."""
    unit = tmp_path / "coati.service"
    program = str(Path(sys.executable).with_name("coati"))
    unit.write_text(UNIT.read_text().replace("/opt/coati/.venv/bin/coati", program).replace("/opt/coati", str(TREE)))
    return unit


def analyze(*words: str) -> str:
    assert ANALYZE is not None, "no systemd-analyze: run tests/apt.sh"
    done = subprocess.run([ANALYZE, *words], capture_output=True, text=True, check=False, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_systemd_understands_every_line_of_the_unit(installed: Path) -> None:
    said = [line for line in analyze("verify", "--man=no", str(installed)).splitlines() if "coati" in line]
    assert said == []


def test_the_unit_exposes_no_more_than_it_must(installed: Path) -> None:
    said = analyze("security", "--offline=true", f"--threshold={WORST_EXPOSURE * 10:.0f}", str(installed))
    exposure = re.search(r"Overall exposure level for coati.service: ([\d.]+)", said)
    assert exposure is not None
    assert float(exposure[1]) <= WORST_EXPOSURE


def test_the_system_calls_of_the_confinement_are_let_through() -> None:
    allowed: set[str] = set()
    wanted = directives("SystemCallFilter")
    while wanted:
        group = wanted.pop()
        if group.startswith("@"):
            wanted += re.findall(r"^ {4}(\S+)$", analyze("syscall-filter", group), re.MULTILINE)
        else:
            allowed.add(group)
    needed = {
        "mount",
        "unshare",
        "prctl",
        "capset",
        "setresuid",
        "setresgid",
        "setgroups",
        "pidfd_open",
        "memfd_create",
    }
    assert needed <= allowed


@pytest.mark.root
def test_what_the_unit_takes_away_is_not_missed(tmp_path: Path) -> None:
    """Its capabilities, a read-only system, no new privileges, and a service manager that listens."""
    data, address = tmp_path / "data", tmp_path / "notify"
    data.mkdir()
    kept = ",".join(f"+{word.removeprefix('CAP_').lower()}" for word in directives("CapabilityBoundingSet"))
    script = (
        'mount -o bind "$0" "$0" && mount -o bind,remount,ro / && mount -o bind,remount,rw "$0" && '
        f'exec setpriv --no-new-privs --bounding-set -all,{kept} --inh-caps -all "$@"'
    )
    hardened = ("unshare", "--mount", "sh", "-c", script, str(tmp_path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(60)
        told = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "30000000"}
        with serving(data, *ALONE, *hardened, COATI_DATA_PLANE="userspace", **told) as served:
            served.wait_for("serving")
            assert manager.recv(1000).startswith(b"READY=1\nSTATUS=Gateway 0.0.0.0, UDP 500 and 4500")
            assert manager.recv(100) == b"WATCHDOG=1"
            status = Path(f"/proc/{served.process.pid}/status").read_text()
            assert "NoNewPrivs:\t1" in status
            assert served.stop() == 0
            assert manager.recv(100) == b"STOPPING=1"
        assert "Operation not permitted" not in served.text
        assert data.stat().st_uid == STRANGER


def test_the_unit_names_what_there_is() -> None:
    (command,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    assert command.split()[-1] == "serve"
    assert directives("StateDirectory") == ["coati"]
    assert "/var/lib/coati" in command
    account = (UNIT.with_name("coati.sysusers")).read_text()
    assert re.search(r"^u coati ", account, re.MULTILINE)


# ---- containers -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((TREE / "docker-compose.yml").read_text())


def test_compose_is_what_the_specification_allows() -> None:
    text = (TREE / "docker-compose.yml").read_text()
    assert len(PyCompose.from_yaml(text).services) == 3
    with pytest.raises(ValueError, match="healthchek"):  # what is misspelt is not silently without effect
        PyCompose.from_yaml(text.replace("healthcheck:", "healthchek:"))


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    # DL3008 wants versions of packages: those of a Debian release move by security updates only.
    words = [
        str(Path(sys.executable).with_name("hadolint")),
        "--no-color",
        "--ignore",
        "DL3008",
        str(TREE / "Dockerfile"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_compose_names_only_what_it_has(compose: Any) -> None:
    services = compose["services"]
    assert {"coati", "postgres", "freeradius"} == services.keys()
    for name, service in services.items():
        assert "build" in service or "image" in service, name
        for needed in service.get("depends_on", {}):
            assert needed in services
            assert "profiles" not in services[needed], "what always runs must not need what does not"
            assert "healthcheck" in services[needed]
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (TREE / source).exists(), volume


def test_compose_starts_a_radius_server_in_the_laboratory_only(compose: Any) -> None:
    assert compose["services"]["freeradius"]["profiles"] == ["lab"]
    assert "profiles" not in compose["services"]["coati"]


def test_compose_sets_variables_that_there_are_and_no_secret_of_its_own(compose: Any) -> None:
    known = {f"COATI_{name.upper()}" for name in Settings.model_fields}
    environment = compose["services"]["coati"]["environment"]
    assert environment.keys() <= known
    assert "${COATI_DATABASE_PASSWORD:?" in environment["COATI_DATABASE_URL"]
    text = (TREE / "docker-compose.yml").read_text()
    assert not re.search(r"PASSWORD: (?!\$\{)", text)


def test_the_container_has_no_more_capabilities_than_the_unit(compose: Any) -> None:
    coati = compose["services"]["coati"]
    assert coati["cap_drop"] == ["ALL"]
    assert {f"CAP_{name}" for name in coati["cap_add"]} == set(directives("CapabilityBoundingSet"))
    assert "privileged" not in coati
    assert coati["devices"] == ["/dev/net/tun:/dev/net/tun"]
    assert "no-new-privileges:true" in coati["security_opt"]


def test_the_image_makes_the_account_and_installs_what_the_doctor_asks_for() -> None:
    dockerfile = (TREE / "Dockerfile").read_text()
    packages = re.search(r"apt-get install -y --no-install-recommends (.*?)\\", dockerfile)
    assert packages is not None
    assert {"python3", "nftables", "iproute2"} <= set(packages[1].split())
    assert "useradd --system" in dockerfile
    ports = re.search(r"^EXPOSE (.*)$", dockerfile, re.MULTILINE)
    assert ports is not None
    assert set(ports[1].split()) == {"500/udp", "4500/udp", "8443/tcp"}
    assert (TREE / ".dockerignore").exists()

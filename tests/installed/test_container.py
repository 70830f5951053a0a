"""The appliance in a real container, with the privileges that ``docker-compose.yml`` gives it and no more."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.installed.container import Container, compose, health_check
from tests.interop.lab import network as networks
from tests.interop.lab import office
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login, StrongSwanClient

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def container(network: networks.Network, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    assert shutil.which("podman"), "no podman: run tests/apt.sh"
    for name, value in compose()["sysctls"].items():  # podman sets none in a network that it did not make
        network.gateway.run("sysctl", "-q", "-w", f"{name}={value}")
    folder = tmp_path_factory.mktemp("container")
    with Container(network.gateway, folder, wheel, {"COATI_PUBLIC_NAME": office.GATEWAY_NAME}) as running:
        yield running


def test_it_shows_the_first_password_and_is_healthy(container: Container) -> None:
    assert re.search(r"^  password {7}\w", container.log(), re.MULTILINE)
    eventually(lambda: container.execute(*health_check()).returncode == 0, within=60, what="it is healthy")
    assert "TCP 0.0.0.0:8443: Coati has it, and runs" in container.coati("doctor")


def test_only_the_keeper_has_what_compose_gives(container: Container) -> None:
    """And no process may gain more."""
    status = container.execute("sh", "-c", "cat /proc/[0-9]*/status").stdout
    header = Path("/usr/include/linux/capability.h").read_text("utf-8")
    numbers = dict(re.findall(r"^#define CAP_(\w+)\s+(\d+)$", header, re.MULTILINE))
    allowed = sum(1 << int(numbers[name]) for name in compose()["cap_add"])
    assert {int(value, 16) for value in re.findall(r"^CapEff:\t(\w+)$", status, re.MULTILINE)} == {0, allowed}
    assert set(re.findall(r"^NoNewPrivs:\t(\d)$", status, re.MULTILINE)) == {"1"}
    assert set(re.findall(r"^Seccomp:\t(\d)$", status, re.MULTILINE)) == {"2"}
    users = re.findall(r"^Name:\tpython.*?^Uid:\t(\d+)", status, re.MULTILINE | re.DOTALL)
    assert users.count("0") == 1
    assert len(users) == 4


def test_a_real_client_comes_in_and_comes_back_to_the_next_container(
    container: Container, network: networks.Network, tmp_path: Path
) -> None:
    container.coati("user", "add", office.ALICE.name, "--password-stdin", stdin=office.ALICE.password + "\n")
    authority = tmp_path / "ca.pem"
    authority.write_text(container.coati("ca", "export"))
    with StrongSwanClient(network.home_a, tmp_path) as client:
        client.start(Login(office.ALICE), authority, dpd_seconds=0)
        client.connect(within=60)
        network.home_a.run("ping", "-c", "2", "-W", "5", networks.SERVER)
        assert container.stop() == 0
        eventually(lambda: not client.is_up(), within=60, what="the client has heard the goodbye")
        assert "Operation not permitted" not in container.log()
        container.start_again()
        assert "password  " not in container.log()
        client.connect(within=60)

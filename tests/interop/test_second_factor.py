"""One-time codes with real clients: asked for in a round of their own, or typed behind the password."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pyotp
import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.office import User
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network

pytestmark = pytest.mark.appliance

# Each code counts once: with an app each, nobody has to wait for the next one.
ERIN, FRANK, GRACE = (User(name, "what I know is this") for name in ("erin", "frank", "grace"))


class Apps:
    """Authenticator apps by their users' names."""

    def __init__(self) -> None:
        self._apps: dict[str, pyotp.TOTP] = {}

    def set_up(self, user: User, seed: str) -> str:
        """Give the code that confirms the enrolment."""
        self._apps[user.name] = pyotp.TOTP(seed)
        return self._apps[user.name].now()

    def next_code(self, user: User) -> str:
        """Give the code that comes next: the gateway takes it up to 30 seconds early."""
        return self._apps[user.name].at(time.time(), counter_offset=1)


@pytest.fixture(scope="module")
def apps(running_gateway: CoatiGateway) -> Iterator[Apps]:
    coati, apps = running_gateway.coati, Apps()
    for user in (ERIN, FRANK, GRACE):
        coati("user", "add", user.name, "--password-stdin", stdin=user.password + "\n")
        enrolment = json.loads(coati("user", "second-factor", "enrol", user.name, "--json"))
        code = apps.set_up(user, enrolment["seed"])
        assert "recovery codes" in coati("user", "second-factor", "confirm", user.name, stdin=code + "\n")
    yield apps
    for user in (ERIN, FRANK, GRACE):
        coati("user", "remove", user.name, "--yes")


def test_vpnc_asks_for_it(clients: Clients, gateway: CoatiGateway, network: Network, apps: Apps) -> None:
    client = clients.vpnc(network.home_a)
    client.start(ERIN, gateway.authority, on_terminal=True)
    client.type("Passcode for VPN", apps.next_code(ERIN))
    client.connect()
    proofs.ping(network.home_a)
    expect_sessions(gateway, Session(ERIN.name, client.virtual_ip))


def test_our_own_client_asks_for_it(clients: Clients, gateway: CoatiGateway, network: Network, apps: Apps) -> None:
    client = clients.coati(network.home_a)
    client.start(Login(FRANK), gateway.authority, on_terminal=True)
    client.type("assword", FRANK.password)
    client.type("Enter the code that your app shows.", apps.next_code(FRANK))
    client.wait_connected()
    proofs.ping(network.home_a)


def test_strongswan_has_it_behind_the_password(
    clients: Clients, gateway: CoatiGateway, network: Network, apps: Apps
) -> None:
    grace = replace(GRACE, password=GRACE.password + apps.next_code(GRACE))
    client = clients.strongswan(network.home_a)
    client.start(Login(grace), gateway.authority)
    client.connect()
    proofs.ping(network.home_a)
    expect_sessions(gateway, Session(GRACE.name, client.virtual_ip))
    again = clients.strongswan(network.home_b)
    again.start(Login(grace), gateway.authority)
    assert again.try_connect().returncode != 0


def test_the_password_alone_is_not_enough(
    clients: Clients, gateway: CoatiGateway, network: Network, apps: Apps
) -> None:
    assert apps
    client = clients.strongswan(network.home_b)
    client.start(Login(ERIN), gateway.authority)
    assert client.try_connect().returncode != 0
    eventually(lambda: _refused(gateway, ERIN), within=60, what="why is on record")


def _refused(gateway: CoatiGateway, user: User) -> bool:
    return any(f"wrong one-time code for '{user.name}'" in refusal.reason for refusal in gateway.refusals())


def test_nobody_else_is_asked(clients: Clients, gateway: CoatiGateway, network: Network, apps: Apps) -> None:
    assert apps
    client = clients.strongswan(network.home_b)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()

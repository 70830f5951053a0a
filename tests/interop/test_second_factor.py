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
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network

pytestmark = pytest.mark.appliance

ERIN = User("erin", "what I know is this")


class App:
    """Erin's authenticator app, which waits for a code that was not used yet."""

    def __init__(self, seed: str) -> None:
        self._totp = pyotp.TOTP(seed)
        self._step = 0

    def code(self) -> str:
        """Give the next code: the gateway takes it up to 30 seconds early."""
        while (step := int(time.time()) // 30 + 1) <= self._step:
            time.sleep(1)
        self._step = max(step - 2, self._step) + 1
        return self._totp.generate_otp(self._step)


@pytest.fixture(scope="module")
def app(running_gateway: CoatiGateway) -> Iterator[App]:
    coati = running_gateway.coati
    coati("user", "add", ERIN.name, "--password-stdin", stdin=ERIN.password + "\n")
    enrolment = json.loads(coati("user", "second-factor", "enrol", ERIN.name, "--json"))
    app = App(enrolment["seed"])
    assert "recovery codes" in coati("user", "second-factor", "confirm", ERIN.name, stdin=app.code() + "\n")
    yield app
    coati("user", "remove", ERIN.name, "--yes")


def test_vpnc_asks_for_it(clients: Clients, gateway: CoatiGateway, network: Network, app: App) -> None:
    client = clients.vpnc(network.home_a)
    client.start(ERIN, gateway.authority, on_terminal=True)
    client.type("Passcode for VPN", app.code())
    client.connect()
    proofs.ping(network.home_a)
    expect_sessions(gateway, Session(ERIN.name, client.virtual_ip))


def test_our_own_client_asks_for_it(clients: Clients, gateway: CoatiGateway, network: Network, app: App) -> None:
    client = clients.coati(network.home_a)
    client.start(Login(ERIN), gateway.authority, on_terminal=True)
    client.type("assword", ERIN.password)
    client.type("Enter the code that your app shows.", app.code())
    client.wait_connected()
    proofs.ping(network.home_a)


def test_strongswan_has_it_behind_the_password(
    clients: Clients, gateway: CoatiGateway, network: Network, app: App
) -> None:
    code = app.code()
    client = clients.strongswan(network.home_a)
    client.start(Login(replace(ERIN, password=ERIN.password + code)), gateway.authority)
    client.connect()
    proofs.ping(network.home_a)
    expect_sessions(gateway, Session(ERIN.name, client.virtual_ip))
    again = clients.strongswan(network.home_b)
    again.start(Login(replace(ERIN, password=ERIN.password + code)), gateway.authority)
    assert again.try_connect().returncode != 0


def test_the_password_alone_is_not_enough(clients: Clients, gateway: CoatiGateway, network: Network, app: App) -> None:
    assert app
    client = clients.strongswan(network.home_b)
    client.start(Login(ERIN), gateway.authority)
    assert client.try_connect().returncode != 0
    assert "wrong one-time code for 'erin'" in gateway.refusals()[-1].reason


def test_nobody_else_is_asked(clients: Clients, gateway: CoatiGateway, network: Network, app: App) -> None:
    assert app
    client = clients.strongswan(network.home_b)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()

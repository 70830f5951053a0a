"""Who may not come in is told so in Xauth's way, the administrator is told why, and nothing is left behind."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.office import User
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.authority import Authority
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network

WRONG_PASSWORD = replace(office.ALICE, password="guessed")
UNKNOWN = User("nobody", "guessed")
STRANGERS = [
    pytest.param(WRONG_PASSWORD, id="wrong password"),
    pytest.param(UNKNOWN, id="unknown user"),
    pytest.param(office.CAROL, id="disabled user", marks=pytest.mark.ours),
]


def _refused(gateway: Gateway) -> list[str]:
    """Logins that were refused so far."""
    return [refusal.user for refusal in gateway.refusals()]


@pytest.mark.parametrize("mode", ["main", "aggressive"])
@pytest.mark.parametrize("user", STRANGERS)
def test_strongswan_is_turned_away(clients: Clients, gateway: Gateway, network: Network, user: User, mode: str) -> None:
    refused_before = len(_refused(gateway))
    client = clients.strongswan(network.home_a)
    client.start(Login(user, mode=mode), gateway.authority)

    outcome = client.try_connect()

    assert outcome.returncode != 0
    assert f"XAuth authentication of '{user.name}' (myself) failed" in client.log()
    eventually(lambda: not gateway.remainder(), within=60, what="nothing is held for who was refused")
    eventually(lambda: user.name in _refused(gateway)[refused_before:], within=60, what="the refusal is recorded")


@pytest.mark.parametrize("user", STRANGERS)
def test_vpnc_is_turned_away(clients: Clients, gateway: Gateway, network: Network, user: User) -> None:
    client = clients.vpnc(network.home_a)
    client.start(user, gateway.authority)

    assert "authentication unsuccessful" in client.wait_refused()

    eventually(lambda: not gateway.remainder(), within=60, what="nothing is held for who was refused")


@pytest.mark.appliance
@pytest.mark.parametrize(
    ("user", "words"),
    [
        pytest.param(WRONG_PASSWORD, "wrong password", id="wrong password"),
        pytest.param(UNKNOWN, "unknown user", id="unknown user"),
        pytest.param(office.CAROL, "disabled", id="disabled user"),
    ],
)
def test_the_administrator_reads_why(
    *, clients: Clients, gateway: CoatiGateway, network: Network, user: User, words: str
) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(user), gateway.authority)
    assert client.try_connect().returncode != 0

    def shown() -> bool:
        listed = json.loads(gateway.coati("refusal", "list", user.name, "--json"))
        return any(words in refusal["reason"] and refusal["remedy"] for refusal in listed)

    eventually(shown, within=60, what=f"a refusal that says {words!r} and how to mend it")


def test_who_mistyped_comes_in_afterwards(clients: Clients, gateway: Gateway, network: Network) -> None:
    mistyped = clients.strongswan(network.home_a)
    mistyped.start(Login(WRONG_PASSWORD), gateway.authority)
    assert mistyped.try_connect().returncode != 0

    client = clients.strongswan(network.home_b)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()

    proofs.ping(network.home_b)


def test_pool_exhausted(clients: Clients, gateway: Gateway, network: Network) -> None:
    first, second = clients.strongswan(network.home_a), clients.strongswan(network.home_b)
    first.start(Login(office.ALICE, "psk", "aggressive", group=office.TINY_GROUP), gateway.authority)
    first.connect()
    assert first.virtual_ip == office.TINY_POOL[0]

    refused_before = len(_refused(gateway))
    second.start(Login(office.BOB, "psk", "aggressive", group=office.TINY_GROUP), gateway.authority)
    assert second.try_connect().returncode != 0

    eventually(lambda: office.BOB.name in _refused(gateway)[refused_before:], within=60, what="the refusal is recorded")
    second.stop()
    expect_sessions(gateway, Session(office.ALICE.name, first.virtual_ip))
    assert gateway.remainder().leases == {first.virtual_ip}
    proofs.ping(network.home_a)

    first.disconnect()
    second = clients.strongswan(network.home_b)
    second.start(Login(office.BOB, "psk", "aggressive", group=office.TINY_GROUP), gateway.authority)
    second.connect()
    assert second.virtual_ip == office.TINY_POOL[0]


def test_a_gateway_with_a_certificate_of_another_authority_is_not_believed(
    clients: Clients, gateway: Gateway, network: Network, stranger_authority: Authority
) -> None:
    """The client's part of the bargain, and a proof that the others did check the certificate."""
    client = clients.strongswan(network.public)
    client.start(Login(office.ALICE), stranger_authority.file)

    assert client.try_connect(within=6).returncode != 0

    assert "no trusted" in client.log()
    eventually(lambda: not gateway.remainder(), within=60, what="the half-open SA is gone")

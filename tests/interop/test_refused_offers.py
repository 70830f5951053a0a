"""A client that is turned away before its user can log in: the administrator reads what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.authority import Authority
    from tests.interop.lab.gateway import Gateway, Refusal
    from tests.interop.lab.network import Network
    from tests.interop.lab.strongswan import StrongSwanClient

pytestmark = pytest.mark.ours


def _refusal(
    clients: Clients, gateway: Gateway, network: Network, login: Login, words: str
) -> tuple[Refusal, StrongSwanClient]:
    """Have the client try; give what the gateway says of it in these words, and the client.

    The words tell this refusal from those of other scenarios' clients that fell silent in mid-login: the gateway speaks
    of them half a minute later.
    """

    def found() -> list[Refusal]:
        return [refusal for refusal in gateway.refusals() if words in f"{refusal.reason} {refusal.offered}"]

    assert not found()
    client = clients.strongswan(network.home_a)
    client.start(login, gateway.authority)
    assert client.try_connect(within=5).returncode != 0  # some are answered by silence
    refusal, *_ = eventually(found, within=60, what="a refusal is recorded")
    return refusal, client


@pytest.mark.parametrize("mode", ["main", "aggressive"])
def test_phase_1_proposals(clients: Clients, gateway: Gateway, network: Network, mode: str) -> None:
    ike = {"main": "aes192-sha384-modp3072", "aggressive": "aes192-sha384-modp4096"}[mode]
    login = Login(office.ALICE, mode=mode, ike=ike)

    refusal, client = _refusal(clients, gateway, network, login, ike)

    eventually(lambda: "NO_PROP" in client.log(), within=60, what="the client is told")
    assert refusal.stage == "phase 1"
    assert ike in " ".join(refusal.offered)
    assert office.IKE_PROPOSALS[0] in " ".join(refusal.accepted)
    assert refusal.remedy


def test_esp_proposals(clients: Clients, gateway: Gateway, network: Network) -> None:
    login = Login(office.ALICE, esp="aes192-sha512")

    refusal, client = _refusal(clients, gateway, network, login, "aes192-sha512")

    eventually(lambda: "NO_PROP" in client.log(), within=60, what="the client is told")
    assert refusal.stage == "quick mode"
    assert office.ESP_PROPOSALS[0] in " ".join(refusal.accepted)
    assert refusal.user == office.ALICE.name


@pytest.mark.parametrize("mode", ["main", "aggressive"])
def test_certificate_of_a_stranger(
    *, clients: Clients, gateway: Gateway, network: Network, stranger_authority: Authority, mode: str
) -> None:
    intruder = f"{mode}.intruder.example.net"
    login = Login(office.ALICE, "rsa", mode, credential=stranger_authority.issue(intruder))

    refusal, _ = _refusal(clients, gateway, network, login, intruder)

    assert refusal.stage == "phase 1"
    assert "certificate" in refusal.reason

"""A session that the administrator ends is over on both sides, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network
    from tests.interop.lab.webserver import WebServer


def test_strongswan_is_told(clients: Clients, gateway: Gateway, network: Network, web_server: WebServer) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()
    proofs.ping(network.home_a)

    gateway.disconnect(office.ALICE.name)

    eventually(lambda: not client.is_up(), within=60, what="the client has heard of it")
    eventually(lambda: not gateway.remainder(), within=60, what="nothing is held any more")
    assert proofs.cannot_reach(network.home_a, web_server)


@pytest.mark.ours
def test_vpnc_is_told(clients: Clients, gateway: Gateway, network: Network) -> None:
    client = clients.vpnc(network.home_a)
    client.start(office.ALICE, gateway.authority)
    client.connect()

    gateway.disconnect(office.ALICE.name)

    eventually(client.has_ended, within=60, what="vpnc has ended")
    eventually(lambda: not gateway.remainder(), within=60, what="nothing is held any more")

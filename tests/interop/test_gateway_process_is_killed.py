"""The gateway process dies on the spot: packets go on, the process comes back, and nothing stays behind for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network
    from tests.interop.lab.webserver import WebServer

pytestmark = pytest.mark.appliance


def test_packets_go_on_and_others_can_log_in(
    clients: Clients, gateway: CoatiGateway, network: Network, web_server: WebServer
) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE), gateway.authority, dpd_seconds=0)
    client.connect()

    with proofs.SteadyPing(network.home_a) as pings:
        pings.wait_for_replies(10)
        gateway.kill_gateway_process()
        pings.wait_for_replies(40)
        loss = pings.stop()

    assert loss.lost <= 1, loss.report
    proofs.download(network.home_a, web_server)

    other = clients.strongswan(network.home_b)
    other.start(Login(office.BOB), gateway.authority)
    other.connect()
    proofs.ping(network.home_b)


def test_an_esp_process_that_dies_comes_back(clients: Clients, gateway: CoatiGateway, network: Network) -> None:
    gateway.kill_esp_process()

    def logs_in() -> bool:
        client = clients.strongswan(network.home_a)
        client.start(Login(office.ALICE), gateway.authority)
        return client.try_connect(within=5).returncode == 0

    eventually(logs_in, within=20, what="a login after the esp process died")
    proofs.ping(network.home_a)

"""The gateway process dies on the spot: packets go on, the process comes back, and goes on with its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network
    from tests.interop.lab.webserver import WebServer

pytestmark = pytest.mark.appliance


def test_a_client_does_not_notice(
    clients: Clients, gateway: CoatiGateway, network: Network, web_server: WebServer
) -> None:
    """It renews under the SA that it has, and hears when it is disconnected: one login in all."""
    home = network.home_a
    client = clients.strongswan(home)
    client.start(Login(office.ALICE), gateway.authority, dpd_seconds=0)
    client.connect()
    session = Session(office.ALICE.name, client.virtual_ip)
    expect_sessions(gateway, session)
    made = client.child_sas_made()

    with proofs.SteadyPing(home) as pings:
        pings.wait_for_replies(10)
        gateway.kill_gateway_process()
        pings.wait_for_replies(40)
        gateway.rekey(office.ALICE.name)
        client.wait_for_child_sas(made + 1)
        client.rekey_child()
        pings.wait_for_replies(10)
        loss = pings.stop()

    assert loss.lost <= 1, loss.report
    expect_sessions(gateway, session)
    proofs.download(home, web_server)
    assert [event.kind for event in gateway.events(office.ALICE.name)][:1] == ["login"]

    gateway.disconnect(office.ALICE.name)
    eventually(lambda: not client.is_up(), within=60, what="the client has heard of it")
    eventually(lambda: not gateway.remainder(), within=60, what="nothing is held any more")
    assert client.log().count("CPRQ(X_USER X_PWD)") == 1


def test_vpnc_does_not_notice_either(clients: Clients, gateway: CoatiGateway, network: Network) -> None:
    client = clients.vpnc(network.home_a)
    client.start(office.ALICE, gateway.authority)
    client.connect()
    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip))

    gateway.kill_gateway_process()
    proofs.ping(network.home_a)
    other = clients.strongswan(network.home_b)
    other.start(Login(office.BOB), gateway.authority)
    other.connect()
    proofs.ping(network.home_b)
    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip), Session(office.BOB.name, other.virtual_ip))

    gateway.rekey(office.ALICE.name)
    proofs.ping(network.home_a)
    gateway.disconnect(office.ALICE.name)
    eventually(client.has_ended, within=60, what="vpnc has ended")


def test_an_esp_process_that_dies_comes_back(clients: Clients, gateway: CoatiGateway, network: Network) -> None:
    served = gateway.log().count("serving ")
    gateway.kill_esp_process()
    # The gateway process ends with it; who logs in before that is told goodbye at once.
    eventually(lambda: gateway.log().count("serving ") > served, within=60, what="another gateway process serves")
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()
    proofs.ping(network.home_a)

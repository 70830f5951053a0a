"""A NAT that forgets its mappings in mid-session costs a packet or two: the client comes from another port."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network
    from tests.interop.lab.strongswan import StrongSwanClient
    from tests.interop.lab.vpnc import VpncClient
    from tests.interop.lab.webserver import WebServer


def _connect(kind: str, clients: Clients, gateway: Gateway, network: Network) -> StrongSwanClient | VpncClient:
    if kind == "vpnc":
        by_vpnc = clients.vpnc(network.home_a)
        by_vpnc.start(office.ALICE, gateway.authority)
        by_vpnc.connect()
        return by_vpnc
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()
    return client


@pytest.mark.ours
@pytest.mark.parametrize("kind", ["strongSwan", "vpnc"])
def test_traffic_goes_on(
    clients: Clients, gateway: Gateway, network: Network, web_server: WebServer, kind: str
) -> None:
    session = Session(office.ALICE.name, _connect(kind, clients, gateway, network).virtual_ip)
    expect_sessions(gateway, session)
    home = network.home_a
    ports = network.nat.mapped_ports()[home.address]

    # What is lost is a matter of time: how long the gateway takes to hear from the new port.
    with proofs.SteadyPing(home, seconds_apart=0.2) as pings:
        pings.wait_for_replies(5)
        network.nat.forget_mappings()
        pings.wait_for_replies(10)
        loss = pings.stop()

    assert network.nat.mapped_ports()[home.address].isdisjoint(ports)
    assert loss.lost <= 2, loss.report
    expect_sessions(gateway, session)
    proofs.download(home, web_server)


def test_an_idle_client_is_found_again(clients: Clients, gateway: Gateway, network: Network) -> None:
    """The next authenticated IKE message tells the new port; the network behind the gateway then reaches the client."""
    client = _connect("strongSwan", clients, gateway, network)
    proofs.ping(network.home_a)

    network.nat.forget_mappings()

    def reaches_client() -> bool:
        return network.inner.run("ping", "-c", "1", "-W", "1", client.virtual_ip, check=False).returncode == 0

    eventually(reaches_client, within=60, what="the inner network reaches the client")
    time.sleep(office.DPD_TIMEOUT_SECONDS)  # our probes must have found the way, too
    assert gateway.sessions() == [Session(office.ALICE.name, client.virtual_ip)]

"""vpnc, the classic Cisco-compatible client, logs in and its traffic flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network, Place
    from tests.interop.lab.webserver import WebServer


@pytest.mark.parametrize("hybrid", [pytest.param(True, id="hybrid"), pytest.param(False, id="group key")])
@pytest.mark.parametrize("natt", ["natt", "force-natt"])
def test_logs_in_and_downloads(
    *,
    clients: Clients,
    gateway: Gateway,
    network: Network,
    web_server: WebServer,
    place: Place,
    hybrid: bool,
    natt: str,
) -> None:
    assert proofs.cannot_reach(place, web_server)
    before = network.seen_at_gateway()
    client = clients.vpnc(place)

    client.start(office.ALICE, gateway.authority, hybrid=hybrid, natt=natt)
    client.connect()

    assert client.virtual_ip.startswith(office.POOL_PREFIX)
    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip))
    assert client.told()["INTERNAL_IP4_DNS"] == office.DNS
    proofs.ping(place)
    proofs.download(place, web_server)
    assert web_server.was_visited_by(client.virtual_ip)
    seen = network.seen_at_gateway()
    assert seen["esp_in_udp"] - before["esp_in_udp"] > 100
    assert seen["clear"] == before["clear"]

    client.disconnect()
    expect_sessions(gateway)


@pytest.mark.parametrize("group", ["dh5", "dh14"])
def test_larger_groups(clients: Clients, gateway: Gateway, network: Network, group: str) -> None:
    client = clients.vpnc(network.home_a)

    client.start(office.ALICE, gateway.authority, dh=group)
    client.connect()

    proofs.ping(network.home_a)


@pytest.mark.ours
def test_message_2_of_a_hybrid_login_is_not_fragmented(clients: Clients, gateway: Gateway, network: Network) -> None:
    """It cannot put IKE fragments together, and IP fragments do not pass everywhere."""
    with network.nat.hostile(largest_udp=1_480):
        client = clients.vpnc(network.home_a)
        client.start(office.ALICE, gateway.authority)
        client.connect()
        assert network.nat.dropped() == {"fragments": 0, "large": 0}

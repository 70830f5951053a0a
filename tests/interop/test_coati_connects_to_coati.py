"""``coati connect`` at our own gateway: both halves of the product, and what charon cannot show of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import network as networks
from tests.interop.lab import office, proofs
from tests.interop.lab.coati_client import NAME_SERVERS_BEFORE
from tests.interop.lab.coati_gateway import CoatiGateway
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network, Place
    from tests.interop.lab.webserver import WebServer

pytestmark = pytest.mark.appliance


def test_hybrid(clients: Clients, gateway: Gateway, place: Place, web_server: WebServer) -> None:
    client = clients.coati(place)
    client.connect(Login(office.ALICE, esp="aes256gcm16"), gateway.authority)

    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip))
    proofs.ping(place)
    proofs.ping(place, octets=3_000)  # in fragments, made before ESP
    proofs.download(place, web_server)
    assert web_server.was_visited_by(client.virtual_ip)

    assert client.disconnect() == 0
    assert client.resolv_conf.read_text() == NAME_SERVERS_BEFORE
    expect_sessions(gateway)


def test_prometheus_is_told_of_it(clients: Clients, gateway: Gateway, network: Network) -> None:
    assert isinstance(gateway, CoatiGateway)
    client = clients.coati(network.home_a)
    before = gateway.metrics()
    client.connect(Login(office.ALICE), gateway.authority)
    proofs.ping(network.home_a)

    def grew() -> set[str]:
        now = gateway.metrics()
        return {sample.partition("{")[0] for sample in now if now[sample] > before.get(sample, 0.0)}

    told = {
        "coati_sessions",
        "coati_sessions_started_total",
        "coati_logins_total",
        "coati_login_seconds_count",
        "coati_realm_seconds_count",
        "coati_traffic_bytes_total",
        "coati_ike_received_total",
        "coati_pool_addresses_taken",
    }
    eventually(lambda: told <= grew(), within=60, every=1, what=f"{told} grow")
    assert not any(office.ALICE.name in sample for sample in gateway.metrics())


def test_split_tunnel(clients: Clients, gateway: Gateway, network: Network) -> None:
    home = network.home_a
    client = clients.coati(home)
    client.connect(Login(office.ALICE, "psk", "aggressive", group=office.TINY_GROUP), gateway.authority)

    proofs.ping(home)
    inside, outside = (home.run("ip", "route", "get", address).stdout for address in (networks.SERVER, "10.78.0.2"))
    assert f"src {client.virtual_ip}" in inside
    assert "dev wan" in outside
    assert client.resolv_conf.read_text().startswith(f"nameserver {office.DNS}\nsearch {office.DOMAIN}\n")
    shown = client.log()
    assert f"  networks  {networks.INNER_NETWORK}\n" in shown
    assert f"  DNS       {office.DNS} for {office.DOMAIN}\n" in shown
    assert f"  | {office.BANNER}\n" in shown


def test_it_rekeys_both_phases_under_traffic(clients: Clients, gateway: Gateway, network: Network) -> None:
    home = network.home_a
    client = clients.coati(home)
    client.connect(Login(office.ALICE), gateway.authority, "--ike-lifetime", "10", "--child-lifetime", "10")
    session = Session(office.ALICE.name, client.virtual_ip)

    with proofs.SteadyPing(home) as pings:
        eventually(lambda: "carried_over=True" in client.log(), within=60, what="phase 1 is renewed")
        eventually(lambda: "replaces=None" in client.log(), within=60, what="the first Child SA")
        eventually(lambda: client.log().count("ChildSaEstablished") >= 2, within=60, what="the Child SA is renewed")
        pings.wait_for_replies(20)
        loss = pings.stop()

    assert loss.lost <= 1, loss.report
    expect_sessions(gateway, session)
    assert "connecting again" not in client.log()


def test_a_user_whom_the_administrator_disconnects_comes_back(
    clients: Clients, gateway: Gateway, network: Network
) -> None:
    home = network.home_a
    client = clients.coati(home)
    client.connect(Login(office.BOB), gateway.authority)

    gateway.disconnect(office.BOB.name)

    client.wait_connected(times=2)
    assert "the gateway disconnected us; connecting again in 1 s" in client.log()
    proofs.ping(home)

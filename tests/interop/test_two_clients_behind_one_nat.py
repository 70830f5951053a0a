"""Clients that share one NAT address are up at once, and neither notices the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network
    from tests.interop.lab.webserver import WebServer


def _download_at_once(network: Network, web_server: WebServer) -> None:
    with ThreadPoolExecutor(2) as pool:
        downloads = [pool.submit(proofs.download, place, web_server) for place in (network.home_a, network.home_b)]
        for download in downloads:
            download.result()


def test_two_users_with_strongswan(clients: Clients, gateway: Gateway, network: Network, web_server: WebServer) -> None:
    users = {network.home_a: office.ALICE, network.home_b: office.BOB}
    up = {place: clients.strongswan(place) for place in users}
    for place, client in up.items():
        client.start(Login(users[place]), gateway.authority)
        client.connect()

    expect_sessions(gateway, *(Session(users[place].name, client.virtual_ip) for place, client in up.items()))
    assert up[network.home_a].virtual_ip != up[network.home_b].virtual_ip
    _download_at_once(network, web_server)

    up[network.home_a].disconnect()
    expect_sessions(gateway, Session(office.BOB.name, up[network.home_b].virtual_ip))
    proofs.ping(network.home_b)


def test_strongswan_beside_vpnc(clients: Clients, gateway: Gateway, network: Network, web_server: WebServer) -> None:
    first, second = clients.strongswan(network.home_a), clients.vpnc(network.home_b)
    first.start(Login(office.ALICE, mode="aggressive"), gateway.authority)
    first.connect()
    second.start(office.BOB, gateway.authority)
    second.connect()

    _download_at_once(network, web_server)


def test_two_devices_of_one_user(clients: Clients, gateway: Gateway, network: Network, web_server: WebServer) -> None:
    """Each says INITIAL-CONTACT, from the same NAT address and with the same name; both must live."""
    first, second = clients.strongswan(network.home_a), clients.strongswan(network.home_b)
    for client in (first, second):
        client.start(Login(office.ALICE), gateway.authority)
        client.connect()

    expect_sessions(gateway, *(Session(office.ALICE.name, client.virtual_ip) for client in (first, second)))
    _download_at_once(network, web_server)

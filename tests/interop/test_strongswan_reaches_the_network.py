"""A strongSwan client logs in every way that it can, and its traffic flows through the tunnel and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.authority import Credential
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network, Place
    from tests.interop.lab.webserver import WebServer

METHODS = [
    pytest.param("hybrid", "main", id="hybrid main"),
    pytest.param("hybrid", "aggressive", id="hybrid aggressive"),
    pytest.param("psk", "main", id="group key main"),
    pytest.param("psk", "aggressive", id="group key aggressive"),
    pytest.param("rsa", "main", id="certificate main"),
    pytest.param("rsa", "aggressive", id="certificate aggressive"),
]
SUITES = [
    pytest.param("aes256-sha256-modp2048", "aes256-sha256", id="AES-256 SHA-256 MODP-2048"),
    pytest.param("aes128-sha1-modp1024", "aes128-sha1", id="AES-128 SHA-1 MODP-1024"),
    pytest.param("aes128-sha256-ecp256", "aes128gcm16", id="ECP-256 AES-GCM"),
]
# As swanctl lists them.
LISTED = {
    "aes256-sha256-modp2048": "AES_CBC-256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048",
    "aes256-sha256": "ESP:AES_CBC-256/HMAC_SHA2_256_128",
    "aes128-sha1-modp1024": "AES_CBC-128/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024",
    "aes128-sha1": "ESP:AES_CBC-128/HMAC_SHA1_96",
    "aes128-sha256-ecp256": "AES_CBC-128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/ECP_256",
    "aes128gcm16": "ESP:AES_GCM_16-128",
}


@pytest.mark.parametrize(("method", "mode"), METHODS)
@pytest.mark.parametrize(("ike", "esp"), SUITES)
def test_logs_in_and_downloads(
    *,
    clients: Clients,
    gateway: Gateway,
    network: Network,
    web_server: WebServer,
    client_credential: Credential,
    place: Place,
    method: str,
    mode: str,
    ike: str,
    esp: str,
) -> None:
    assert proofs.cannot_reach(place, web_server)
    before = network.seen_at_gateway()
    client = clients.strongswan(place)
    credential = client_credential if method == "rsa" else None

    client.start(Login(office.ALICE, method, mode, ike=ike, esp=esp, credential=credential), gateway.authority)
    client.connect()

    assert client.virtual_ip.startswith(office.POOL_PREFIX)
    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip))
    assert client.name_servers() == [office.DNS]
    assert LISTED[ike] in client.suite()
    assert LISTED[esp] in client.suite()

    proofs.ping(place)
    proofs.download(place, web_server)

    assert web_server.was_visited_by(client.virtual_ip)
    seen = network.seen_at_gateway()
    assert seen["esp_in_udp"] - before["esp_in_udp"] > 100
    assert seen["clear"] == before["clear"]

    client.disconnect()
    expect_sessions(gateway)
    assert proofs.cannot_reach(place, web_server)


def test_large_packets_cross_in_fragments(clients: Clients, gateway: Gateway, place: Place) -> None:
    client = clients.strongswan(place)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()

    proofs.ping(place, octets=4_000)


def test_charon_cmd_whose_port_changes_in_mid_login(
    clients: Clients, gateway: Gateway, network: Network, web_server: WebServer
) -> None:
    client = clients.charon_cmd(network.home_a)

    client.connect(Login(office.ALICE), gateway.authority)

    assert len(network.nat.mapped_ports()[network.home_a.address]) >= 2
    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip))
    proofs.ping(network.home_a)
    proofs.download(network.home_a, web_server)

"""What the administrator reads of a session, while it lives and when it is over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login
from tests.interop.lab.webserver import FILE_OCTETS

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network
    from tests.interop.lab.webserver import WebServer

pytestmark = pytest.mark.appliance


def _latest(gateway: CoatiGateway, which: str) -> dict[str, Any]:
    listed = json.loads(gateway.coati("session", "list", "--which", which, "--user", office.ALICE.name, "--json"))
    latest: dict[str, Any] = max(listed, key=lambda session: session["id"])
    return latest


def test_a_download_is_counted_to_its_last_octet(
    clients: Clients, gateway: CoatiGateway, network: Network, web_server: WebServer
) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()
    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip))

    live = _latest(gateway, "live")
    assert live["virtual_ip"] == client.virtual_ip
    assert live["peer_address"] == network.nat.address
    assert live["peer_port"] in network.nat.mapped_ports()[network.home_a.address]
    assert live["behind_nat"]
    assert live["authentication"] == "hybrid-rsa"
    assert live["ike_suite"] == "aes256-sha256-modp2048"
    assert live["esp_suite"] == "aes256-sha256"
    assert live["liveness"] == "alive"

    proofs.download(network.home_a, web_server)
    client.disconnect()

    def counted() -> bool:
        ended = _latest(gateway, "ended")
        return ended["virtual_ip"] == client.virtual_ip and ended["octets_out"] > FILE_OCTETS

    eventually(counted, within=60, what="an ended session with all that it carried")
    ended = _latest(gateway, "ended")
    assert ended["goodbye"] == "client-disconnected"
    assert ended["octets_out"] < 2 * FILE_OCTETS  # TCP may have sent some of it twice
    assert 0 < ended["octets_in"] < 0.1 * FILE_OCTETS

"""The gateway's certificate is renewed under a live session: packets go on, the next phase 1 is under the new one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network


@pytest.mark.appliance
def test_packets_go_on_and_the_next_login_is_under_the_new_one(
    clients: Clients, gateway: CoatiGateway, network: Network
) -> None:
    home = network.home_a
    client = clients.strongswan(home)
    client.start(Login(office.ALICE, "hybrid"), gateway.authority)
    client.connect()
    session = Session(office.ALICE.name, client.virtual_ip)
    loaded = gateway.log().count("configured")

    def shown() -> Any:
        return json.loads(gateway.coati("certificate", "show", "gateway", "--json"))

    before = shown()
    with proofs.SteadyPing(home) as pings:
        pings.wait_for_replies(10)
        gateway.coati("certificate", "renew", "gateway")
        eventually(lambda: gateway.log().count("configured") > loaded, within=60, what="the gateway has taken it up")
        client.rekey_child()
        pings.wait_for_replies(20)
        loss = pings.stop()
    assert loss.lost <= 1, loss.report
    assert shown()["serial_number"] != before["serial_number"]
    expect_sessions(gateway, session)

    client.rekey_ike()  # phase 1 anew: the gateway proves itself by the new one, which the client believes
    expect_sessions(gateway, session)
    proofs.ping(home)

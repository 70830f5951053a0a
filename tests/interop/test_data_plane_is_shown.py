"""An administrator sees what the esp process really holds (SAD and SPD), and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.lab import network as addresses
from tests.interop.lab import office, proofs
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network


def test_the_sas_and_policies_of_a_session_are_shown_with_what_they_carried(
    clients: Clients, gateway: CoatiGateway, network: Network
) -> None:
    assert gateway.held("sad") == gateway.held("spd") == []
    alice = clients.strongswan(network.home_a)
    alice.start(Login(office.ALICE), gateway.authority)
    alice.connect()
    proofs.ping(network.home_a)

    inbound, outbound = gateway.held("sad")
    for each, direction in ((inbound, "in"), (outbound, "out")):
        assert (each["direction"], each["state"], each["user"]) == (direction, "installed", office.ALICE.name)
        assert each["packets"] > 0
        assert each["encapsulated"]
    assert inbound["destination"] == outbound["source"] == f"{addresses.GATEWAY}:4500"
    policies = {(each["direction"], each["source"], each["destination"]) for each in gateway.held("spd")}
    assert policies == {
        ("in", f"{alice.virtual_ip}/32", addresses.INNER_NETWORK),
        ("out", addresses.INNER_NETWORK, f"{alice.virtual_ip}/32"),
    }
    assert gateway.held("sad", "--user", office.BOB.name) == gateway.held("sad", "--state", "orphan") == []
    for table in ("sad", "spd"):
        (line,) = [
            line for line in gateway.coati("gateway", table, gateway.node).splitlines() if " out " in f" {line} "
        ]
        assert office.ALICE.name in line.split()

"""Who asks for everything reaches what its group may reach: a firewall sees to it, and a change counts at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.network import INNER_GATEWAY, SERVER
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network, Place
    from tests.interop.lab.webserver import WebServer

pytestmark = [pytest.mark.ours, pytest.mark.appliance]

PROHIBITED = "Packet filtered"  # as ping calls ICMP "communication administratively prohibited"


@pytest.fixture
def group(gateway: CoatiGateway) -> Iterator[str]:
    """A group that Alice is in for the time of a scenario."""
    gateway.coati("group", "add", "limited")
    gateway.coati("user", "set", office.ALICE.name, "--group", "limited")
    yield "limited"
    gateway.coati("user", "set", office.ALICE.name, "--group", "")
    gateway.coati("group", "remove", "limited", "--yes")


def answer(place: Place, address: str) -> str:
    """What comes back for one ping."""
    done = place.run("ping", "-n", "-c", "1", "-W", "2", address, check=False)
    if " 1 received" in done.stdout:
        return "a reply"
    return PROHIBITED if PROHIBITED in done.stdout else "nothing"


def prohibited(place: Place, address: str) -> None:
    """Packets to this address are answered so; a kernel sends no such answer for every packet."""
    eventually(lambda: answer(place, address) == PROHIBITED, within=60, what=f"{address} is said to be prohibited")


def replies(place: Place, address: str) -> None:
    """Packets to this address are answered, if not the very first: it may overtake the last message of quick mode."""
    eventually(lambda: answer(place, address) == "a reply", within=60, what=f"{address} replies")


def blocked(gateway: CoatiGateway) -> int:
    """How many packets the firewall turned away."""
    listed = json.loads(gateway.place.run("nft", "-j", "list", "table", "ip", "coati").stdout)["nftables"]
    rules = [entry["rule"] for entry in listed if "rule" in entry and entry["rule"]["chain"].startswith("reach-")]
    return sum(part["counter"]["packets"] for rule in rules for part in rule["expr"] if "counter" in part)


def test_a_client_that_asks_for_everything_reaches_one_network(
    clients: Clients, gateway: CoatiGateway, network: Network, web_server: WebServer, group: str
) -> None:
    gateway.coati("group", "set", group, f"reachable={SERVER}/32")
    place = network.home_a
    client = clients.strongswan(place)
    client.start(Login(office.ALICE), gateway.authority, remote_networks="0.0.0.0/0")
    client.connect()

    replies(place, SERVER)
    proofs.download(place, web_server)
    prohibited(place, INNER_GATEWAY)  # meant for the gateway itself
    assert blocked(gateway) > 0

    # The group may reach something else now: no rekeying, no new login.
    gateway.coati("group", "set", group, f"reachable={INNER_GATEWAY}/32")
    replies(place, INNER_GATEWAY)
    prohibited(place, SERVER)  # meant for a network behind it
    assert proofs.cannot_reach(place, web_server)
    assert client.is_up()

    gateway.coati("group", "set", group, "reachable=inherit")
    replies(place, SERVER)


def test_who_gets_the_address_next_is_not_under_the_limits_of_the_one_before(
    clients: Clients, gateway: CoatiGateway, network: Network, group: str
) -> None:
    gateway.coati("group", "set", group, f"reachable={INNER_GATEWAY}/32")
    place = network.home_a
    client = clients.strongswan(place)
    client.start(Login(office.ALICE), gateway.authority, remote_networks="0.0.0.0/0")
    client.connect()
    prohibited(place, SERVER)
    address = client.virtual_ip
    gateway.disconnect(office.ALICE.name)
    eventually(lambda: not gateway.remainder(), within=60, what="nothing is held any more")
    gateway.coati("user", "set", office.BOB.name, f"address={address}")
    try:
        other = clients.strongswan(network.home_b)
        other.start(Login(office.BOB), gateway.authority)
        other.connect()
        assert other.virtual_ip == address
        proofs.ping(network.home_b)
    finally:
        gateway.coati("user", "set", office.BOB.name, "address=inherit")


def test_a_limit_ends_a_session_and_the_record_says_which(
    clients: Clients, gateway: CoatiGateway, network: Network, group: str
) -> None:
    gateway.coati("group", "set", group, "session-limit-seconds=4", "simultaneous-sessions=1")
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE), gateway.authority, remote_networks="0.0.0.0/0")
    client.connect()
    proofs.ping(network.home_a)
    eventually(lambda: not client.is_up(), within=60, what="the session has ended")

    def ended() -> list[dict[str, str]]:
        listed: list[dict[str, str]] = json.loads(gateway.coati("session", "list", "--which", "ended", "--json"))
        return [each for each in listed if each["goodbye"] == "session-limit"]

    eventually(lambda: bool(ended()), within=60, what="it is on record")
    assert ended()[0]["goodbye_reason"] == "the session lasted 0:00:04 (said for group limited)"


def test_a_realm_that_the_profile_does_not_take_is_refused_by_name_with_the_remedy(
    clients: Clients, gateway: CoatiGateway, network: Network
) -> None:
    gateway.coati("realm", "set", "local", "--disable")
    gateway.reload()
    try:
        client = clients.strongswan(network.home_a)
        client.start(Login(office.User(f"{office.ALICE.name}@local", office.ALICE.password)), gateway.authority)
        assert client.try_connect().returncode != 0

        def refusal() -> dict[str, str] | None:
            listed: list[dict[str, str]] = json.loads(gateway.coati("refusal", "list", "--json"))
            return next((each for each in listed if "which is disabled" in each["reason"]), None)

        eventually(lambda: refusal() is not None, within=60, what="the refusal is on record")
        found = refusal()
        assert found is not None
        assert found["reason"] == "'alice@local' asks for realm 'local', which is disabled"
        assert found["remedy"] == "to let its users in again: coati realm set local --enable"
    finally:
        gateway.coati("realm", "set", "local", "--enable")
        gateway.reload()


def test_a_user_chooses_its_realm_by_name(clients: Clients, gateway: CoatiGateway, network: Network) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(office.User(f"LOCAL\\{office.ALICE.name}", office.ALICE.password)), gateway.authority)
    client.connect()
    proofs.ping(network.home_a)

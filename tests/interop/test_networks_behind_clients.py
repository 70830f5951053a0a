"""A branch behind a client: reached from the gateway's network and back, kept to what its user may reach."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import network as lab
from tests.interop.lab import office, proofs
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login
from tests.interop.test_policy_is_enforced import answer, prohibited, replies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network, Place

pytestmark = [pytest.mark.ours, pytest.mark.appliance]


@pytest.fixture
def branch(network: Network) -> Iterator[Place]:
    """A host behind the client at home."""
    with network.branch(network.home_a) as host:
        yield host


@pytest.fixture
def allowed(gateway: CoatiGateway) -> Iterator[None]:
    """Alice may have the branch behind her, for the time of a scenario."""
    gateway.coati("user", "set", office.ALICE.name, f"routes={lab.BRANCH_NETWORK}")
    yield
    gateway.coati("user", "set", office.ALICE.name, "routes=inherit")


def routed(gateway: CoatiGateway) -> bool:
    """Whether the gateway's host sends what is for the branch into the tunnel."""
    return lab.BRANCH_NETWORK in gateway.place.run("ip", "route", "show", "proto", "67").stdout


def shown(gateway: CoatiGateway) -> dict[str, object]:
    """The one live session, as the command line tells it."""
    (session,) = json.loads(gateway.coati("session", "list", "--json"))
    found: dict[str, object] = session
    return found


@pytest.mark.usefixtures("allowed")
def test_a_branch_behind_strongswan_is_reached_and_reaches_back(
    clients: Clients, gateway: CoatiGateway, network: Network, branch: Place
) -> None:
    network.home_a.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE), gateway.authority, behind=lab.BRANCH_NETWORK)
    client.connect()
    assert routed(gateway)
    done = client.connect_branch()
    assert done.returncode == 0, done.stdout

    proofs.ping(network.home_a)  # the client itself, in its own Child SA
    replies(network.inner, lab.BRANCH_HOST)
    replies(branch, lab.SERVER)
    session = eventually(
        lambda: found if len((found := shown(gateway))["details"]["child_sas"]) == 2 else None,  # type: ignore[index]
        within=60,
        what="both Child SAs are shown",
    )
    assert session["networks"] == [lab.BRANCH_NETWORK]
    sides = {tuple(child["remote_networks"]) for child in session["details"]["child_sas"]}  # type: ignore[index]
    assert sides == {(f"{client.virtual_ip}/32",), (lab.BRANCH_NETWORK,)}

    client.disconnect()
    eventually(lambda: not routed(gateway), within=60, what="nothing leads to the branch any more")


@pytest.mark.usefixtures("allowed")
def test_a_branch_behind_our_own_client(
    clients: Clients, gateway: CoatiGateway, network: Network, branch: Place
) -> None:
    network.home_a.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    client = clients.coati(network.home_a)
    client.connect(Login(office.ALICE), gateway.authority, "--behind", lab.BRANCH_NETWORK)
    proofs.ping(network.home_a)
    replies(network.inner, lab.BRANCH_HOST)
    assert answer(branch, lab.SERVER) == "a reply"
    gateway.rekey(office.ALICE.name)
    replies(network.inner, lab.BRANCH_HOST)
    assert client.disconnect() == 0
    assert network.home_a.run("sysctl", "-n", "net.ipv4.ip_forward").stdout.strip() == "0"


@pytest.mark.usefixtures("allowed")
def test_a_branch_is_reached_whatever_becomes_of_the_gateways_process(
    clients: Clients, gateway: CoatiGateway, network: Network, branch: Place
) -> None:
    gateway.coati("user", "set", office.ALICE.name, f"reachable={lab.SERVER}/32")
    try:
        client = clients.coati(network.home_a)
        client.connect(Login(office.ALICE), gateway.authority, "--behind", lab.BRANCH_NETWORK)
        replies(network.inner, lab.BRANCH_HOST)
        # Stored with its second Child SA: a session that is younger than the last transaction is lost.
        eventually(
            lambda: len(shown(gateway)["details"]["child_sas"]) == 2,  # type: ignore[index]
            within=60,
            what="the session is written down",
        )
        served = gateway.log().count("serving ")
        gateway.kill_gateway_process()
        assert answer(network.inner, lab.BRANCH_HOST) == "a reply", "nobody serves IKE, and packets go on"
        eventually(lambda: gateway.log().count("serving ") > served, within=60, what="another process serves")
        assert routed(gateway)
        assert answer(network.inner, lab.BRANCH_HOST) == "a reply"
        gateway.rekey(office.ALICE.name)
        assert answer(branch, lab.SERVER) == "a reply"
        prohibited(branch, lab.INNER_GATEWAY)
        assert shown(gateway)["networks"] == [lab.BRANCH_NETWORK]
        client.disconnect()
        eventually(lambda: not routed(gateway), within=60, what="nothing leads to the branch any more")
    finally:
        gateway.coati("user", "set", office.ALICE.name, "reachable=inherit")


@pytest.mark.usefixtures("allowed")
def test_a_branch_reaches_what_its_user_may_and_what_is_turned_away_is_counted(
    clients: Clients, gateway: CoatiGateway, network: Network, branch: Place
) -> None:
    gateway.coati("user", "set", office.ALICE.name, f"reachable={lab.SERVER}/32")
    try:
        client = clients.coati(network.home_a)
        client.connect(Login(office.ALICE), gateway.authority, "--behind", lab.BRANCH_NETWORK)
        replies(branch, lab.SERVER)
        prohibited(branch, lab.INNER_GATEWAY)
        eventually(lambda: shown(gateway)["packets_blocked"], within=60, what="it is counted for the session")
        gateway.coati("user", "set", office.ALICE.name, f"reachable={lab.INNER_GATEWAY}/32")
        replies(branch, lab.INNER_GATEWAY)
        prohibited(branch, lab.SERVER)
        assert any(
            value > 0
            for sample, value in gateway.metrics().items()
            if sample.startswith("coati_packets_blocked_total") and 'reason="not-reachable"' in sample
        )
        client.disconnect()
    finally:
        gateway.coati("user", "set", office.ALICE.name, "reachable=inherit")


def test_a_network_that_the_user_may_not_have_is_refused_in_words(
    clients: Clients, gateway: CoatiGateway, network: Network
) -> None:
    client = clients.coati(network.home_a)
    client.start(Login(office.ALICE), gateway.authority, "--once", "--behind", lab.BRANCH_NETWORK)
    assert client.wait() != 0
    assert f"the gateway does not carry the network {lab.BRANCH_NETWORK} behind us" in client.log()


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        (lab.INNER_NETWORK, f"{lab.INNER_NETWORK} cannot be behind a client: the gateway is connected to"),
        (f"{lab.PUBLIC}/32", f"has the address {lab.PUBLIC} that the tunnel itself goes over"),
    ],
)
def test_a_network_that_is_somewhere_else_refuses_the_login_and_is_on_record(
    clients: Clients, gateway: CoatiGateway, network: Network, networks: str, words: str
) -> None:
    gateway.coati("user", "set", office.BOB.name, f"routes={networks}")
    try:
        client = clients.strongswan(network.public)
        client.start(Login(office.BOB), gateway.authority)
        assert client.try_connect().returncode != 0
        refusal = eventually(
            lambda: [each for each in gateway.refusals() if words in each.reason], within=60, what="it is on record"
        )[-1]
        assert refusal.stage == "Mode Config"
        assert "coati user set bob routes=" in refusal.remedy
    finally:
        gateway.coati("user", "set", office.BOB.name, "routes=inherit")


@pytest.mark.usefixtures("allowed")
def test_a_branch_is_behind_one_session_only(clients: Clients, gateway: CoatiGateway, network: Network) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()
    gateway.coati("user", "set", office.BOB.name, f"routes={lab.BRANCH_HOST}/32")
    try:
        other = clients.strongswan(network.public)
        other.start(Login(office.BOB), gateway.authority)
        assert other.try_connect().returncode != 0
        words = f"{lab.BRANCH_HOST}/32 (within or around {lab.BRANCH_NETWORK}) is behind user 'alice'"
        eventually(
            lambda: [each for each in gateway.refusals() if words in each.reason], within=60, what="it is on record"
        )
        other.stop()  # it would try again and again, and be in as soon as Alice is gone
        client.disconnect()
        eventually(lambda: not gateway.sessions(), within=60, what="Alice is gone")
        again = clients.strongswan(network.public)
        again.start(Login(office.BOB), gateway.authority)
        again.connect()
    finally:
        gateway.coati("user", "set", office.BOB.name, "routes=inherit")

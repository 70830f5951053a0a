"""The laboratory tells the truth: with charon as the gateway what must work works, and what must not does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import network as networks
from tests.interop.lab import office, proofs
from tests.interop.lab.charon_gateway import CharonGateway
from tests.interop.lab.gateway import Session
from tests.interop.lab.processes import Failed, run
from tests.interop.lab.strongswan import Login, StrongSwanClient
from tests.interop.lab.webserver import WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.lab.authority import Authority
    from tests.interop.lab.network import Network


@pytest.fixture(scope="module")
def other_network() -> Iterator[Network]:
    with networks.Network() as built:
        yield built


@pytest.fixture(scope="module")
def other_server(other_network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with WebServer(other_network.inner, tmp_path_factory.mktemp("www")) as server:
        yield server


@pytest.fixture(scope="module")
def charon(
    other_network: Network, tmp_path_factory: pytest.TempPathFactory, client_authority: Authority
) -> Iterator[CharonGateway]:
    with CharonGateway(other_network.gateway, tmp_path_factory.mktemp("charon"), client_authority) as gateway:
        yield gateway


def test_a_login_is_seen_from_every_side(
    charon: CharonGateway, other_network: Network, other_server: WebServer, tmp_path: Path
) -> None:
    home = other_network.home_a
    assert proofs.cannot_reach(home, other_server)
    with StrongSwanClient(home, tmp_path) as client:
        client.start(Login(office.ALICE), charon.authority)
        client.connect()
        assert charon.sessions() == [Session(office.ALICE.name, client.virtual_ip)]
        assert charon.remainder().leases == {client.virtual_ip}
        proofs.ping(home)
        proofs.download(home, other_server)
        assert other_server.was_visited_by(client.virtual_ip)
    assert not charon.remainder()
    assert proofs.cannot_reach(home, other_server)


def test_a_refused_login_is_seen(charon: CharonGateway, other_network: Network, tmp_path: Path) -> None:
    with StrongSwanClient(other_network.home_a, tmp_path) as client:
        client.start(Login(replace(office.ALICE, password="guessed")), charon.authority)
        with pytest.raises(Failed, match="XAuth authentication of 'alice' \\(myself\\) failed"):
            client.connect()
    assert charon.refusals()[-1].user == office.ALICE.name


def test_a_lost_ping_is_counted(charon: CharonGateway, other_network: Network, tmp_path: Path) -> None:
    """charon follows a changed NAT mapping only when the client's next IKE message comes."""
    home = other_network.home_a
    with StrongSwanClient(home, tmp_path) as client:
        client.start(Login(office.ALICE), charon.authority)
        client.connect()
        with proofs.SteadyPing(home) as pings:
            pings.wait_for_replies(5)
            other_network.nat.forget_mappings()
            pings.wait_for_replies(5)
            assert pings.stop().lost > 5


def test_nothing_of_it_stays_in_the_machine() -> None:
    with networks.Network() as network:
        names = {place.name for place in (network.gateway, network.nat, network.inner)}
        assert names <= _namespaces()
    assert names.isdisjoint(_namespaces())


def _namespaces() -> set[str]:
    return {line.split()[0] for line in run(["ip", "netns", "list"]).stdout.splitlines()}

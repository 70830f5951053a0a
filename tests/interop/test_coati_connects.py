"""``coati connect`` at a real strongSwan gateway: it logs in, its traffic flows, it stays, and it leaves no trace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import network as networks
from tests.interop.lab import office, proofs
from tests.interop.lab.authority import Authority
from tests.interop.lab.charon_gateway import CharonGateway
from tests.interop.lab.coati_client import NAME_SERVERS_BEFORE, CoatiClient
from tests.interop.lab.gateway import Session
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login
from tests.interop.lab.webserver import WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.lab.authority import Credential
    from tests.interop.lab.network import Network, Place

METHODS = [
    pytest.param("hybrid", "main", id="hybrid main"),
    pytest.param("hybrid", "aggressive", id="hybrid aggressive"),
    pytest.param("psk", "main", id="group key main"),
    pytest.param("psk", "aggressive", id="group key aggressive"),
    pytest.param("rsa", "main", id="certificate main"),
    pytest.param("rsa", "aggressive", id="certificate aggressive"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("coati-connects")
    for folder in (found, *list(found.parents)[:3]):
        if folder.name.startswith(("pytest", "coati")):
            folder.chmod(0o755)  # somebody without privilege is among the clients
    return found


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """A laboratory beside that of the other scenarios, whose gateway is ours."""
    with networks.Network() as built:
        yield built


@pytest.fixture(scope="module")
def web_server(network: Network, folder: Path) -> Iterator[WebServer]:
    with WebServer(network.inner, folder) as server:
        yield server


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority("The laboratory", folder / "authority")


@pytest.fixture(scope="module")
def credential(authority: Authority) -> Credential:
    return authority.issue("laptop.example.net")


@pytest.fixture(scope="module")
def charon(network: Network, folder: Path, authority: Authority) -> Iterator[CharonGateway]:
    with CharonGateway(network.gateway, folder, authority) as gateway:
        yield gateway


@pytest.fixture
def gateway(charon: CharonGateway) -> Iterator[CharonGateway]:
    assert not charon.remainder()
    yield charon
    eventually(lambda: not charon.remainder(), within=20, what="the gateway holds nothing any more")


@pytest.fixture
def client(gateway: CharonGateway, place: Place, folder: Path) -> Iterator[CoatiClient]:
    before = len(gateway.log())
    with CoatiClient(place, folder) as made:
        yield made
    print(made.log())  # noqa: T201  pytest shows it when the scenario fails
    print(gateway.log()[before:][-12_000:])  # noqa: T201


def traces(place: Place) -> tuple[set[str], set[str], str]:
    """What a client could leave behind in its place."""
    return place.links(), place.addresses(), place.run("ip", "route").stdout


@pytest.mark.parametrize(("method", "mode"), METHODS)
def test_logs_in_downloads_and_leaves_no_trace(
    *,
    client: CoatiClient,
    gateway: CharonGateway,
    network: Network,
    web_server: WebServer,
    credential: Credential,
    place: Place,
    method: str,
    mode: str,
) -> None:
    assert proofs.cannot_reach(place, web_server)
    untouched, before = traces(place), network.seen_at_gateway()

    login = Login(office.ALICE, method, mode, credential=credential if method == "rsa" else None)
    client.connect(login, gateway.authority)

    assert gateway.sessions() == [Session(office.ALICE.name, client.virtual_ip)]
    assert client.resolv_conf.read_text().startswith(f"nameserver {office.DNS}\n")
    proofs.ping(place)
    proofs.download(place, web_server)
    assert web_server.was_visited_by(client.virtual_ip)
    seen = network.seen_at_gateway()
    assert seen["esp_in_udp"] - before["esp_in_udp"] > 100
    assert seen["clear"] == before["clear"]

    assert client.disconnect() == 0
    assert traces(place) == untouched
    assert client.resolv_conf.read_text() == NAME_SERVERS_BEFORE
    assert re.search(r"deleting|DELETE|received DELETE", gateway.log())
    eventually(lambda: not gateway.sessions(), within=8, what="the session has ended")

"""The laboratory as fixtures: one network, one web server and one gateway for all scenarios, clients for each.

``COATI_INTEROP_GATEWAY=engine`` puts our engine alone in the gateway's place, to tell its faults from the appliance's;
``charon`` puts strongSwan there: a scenario that fails with both gateways is wrong itself. Scenarios of what the engine
alone does not do (marker ``appliance``) and of what only ours does (``ours``) are then left out.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import network as networks
from tests.interop.lab.authority import Authority
from tests.interop.lab.charon_gateway import CharonGateway
from tests.interop.lab.coati_client import CoatiClient
from tests.interop.lab.coati_gateway import CoatiGateway
from tests.interop.lab.engine_gateway import EngineGateway
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import CharonCmdClient, StrongSwanClient
from tests.interop.lab.vpnc import VpncClient
from tests.interop.lab.webserver import WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.lab.authority import Credential
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network, Place

AnyClient = StrongSwanClient | VpncClient | CharonCmdClient | CoatiClient

_WHICH = os.environ.get("COATI_INTEROP_GATEWAY", "coati")
_RUNNING = pytest.StashKey[object]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ours: shows what only our gateway does")
    config.addinivalue_line("markers", "appliance: shows what takes more than the engine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in here:
        item.add_marker(pytest.mark.interop)
    beyond = {"charon": ("ours", "appliance"), "engine": ("appliance",), "coati": ()}[_WHICH]
    left_out = [item for item in here if any(item.get_closest_marker(mark) for mark in beyond)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show what both ends logged when a scenario fails."""
    report = yield
    running = item.stash.get(_RUNNING, None)
    if report.failed and running is not None:
        report.sections += running.logs()
    return report


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all files of this run."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    with networks.Network() as built:
        yield built


@pytest.fixture(scope="session")
def web_server(network: Network, laboratory: Path) -> Iterator[WebServer]:
    with WebServer(network.inner, laboratory) as server:
        yield server


@pytest.fixture(scope="session")
def client_authority(laboratory: Path) -> Authority:
    """Issues what clients prove themselves by; charon as the gateway proves itself by it, too."""
    return Authority("The laboratory", laboratory / "authority")


@pytest.fixture(scope="session")
def stranger_authority(laboratory: Path) -> Authority:
    """Has issued nothing to anybody."""
    return Authority("A stranger", laboratory / "stranger")


@pytest.fixture(scope="session")
def client_credential(client_authority: Authority) -> Credential:
    return client_authority.issue("laptop.example.net")


@pytest.fixture(scope="session")
def running_gateway(network: Network, laboratory: Path, client_authority: Authority) -> Iterator[Gateway]:
    kind = {"charon": CharonGateway, "engine": EngineGateway, "coati": CoatiGateway}[_WHICH]
    with kind(network.gateway, laboratory, client_authority) as gateway:
        yield gateway


class Clients:
    """Makes clients, shows their logs, and stops them when the scenario is over."""

    def __init__(self, gateway: Gateway, directory: Path) -> None:
        self._gateway = gateway
        self._before = len(gateway.log())
        self._directory = directory
        self._made: list[AnyClient] = []
        self._stack = contextlib.ExitStack()

    def _add(self, client: AnyClient) -> None:
        self._made.append(client)
        self._stack.enter_context(client)

    def strongswan(self, place: Place) -> StrongSwanClient:
        client = StrongSwanClient(place, self._directory)
        self._add(client)
        return client

    def vpnc(self, place: Place) -> VpncClient:
        client = VpncClient(place, self._directory)
        self._add(client)
        return client

    def charon_cmd(self, place: Place) -> CharonCmdClient:
        client = CharonCmdClient(place, self._directory)
        self._add(client)
        return client

    def coati(self, place: Place) -> CoatiClient:
        client = CoatiClient(place, self._directory)
        self._add(client)
        return client

    def logs(self) -> list[tuple[str, str]]:
        """Titles and texts: the gateway's since the scenario began, and each client's."""
        of_clients = [(f"log of {type(client).__name__} in {client.place.name}", client.log()) for client in self._made]
        texts = [("log of the gateway", self._gateway.log()[self._before :]), *of_clients]
        return [(title, text[-8_000:]) for title, text in texts]

    def stop(self) -> None:
        self._stack.close()


@pytest.fixture
def gateway(running_gateway: Gateway) -> Iterator[Gateway]:
    """The gateway: holds nothing for clients before the scenario and nothing after it, and meets no bug meanwhile."""
    _holds_nothing(running_gateway)
    before = len(running_gateway.log())
    yield running_gateway
    assert "Traceback" not in running_gateway.log()[before:]
    _holds_nothing(running_gateway)


def _holds_nothing(gateway: Gateway) -> None:
    """Wait until it does: who was killed is noticed by its silence only, and all is written down a moment late."""
    eventually(lambda: not gateway.remainder(), within=60, what="the gateway holds nothing")


@pytest.fixture
def clients(gateway: Gateway, laboratory: Path, request: pytest.FixtureRequest) -> Iterator[Clients]:
    made = Clients(gateway, laboratory)
    request.node.stash[_RUNNING] = made
    yield made
    made.stop()


@pytest.fixture(params=["public", "home_a"], ids=["public address", "behind NAT"])
def place(network: Network, request: pytest.FixtureRequest) -> Place:
    """Where the client stands."""
    found: Place = getattr(network, request.param)
    return found

"""``coati connect`` at a real strongSwan gateway: it logs in, its traffic flows, it stays, and it leaves no trace."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from appliance.cli.connect import NO_PRIVILEGE, NOT_BELIEVED, REFUSED, UNREACHABLE
from tests.interop.lab import network as networks
from tests.interop.lab import office, proofs
from tests.interop.lab.authority import Authority
from tests.interop.lab.charon_gateway import CharonGateway
from tests.interop.lab.coati_client import NAME_SERVERS_BEFORE, CoatiClient
from tests.interop.lab.gateway import Session
from tests.interop.lab.office import User
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login
from tests.interop.lab.webserver import WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator

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
def folder() -> Iterator[Path]:
    """Open to somebody without privilege, who is among the clients: pytest's own folders are not."""
    with tempfile.TemporaryDirectory(prefix="coati-connects-") as found:
        Path(found).chmod(0o755)
        yield Path(found)


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
def stranger(folder: Path) -> Authority:
    """Has issued nothing to anybody."""
    return Authority("A stranger", folder / "stranger")


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
    eventually(lambda: not charon.remainder(), within=60, what="the gateway holds nothing any more")


@contextmanager
def _client(place: Place, gateway: CharonGateway, folder: Path) -> Iterator[CoatiClient]:
    before = len(gateway.log())
    with CoatiClient(place, folder) as made:
        yield made
    print(made.log())  # noqa: T201  pytest shows it when the scenario fails
    print(gateway.log()[before:][-12_000:])  # noqa: T201


@pytest.fixture
def client(gateway: CharonGateway, place: Place, folder: Path) -> Iterator[CoatiClient]:
    """A client at each place."""
    with _client(place, gateway, folder) as made:
        yield made


@pytest.fixture
def home(network: Network) -> Place:
    return network.home_a


@pytest.fixture
def home_client(gateway: CharonGateway, home: Place, folder: Path) -> Iterator[CoatiClient]:
    """A client behind the NAT."""
    with _client(home, gateway, folder) as made:
        yield made


def traces(place: Place) -> tuple[set[str], set[str], str]:
    """What a client could leave behind in its place."""
    return place.links(), place.addresses(), place.run("ip", "route").stdout


def reaches_the_server(place: Place) -> None:
    """Pings come back; the first may be too fast for charon, which takes ESP a moment after its last message."""
    with proofs.SteadyPing(place) as pings:
        pings.wait_for_replies(3)


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
    reaches_the_server(place)
    proofs.download(place, web_server)
    assert web_server.was_visited_by(client.virtual_ip)
    seen = network.seen_at_gateway()
    assert seen["esp_in_udp"] - before["esp_in_udp"] > 100
    assert seen["clear"] == before["clear"]

    assert client.disconnect() == 0
    assert traces(place) == untouched
    assert client.resolv_conf.read_text() == NAME_SERVERS_BEFORE
    assert re.search(r"deleting|DELETE|received DELETE", gateway.log())
    eventually(lambda: not gateway.sessions(), within=60, what="the session has ended")


def test_what_the_gateway_excludes_stays_outside(home_client: CoatiClient, gateway: CharonGateway, home: Place) -> None:
    home_client.connect(Login(office.ALICE, "psk", "aggressive", group=office.APART_GROUP), gateway.authority)

    reaches_the_server(home)
    inside, outside = (home.run("ip", "route", "get", address).stdout for address in ("198.51.99.1", "198.51.100.1"))
    assert f"src {home_client.virtual_ip}" in inside
    assert "dev wan" in outside


def test_no_secret_is_where_others_could_read_it(home_client: CoatiClient, gateway: CharonGateway) -> None:
    home_client.connect(Login(office.ALICE, "psk"), gateway.authority, "--verbose")

    pids = home_client.pids()
    assert len(pids) >= 3
    shown = [Path(f"/proc/{pid}/{file}").read_bytes() for pid in pids for file in ("cmdline", "environ")]
    for secret in (office.ALICE.password, office.GROUP_KEY):
        assert not any(secret.encode() in octets for octets in shown)
        assert secret not in home_client.log()


# ---- staying ----------------------------------------------------------------------------------------


def test_it_connects_anew_when_a_process_or_the_gateway_dies(
    home_client: CoatiClient, gateway: CharonGateway, home: Place
) -> None:
    untouched = traces(home)
    client, alert = home_client, ("--dpd-interval", "1", "--dpd-timeout", "2")
    client.connect(Login(office.ALICE), gateway.authority, *alert)

    client.kill_child("ike_engine.dataplane.userspace")
    client.wait_connected(times=2)
    reaches_the_server(home)

    client.kill_child("ike_engine.runtime.client")
    client.wait_connected(times=3)
    reaches_the_server(home)

    gateway.restart()
    client.wait_connected(times=4, within=60)
    reaches_the_server(home)
    assert len(home.links() - untouched[0]) == 1
    assert client.resolv_conf.read_text().count(f"nameserver {office.DNS}") == 1

    assert client.disconnect("INT") == 0
    assert traces(home) == untouched
    assert client.resolv_conf.read_text() == NAME_SERVERS_BEFORE


def test_once_is_once(home_client: CoatiClient, gateway: CharonGateway, home: Place) -> None:
    untouched = traces(home)
    home_client.connect(Login(office.ALICE), gateway.authority, "--once")
    gateway.disconnect(office.ALICE.name)
    assert home_client.wait() == UNREACHABLE
    assert traces(home) == untouched
    assert home_client.resolv_conf.read_text() == NAME_SERVERS_BEFORE


def test_what_a_killed_client_leaves_is_little_and_mended_by_the_next(
    home_client: CoatiClient, gateway: CharonGateway, home: Place
) -> None:
    untouched, client = traces(home), home_client
    client.connect(Login(office.ALICE), gateway.authority)
    children = client.pids()[1:]

    client.kill()
    for pid in children:
        eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists(), within=60, what=f"{pid} has ended as well")
    eventually(lambda: home.links() == untouched[0], within=60, what="the device is gone")
    assert client.resolv_conf.read_text() != NAME_SERVERS_BEFORE

    client.start(Login(office.ALICE), gateway.authority)
    client.wait_connected(times=2)
    reaches_the_server(home)
    assert client.disconnect() == 0
    assert traces(home) == untouched
    assert client.resolv_conf.read_text() == NAME_SERVERS_BEFORE


# ---- without privilege, and refused -----------------------------------------------------------------


def test_a_check_needs_no_privilege_and_changes_nothing(
    home_client: CoatiClient, gateway: CharonGateway, home: Place
) -> None:
    untouched = traces(home)
    home_client.start(Login(office.ALICE), gateway.authority, "--check", user="nobody")
    assert home_client.wait() == 0
    assert "the login is good: " in home_client.log()
    assert traces(home) == untouched
    assert home_client.resolv_conf.read_text() == NAME_SERVERS_BEFORE
    assert not gateway.sessions()


def test_without_privilege_a_tunnel_is_refused_in_words(home_client: CoatiClient, gateway: CharonGateway) -> None:
    home_client.start(Login(office.ALICE), gateway.authority, user="nobody")
    assert home_client.wait() == NO_PRIVILEGE
    assert "a tunnel needs a TUN device, and this user may not open one" in home_client.log()
    assert "use sudo; or try --check" in home_client.log()


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a login, and what the user is told."""

    status: int
    words: str
    login: Login = field(default_factory=lambda: Login(office.ALICE))
    options: tuple[str, ...] = ()
    by_stranger: bool = False


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(Wrong(REFUSED, "refused the login", Login(User("alice", "guessed"))), id="wrong password"),
        pytest.param(Wrong(NOT_BELIEVED, "check the CA file", by_stranger=True), id="wrong authority"),
        pytest.param(
            Wrong(NOT_BELIEVED, "vpn.example.com", options=("--gateway-name", "vpn.example.com")), id="wrong name"
        ),
        pytest.param(
            Wrong(REFUSED, "NO-PROPOSAL-CHOSEN", Login(office.ALICE, ike="aes256-sha512-ecp521")),
            id="no phase 1 proposal",
        ),
        pytest.param(
            Wrong(REFUSED, "NO-PROPOSAL-CHOSEN", Login(office.ALICE, esp="aes192-sha512")), id="no ESP proposal"
        ),
    ],
)
def test_why_it_did_not_work_is_said(
    home_client: CoatiClient, gateway: CharonGateway, stranger: Authority, wrong: Wrong
) -> None:
    authority = stranger.file if wrong.by_stranger else gateway.authority
    home_client.start(wrong.login, authority, "--check", *wrong.options)
    assert home_client.wait() == wrong.status
    assert wrong.words in home_client.log()
    assert "connected" not in home_client.log()

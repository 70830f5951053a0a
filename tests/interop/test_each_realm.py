"""Real clients log in through each kind of realm, and each login is history.

One gateway serves all of them: a realm is added while it runs, and is chosen by ``user@realm``, or is asked because
the local one, which is asked before, has no such user.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest

from appliance.models import EventKind
from tests.freeradius import SECRET, FreeRadius
from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.network import INNER_NETWORK, SERVER
from tests.interop.lab.office import User
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network

pytestmark = pytest.mark.appliance

MATRIX = "/usr/lib/x86_64-linux-gnu/pam_wrapper/pam_matrix.so"
UNIX_PASSWORD = "the same as at the console"
MATRIX_PASSWORD = "red pill, blue pill"
RADIUS_PASSWORD = "known on the whole campus"
WRONG = "neither pill nor console"


@dataclass(frozen=True)
class Known:
    """A realm and a user that it knows.

    Attributes:
        user: As typed by the user.
        canonical: As the gateway calls that user.
    """

    realm: str
    user: User
    canonical: str


@pytest.fixture(scope="module")
def local() -> Known:
    return Known("local", office.BOB, office.BOB.name)


def _service(lines: str) -> Path:
    file = Path("/etc/pam.d") / f"coati-test-{token_hex(6)}"
    file.write_text(lines)
    return file


@pytest.fixture(scope="module")
def pam_unix(running_gateway: CoatiGateway) -> Iterator[Known]:
    """A user of this machine."""
    name = f"coati-{token_hex(4)}"
    service = _service("auth required pam_unix.so\naccount required pam_unix.so\n")
    subprocess.run(["useradd", "--no-create-home", "--shell=/usr/sbin/nologin", name], check=True)
    try:
        subprocess.run(["chpasswd"], input=f"{name}:{UNIX_PASSWORD}\n", text=True, check=True)
        running_gateway.coati("realm", "add", "machine", "pam", "--setting", f"service={service.name}")
        running_gateway.reload()
        yield Known("machine", User(f"{name}@machine", UNIX_PASSWORD), name)
        running_gateway.coati("realm", "remove", "machine", "--yes")
    finally:
        subprocess.run(["userdel", name], check=True)
        service.unlink()


@pytest.fixture(scope="module")
def pam_matrix(running_gateway: CoatiGateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    """A user of a PAM module, without an account on this machine."""
    passdb = tmp_path_factory.mktemp("matrix") / "passdb"
    module = f"{MATRIX} passdb={passdb}"
    service = _service(f"auth required {module}\naccount required {module}\n")
    passdb.write_text(f"neo:{MATRIX_PASSWORD}:{service.name}\n")
    running_gateway.coati("realm", "add", "matrix", "pam", "--setting", f"service={service.name}")
    running_gateway.reload()
    yield Known("matrix", User("neo@matrix", MATRIX_PASSWORD), "neo")
    running_gateway.coati("realm", "remove", "matrix", "--yes")
    service.unlink()


@pytest.fixture(scope="module")
def radius(network: Network, running_gateway: CoatiGateway) -> Iterator[Known]:
    """A user of a RADIUS server behind the gateway."""
    where = {"address": SERVER, "ports": (1912, 1913), "clients": INNER_NETWORK, "prefix": network.inner.argv()}
    coati = running_gateway.coati
    with FreeRadius(f'ruth Cleartext-Password := "{RADIUS_PASSWORD}"\n', **where):
        coati("realm", "add", "campus", "radius")
        ports = ("--auth-port", "1912", "--acct-port", "1913")
        coati("realm", "server", "add", "campus", SERVER, *ports, "--secret-stdin", stdin=SECRET + "\n")
        running_gateway.reload()
        yield Known("campus", User("ruth@campus", RADIUS_PASSWORD), "ruth")
        coati("realm", "server", "remove", "campus", SERVER, "--yes")
        coati("realm", "remove", "campus", "--yes")


REALMS = ["local", "pam_unix", "pam_matrix", "radius"]


@pytest.fixture(params=REALMS)
def known(request: pytest.FixtureRequest) -> Known:
    """A realm that the gateway asks, and a user of it."""
    found: Known = request.getfixturevalue(request.param)
    return found


def strongswan(clients: Clients, gateway: CoatiGateway, network: Network, user: User) -> str:
    client = clients.strongswan(network.home_a)
    client.start(Login(user), gateway.authority)
    client.connect()
    return client.virtual_ip


def vpnc(clients: Clients, gateway: CoatiGateway, network: Network, user: User) -> str:
    client = clients.vpnc(network.home_a)
    client.start(user, gateway.authority)
    client.connect()
    return client.virtual_ip


@pytest.mark.parametrize("log_in", [strongswan, vpnc], ids=lambda log_in: log_in.__name__)
def test_a_real_client_logs_in_and_reaches_the_network(
    clients: Clients, gateway: CoatiGateway, network: Network, known: Known, log_in: Callable[..., str]
) -> None:
    virtual_ip = log_in(clients, gateway, network, known.user)
    proofs.ping(network.home_a)
    expect_sessions(gateway, Session(known.canonical, virtual_ip))
    login = eventually(
        lambda: next((event for event in gateway.events(known.canonical) if event.virtual_ip == virtual_ip), None),
        within=60,
        what="the login is history",
    )
    assert (login.kind, login.realm) == (EventKind.LOGIN, known.realm)
    clients.stop()
    logout = eventually(
        lambda: [event for event in gateway.events(known.canonical)[:1] if event.octets_in],
        within=60,
        what="the logout is history, with what it carried",
    )[0]
    assert (logout.kind, logout.realm, logout.virtual_ip) == (EventKind.LOGOUT, known.realm, virtual_ip)


def test_a_wrong_password_is_refused_and_on_record_and_nothing_tells_the_passwords(
    clients: Clients, gateway: CoatiGateway, network: Network, known: Known
) -> None:
    refused = clients.strongswan(network.home_b)
    refused.start(Login(User(known.user.name, WRONG)), gateway.authority)
    assert refused.try_connect().returncode != 0
    eventually(
        lambda: [event for event in gateway.events(known.user.name) if event.kind is EventKind.FAILURE],
        within=60,
        what="the failure is history",
    )
    secrets = [word.encode() for word in (known.user.password, WRONG, SECRET)]
    files = [file for file in gateway.directory.rglob("*") if file.is_file()]
    for pid in gateway.pids():
        files += [Path(f"/proc/{pid}/cmdline"), Path(f"/proc/{pid}/environ")]
    for file in files:
        content = file.read_bytes()
        assert not [secret for secret in secrets if secret in content], file


@pytest.fixture
def asked_in_turn(gateway: CoatiGateway, radius: Known) -> Iterator[Known]:
    """The RADIUS realm, asked after the local one."""
    gateway.change_profile("--realm", "local", "--realm", radius.realm)
    yield radius
    gateway.change_profile("--realm", "")


@pytest.mark.parametrize("log_in", [strongswan, vpnc], ids=lambda log_in: log_in.__name__)
def test_a_user_of_the_second_realm_types_a_plain_name(
    clients: Clients, gateway: CoatiGateway, network: Network, asked_in_turn: Known, log_in: Callable[..., str]
) -> None:
    virtual_ip = log_in(clients, gateway, network, User("ruth", RADIUS_PASSWORD))
    proofs.ping(network.home_a)
    expect_sessions(gateway, Session("ruth", virtual_ip))
    login = eventually(
        lambda: next((event for event in gateway.events("ruth") if event.virtual_ip == virtual_ip), None),
        within=60,
        what="the login is history",
    )
    assert (login.kind, login.realm) == (EventKind.LOGIN, asked_in_turn.realm)
    clients.stop()


@pytest.mark.usefixtures("asked_in_turn")
def test_whom_neither_realm_lets_in_is_on_record_with_what_both_said(
    clients: Clients, gateway: CoatiGateway, network: Network
) -> None:
    refused = clients.strongswan(network.home_b)
    refused.start(Login(User("nobody", WRONG)), gateway.authority)
    assert refused.try_connect().returncode != 0
    refusal = eventually(
        lambda: next((each for each in gateway.refusals() if each.user == "nobody" and "RADIUS" in each.reason), None),
        within=60,
        what="the refusal is on record",
    )
    assert refusal.reason.startswith("unknown user 'nobody' in realm 'local'; RADIUS server ")
    assert refusal.reason.endswith(" refused 'nobody'")
    assert refusal.remedy == "the server's own log tells more"


def test_the_realm_tells_of_itself_and_judges_a_test(gateway: CoatiGateway, known: Known) -> None:
    tested = gateway.coati(
        *("realm", "test", known.realm, "--user", known.canonical, "--password-stdin"), stdin=known.user.password + "\n"
    )
    assert f"'{known.canonical}' may come in" in tested


def test_a_second_prompt_of_a_module_is_asked_of_the_user(
    clients: Clients, gateway: CoatiGateway, network: Network, pam_unix: Known, tmp_path: Path
) -> None:
    passdb = tmp_path / "passdb"
    service = _service(
        f"auth required pam_unix.so\nauth required {MATRIX} passdb={passdb}\naccount required pam_permit.so\n"
    )
    passdb.write_text(f"{pam_unix.canonical}:{MATRIX_PASSWORD}:{service.name}\n")
    gateway.coati("realm", "add", "twice", "pam", "--setting", f"service={service.name}")
    gateway.reload()
    try:
        client = clients.vpnc(network.home_a)
        user = User(f"{pam_unix.canonical}@twice", UNIX_PASSWORD)
        client.start(user, gateway.authority, on_terminal=True)
        client.type("Passcode for VPN", MATRIX_PASSWORD)
        client.connect()
        expect_sessions(gateway, Session(pam_unix.canonical, client.virtual_ip))
        clients.stop()
    finally:
        gateway.coati("realm", "remove", "twice", "--yes")
        service.unlink()


def test_pam_is_root_without_a_network_and_everybody_else_is_not(
    clients: Clients, gateway: CoatiGateway, network: Network, pam_matrix: Known
) -> None:
    strongswan(clients, gateway, network, pam_matrix.user)
    [worker] = [
        pid for pid in gateway.pids() if "appliance.auth.pam.worker" in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    interfaces = Path(f"/proc/{worker}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
    links = subprocess.run(
        ["nsenter", f"--target={worker}", "--net", "ip", "-brief", "link"], capture_output=True, text=True, check=True
    )
    assert links.stdout.split()[1] == "DOWN"

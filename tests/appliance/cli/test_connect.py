"""``coati connect``: what is typed becomes an order, what comes of it becomes words and an exit status."""

import asyncio
import io
import os
import pty
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from appliance.cli import connect as command
from appliance.cli import console, program
from appliance.cli.connect import Screen, typed
from ike_engine.actions import Prompt
from ike_engine.runtime import client_keeper
from ike_engine.runtime.client_keeper import CannotConnect, NoPrivilege, Wishes
from ike_engine.runtime.client_messages import Asked, Connected, Ended, Ending
from ike_engine.runtime.client_order import LEGACY_IKE, MODERN_ESP, MODERN_IKE, ClientOrder
from ike_engine.runtime.keeper import DataPlaneKind
from tests.interop.lab.authority import Authority, Credential

CONNECTED = Connected(
    address=IPv4Address("10.9.0.1"),
    networks=(IPv4Network("10.77.0.0/24"),),
    excluded=(IPv4Network("192.168.0.0/16"),),
    dns=(IPv4Address("10.77.0.53"),),
    domain="office.example.net",
    split_dns=("example.net",),
    banner="Welcome\nto the office",
    gateway="CN=vpn.example.net",
    remote="192.0.2.1:4500",
    mode="main",
    authentication="hybrid-rsa",
    ike_suite="aes256-sha256-modp2048",
    esp_suite="aes256gcm16",
)


@dataclass
class Keeper:
    """Stands for ``client_keeper``: notes the order, and has the stay end as the test says."""

    ended: Ended = field(default_factory=lambda: Ended(Ending.DISCONNECTED, "disconnected"))
    error: Exception | None = None
    order: ClientOrder | None = None
    wishes: Wishes | None = None
    wanted: DataPlaneKind | None = None

    async def keep(self, order: ClientOrder, host: str, wishes: Wishes, *_: object) -> Ended:
        self.order, self.wishes = replace(order, gateway=host), wishes
        if self.error is not None:
            raise self.error
        return self.ended

    def choose(self, wanted: DataPlaneKind | None) -> DataPlaneKind:
        self.wanted = wanted
        return wanted or DataPlaneKind.USERSPACE


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Keeper:
    stand_in = Keeper()
    monkeypatch.setattr(client_keeper, "keep", stand_in.keep)
    monkeypatch.setattr(client_keeper, "choose_data_plane", stand_in.choose)
    return stand_in


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority("The laboratory", tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def credential(authority: Authority) -> Credential:
    return authority.issue("laptop.example.net")


@pytest.fixture
def ca(authority: Authority) -> str:
    return str(authority.file)


Connect = Callable[..., tuple[int, str]]


@pytest.fixture
def connect(keeper: Keeper, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Connect:
    """Run ``coati connect vpn.example.net --user ada ...``; give the exit status and what was said."""
    del keeper

    def run(*arguments: str, stdin: str = "secret\n") -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        words = ["connect", "vpn.example.net", "--user", "ada", *arguments]
        status = console.guarded(lambda **options: typer.main.get_command(program.app)(words, **options))
        return status, capsys.readouterr().err

    return run


# ---- what is typed ----------------------------------------------------------------------------------


def test_a_ca_and_a_password_are_enough(connect: Connect, keeper: Keeper, ca: str) -> None:
    assert connect("--ca", ca, "--password-stdin") == (0, "")
    order, wishes = keeper.order, keeper.wishes
    assert order is not None
    assert wishes is not None
    assert (order.user, order.password, order.gateway) == ("ada", b"secret", "vpn.example.net")
    assert (order.authentication, order.mode, order.gateway_name) == ("hybrid-rsa", "main", "vpn.example.net")
    assert (order.ike_proposals, order.esp_proposals, order.pfs) == (MODERN_IKE, MODERN_ESP, "")
    assert order.networks == ("0.0.0.0/0",)
    assert (wishes.routes, wishes.dns, wishes.once, wishes.data_plane) == (True, True, False, DataPlaneKind.USERSPACE)
    assert keeper.wanted is None  # the kernel, if it can


def test_a_group_key_is_read_before_the_password(connect: Connect, keeper: Keeper) -> None:
    assert connect("--psk-stdin", "--password-stdin", "--group", "staff", stdin="group key\nsecret\n") == (0, "")
    order = keeper.order
    assert order is not None
    assert (order.authentication, order.mode, order.group) == ("xauth-psk", "aggressive", "staff")
    assert (order.pre_shared_key, order.password, order.gateway_name) == (b"group key", b"secret", "")


def test_secrets_come_from_files_by_their_first_line(connect: Connect, keeper: Keeper, tmp_path: Path) -> None:
    (tmp_path / "psk").write_text("group key\r\nand a remark\n")
    (tmp_path / "password").write_text("secret")
    files = ("--psk-file", str(tmp_path / "psk"), "--password-file", str(tmp_path / "password"))
    assert connect(*files) == (0, "")
    assert keeper.order is not None
    assert (keeper.order.pre_shared_key, keeper.order.password) == (b"group key", b"secret")
    assert keeper.order.mode == "main"


def test_a_certificate_means_rsa(connect: Connect, keeper: Keeper, ca: str, credential: Credential) -> None:
    certified = ("--ca", ca, "--cert", str(credential.certificate), "--key", str(credential.key))
    assert connect(*certified, "--password-stdin", "--gateway-name", "gw.example.net") == (0, "")
    assert keeper.order is not None
    assert (keeper.order.authentication, keeper.order.gateway_name) == ("xauth-rsa", "gw.example.net")


def test_the_passphrase_of_a_key_is_asked_for_and_the_key_crosses_without(
    connect: Connect,
    keeper: Keeper,
    ca: str,
    credential: Credential,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = load_pem_private_key(credential.key.read_bytes(), None)
    encrypted = tmp_path / "key.pem"
    encrypted.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")))
    asked = []

    def typing(prompt: str, *, stdin: bool) -> SecretStr:
        asked.append((prompt, stdin))
        return SecretStr("open sesame")

    monkeypatch.setattr(console, "read_secret", typing)
    words = ("--ca", ca, "--cert", str(credential.certificate), "--key", str(encrypted), "--password-stdin")
    assert connect(*words) == (0, "")
    assert asked == [(f"Passphrase of {encrypted}", False)]
    assert keeper.order is not None
    assert b"ENCRYPTED" not in keeper.order.private_key


def test_everything_else_that_can_be_typed(connect: Connect, keeper: Keeper, ca: str) -> None:
    words = "--legacy --pfs modp2048 --network 10.1.0.0/16 --network 10.2.0.0/16 --data-plane xfrm --no-routes --no-dns"
    ports = "--mtu 1300 --port 1500 --natt-port 14500 --local-port 2500 --local-natt-port 24500 --once"
    branch = "--behind 172.20.7.0/24 --behind 172.20.9.0/24"
    staying = "--ike-lifetime 3600 --child-lifetime 600 --dpd-interval 5 --dpd-timeout 15 --mode aggressive"
    assert connect("--ca", ca, "--password-stdin", *f"{words} {ports} {staying} {branch}".split()) == (0, "")
    order, wishes = keeper.order, keeper.wishes
    assert order is not None
    assert wishes == Wishes(
        data_plane=DataPlaneKind.XFRM,
        local_port=2500,
        local_nat_t_port=24500,
        routes=False,
        forward=True,
        dns=False,
        mtu=1300,
        once=True,
    )
    assert (order.ike_proposals, order.pfs, order.mode) == (LEGACY_IKE, "modp2048", "aggressive")
    assert (order.networks, order.port, order.nat_t_port) == (("10.1.0.0/16", "10.2.0.0/16"), 1500, 14500)
    assert order.behind == ("172.20.7.0/24", "172.20.9.0/24")
    assert (order.isakmp_lifetime_seconds, order.child_lifetime_seconds) == (3600, 600)
    assert (order.dpd_interval_seconds, order.dpd_timeout_seconds) == (5, 15)


def test_a_check_asks_for_no_data_plane(connect: Connect, keeper: Keeper, ca: str) -> None:
    keeper.wanted = DataPlaneKind.XFRM
    assert connect("--ca", ca, "--password-stdin", "--check") == (0, "")
    assert keeper.wanted is DataPlaneKind.XFRM  # was not asked
    assert keeper.wishes is not None
    assert keeper.wishes.only_check


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--password-stdin", "a CA certificate is needed"),
        ("--ca CA", "use --password-stdin"),
        ("--ca /nonexistent", "does not exist"),
        ("--ca /", "is a directory"),
        ("--ca DER --password-stdin", "is not in PEM; openssl x509 -inform der"),
        ("--ca CA --password-stdin --password-file CA", "rule each other out"),
        ("--psk-stdin --psk-file CA", "rule each other out"),
        ("--ca CA --password-file EMPTY", "the password is empty"),
        ("--ca CA --password-stdin --network 10.0.0.1/8", "host bits set"),
        ("--ca CA --password-stdin --ike enigma", "write cipher-hash-group"),
        ("--ca CA --password-stdin --pfs modp1", "unknown group 'modp1'"),
        ("--ca CA --password-stdin --method rsa", "a certificate and its key are needed"),
        ("--ca CA --password-stdin --mtu 9000", "less than or equal to 1446"),
        ("--ca CA --password-stdin --data-plane none", "'none'"),
        ("--password secret", "No such option"),
    ],
)
def test_wrong_use_is_said_in_words(
    connect: Connect, keeper: Keeper, ca: str, tmp_path: Path, words: str, complaint: str
) -> None:
    (tmp_path / "der").write_bytes(b"\x30\x82\xff\xff")
    (tmp_path / "empty").write_bytes(b"\n")
    places = {"CA": ca, "DER": str(tmp_path / "der"), "EMPTY": str(tmp_path / "empty")}
    status, said = connect(*(places.get(word, word) for word in words.split()))
    assert status == console.WRONG_USE
    assert complaint in said
    assert "Traceback" not in said
    assert keeper.order is None


# ---- what comes of it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (Ending.DISCONNECTED, 0),
        (Ending.FAILED, 1),
        (Ending.LOST, 3),
        (Ending.UNREACHABLE, 3),
        (Ending.REFUSED, 4),
        (Ending.NOT_BELIEVED, 5),
    ],
)
def test_each_ending_has_its_status(connect: Connect, keeper: Keeper, ca: str, ending: Ending, status: int) -> None:
    keeper.ended = Ended(ending, "it ended", "mend it")
    said = "" if ending is Ending.DISCONNECTED else "coati: it ended; mend it\n"
    assert connect("--ca", ca, "--password-stdin") == (status, said)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NoPrivilege("a tunnel needs a TUN device", "use sudo"), (6, "coati: a tunnel needs a TUN device; use sudo\n")),
        (CannotConnect("cannot bind UDP 0.0.0.0:500"), (1, "coati: cannot bind UDP 0.0.0.0:500\n")),
    ],
)
def test_what_stands_in_the_way_is_said(
    connect: Connect, keeper: Keeper, ca: str, error: Exception, outcome: tuple[int, str]
) -> None:
    keeper.error = error
    assert connect("--ca", ca, "--password-stdin") == outcome


def test_without_privilege_nobody_is_asked_for_a_password(
    connect: Connect, keeper: Keeper, ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> DataPlaneKind:
        raise NoPrivilege("no TUN", "use sudo")

    monkeypatch.setattr(client_keeper, "choose_data_plane", refuse)
    assert connect("--ca", ca) == (6, "coati: no TUN; use sudo\n")
    assert keeper.order is None


def test_the_statuses_are_those_that_the_command_documents() -> None:
    documented = command.__doc__ or ""
    for status in {*command._EXIT.values(), console.WRONG_USE, command.NO_PRIVILEGE}:
        assert f"{status} " in documented


# ---- the terminal -----------------------------------------------------------------------------------


def test_what_the_gateway_gave_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    Screen("vpn.example.net", "ada").connected(CONNECTED, "coati0")
    assert capsys.readouterr().out.splitlines() == [
        "connected to vpn.example.net (192.0.2.1:4500) as ada",
        "  gateway   CN=vpn.example.net",
        "  address   10.9.0.1 on coati0",
        "  networks  10.77.0.0/24",
        "  outside   192.168.0.0/16",
        "  DNS       10.77.0.53 for example.net",
        "  domain    office.example.net",
        "  phase 1   hybrid-rsa in main mode, aes256-sha256-modp2048",
        "  ESP       aes256gcm16",
        "  | Welcome",
        "  | to the office",
    ]
    Screen("vpn.example.net", "ada").connected(CONNECTED, "")
    assert capsys.readouterr().out.startswith("the login is good: vpn.example.net")


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """What the user has (keys and glass), and what the program has."""
    glass, line = pty.openpty()
    yield glass, line
    os.close(glass)
    os.close(line)


def echoes(line: int) -> bool:
    attributes: list[Any] = termios.tcgetattr(line)
    return bool(attributes[3] & termios.ECHO)


async def until_asked(glass: int) -> str:
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(glass, readable.set)
    async with asyncio.timeout(60):
        await readable.wait()
    loop.remove_reader(glass)
    return os.read(glass, 1_000).decode()


async def test_a_passcode_is_typed_unseen(terminal: tuple[int, int]) -> None:
    glass, line = terminal
    typing = asyncio.create_task(typed(line, "Passcode: "))
    assert await until_asked(glass) == "Passcode: "
    assert not echoes(line)
    os.write(glass, b"271828\n")
    assert await typing == b"271828"
    assert echoes(line)
    assert b"271828" not in os.read(glass, 1_000)


async def test_a_question_that_is_withdrawn_leaves_the_terminal_as_it_was(terminal: tuple[int, int]) -> None:
    glass, line = terminal
    typing = asyncio.create_task(typed(line, "Passcode: "))
    await until_asked(glass)
    typing.cancel()
    await asyncio.gather(typing, return_exceptions=True)
    assert echoes(line)


async def test_a_question_is_asked_on_the_terminal_whatever_standard_input_is(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    glass, line = terminal
    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *rest, **more: os.dup(line) if path == "/dev/tty" else real(path, *rest, **more)
    )
    answering = asyncio.create_task(Screen("gw", "ada").answer(Asked(1, "What does your token show?", Prompt.PASSCODE)))
    assert await until_asked(glass) == "What does your token show?\r\nPasscode: "
    os.write(glass, b"271828\n")
    assert await answering == b"271828"


async def test_without_a_terminal_the_question_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_terminal(*_: object, **__: object) -> int:
        raise OSError("No such device or address")

    monkeypatch.setattr(os, "open", no_terminal)
    assert await Screen("gw", "ada").answer(Asked(1, "", Prompt.NEXT_PIN)) == b""
    assert capsys.readouterr().err == "coati: gw asks (New PIN), but there is no terminal to ask on\n"

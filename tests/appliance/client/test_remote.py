"""The client and the command line over the network: real TLS, the authority that vouches, words for what fails."""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import pytest
import typer
import uvicorn

from appliance import first_start
from appliance.api import application
from appliance.certificates import service as certificates
from appliance.cli import console, program
from appliance.client import Client, GatewayAway, Refused
from appliance.installation import Actor, Installation
from appliance.models import CertificatePurpose, Scope
from appliance.settings import Settings
from appliance.tokens import service as tokens
from appliance.tokens.schemas import NewToken
from webui.served_certificate import ServedCertificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PASSWORD = "correct horse battery"
HERE = Actor("a test")


class Panel(NamedTuple):
    url: str
    ca: Path
    tokens: dict[Scope, Path]


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """A gateway's API in a thread, over TLS."""
    folder = tmp_path_factory.mktemp("panel")
    bound = socket.create_server(("127.0.0.1", 0))
    ready, servers, files = threading.Event(), [], {scope: folder / scope.value for scope in Scope}

    async def serve() -> None:
        async with Installation.open(Settings(data_dir=folder / "data", public_name="vpn.example.net")) as installation:
            await first_start.ensure(installation)
            async with installation.transaction(HERE) as work:
                for scope, file in files.items():
                    token = await tokens.create(work, NewToken(name=scope.value, scopes=(scope,)))
                    file.write_text(token.token + "\n")
                (folder / "ca.pem").write_text((await certificates.show(work, CertificatePurpose.AUTHORITY)).pem)
            config = uvicorn.Config(application.create(installation), log_config=None, loop="asyncio", lifespan="off")
            config.load()
            served = ServedCertificate(installation)
            await served.load()
            config.ssl = served.context
            server = uvicorn.Server(config)
            servers.append(server)
            ready.set()
            await server.serve(sockets=[bound])

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(60)
    yield Panel(f"https://localhost:{bound.getsockname()[1]}", folder / "ca.pem", files)
    servers[0].should_exit = True
    thread.join(30)
    bound.close()


@pytest.fixture
def client(panel: Panel) -> Iterator[Client]:
    with Client(panel.url, panel.tokens[Scope.WRITE].read_text(), panel.ca) as opened:
        yield opened


def test_a_user_is_defined_listed_and_removed(client: Client) -> None:
    assert client.define_user("alice", full_name="Alice", password=PASSWORD).full_name == "Alice"
    (alice,) = client.list_users(text="ali").items
    assert (alice.name, alice.enabled) == ("alice", True)
    assert client.change_user("alice", enabled=False).enabled is False
    assert client.remove_user("alice") is None
    with pytest.raises(Refused, match="no user alice") as refused:
        client.show_user("alice")
    assert (refused.value.kind, refused.value.status) == ("not-found", 404)
    assert "define_pool" in dir(client)
    with pytest.raises(AttributeError, match="no operation paint_user"):
        client.paint_user("alice")


def test_refusals_keep_their_field_and_remedy(client: Client) -> None:
    with pytest.raises(Refused, match="too weak") as refused:
        client.define_user("bob", password="bob")
    assert refused.value.field == "password"
    with pytest.raises(Refused, match="has not the scope own"):
        client.create_token(name="mine")


def test_only_the_gateway_that_was_meant_gets_the_token(panel: Panel) -> None:
    with Client(panel.url, "coati_x") as stranger, pytest.raises(GatewayAway, match="does not answer") as away:
        stranger.list_users()
    assert "--ca FILE" in away.value.remedy
    with pytest.raises(ValueError, match="does not travel in clear"):
        Client("http://localhost:8443", "coati_x")
    with Client("https://127.0.0.1:9", "coati_x", panel.ca) as nobody, pytest.raises(GatewayAway):
        nobody.list_users()


@pytest.fixture
def coati(
    panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command for the gateway; there is none on this machine."""
    for name in [name for name in os.environ if name.startswith("COATI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COATI_DATA_DIR", str(tmp_path / "nothing here"))

    def run(*arguments: str, stdin: str = "", scope: Scope = Scope.WRITE) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        there = ("--url", panel.url, "--ca", str(panel.ca), "--token-file", str(panel.tokens[scope]))
        command: Any = typer.main.get_command(program.app)
        status = console.guarded(lambda **options: command([*there, *arguments], **options))
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command as it is typed; give its status and what it complains of."""
    for name in [name for name in os.environ if name.startswith("COATI_")]:
        monkeypatch.delenv(name)
    command: Any = typer.main.get_command(program.app)

    def run(*arguments: str) -> tuple[int, str]:
        return console.guarded(lambda **options: command([*arguments], **options)), capsys.readouterr().err

    return run


def test_the_same_commands_work_from_afar(coati: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    added = coati("user", "add", "carol", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert added == (0, "added user carol\n", "")
    assert [user["name"] for user in json.loads(coati("user", "list", "--json")[1])] == ["carol"]
    assert coati("pool", "set", "default", "--banner", "Welcome")[0] == 0
    assert json.loads(coati("pool", "show", "default", "--json")[1])["banner"] == "Welcome"
    assert coati("settings", "set", "session_days", "30", scope=Scope.OWN)[1] == "session_days is 30\n"
    assert coati("session", "list")[1] == "nobody is connected\n"
    assert "carol" in coati("user", "show", "carol")[1]
    assert coati("user", "remove", "carol", "--yes")[1] == "removed user carol\n"
    assert not (tmp_path / "nothing here").exists()


def test_failures_from_afar_are_the_same_words(coati: Callable[..., tuple[int, str, str]]) -> None:
    assert coati("user", "show", "nobody") == (1, "", "coati: there is no user nobody\n")
    weak = coati("user", "add", "alice", "--password-stdin", stdin="alice\n")
    assert weak[0] == 1
    assert weak[2].startswith("coati: the password is too weak")
    status, _, words = coati("settings", "reset", "session_days")
    assert (status, "has not the scope own" in words) == (1, True)
    status, _, words = coati("connect", "--help")
    assert status == 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost:8443", "does not travel in clear"),
        ("https://localhost:8443/api/v1", "without what comes after"),
    ],
)
def test_a_wrong_address_is_wrong_use(panel: Panel, run: Callable[..., Any], url: str, words: str) -> None:
    status, said = run("--url", url, "--token-file", str(panel.tokens[Scope.READ]), "user", "list")
    assert (status, words in said) == (2, True)


def test_files_that_hold_something_else_are_said_to(panel: Panel, run: Callable[..., Any], tmp_path: Path) -> None:
    empty, octets = tmp_path / "empty", tmp_path / "octets"
    empty.write_text("\n")
    octets.write_bytes(b"t\xf6k\xff")
    token = ("--token-file", str(panel.tokens[Scope.READ]))
    # An empty file must not mean the authorities of the system.
    status, said = run("--url", panel.url, *token, "--ca", str(empty), "user", "list")
    assert (status, "no certificate in PEM" in said) == (2, True)
    status, said = run("--url", panel.url, "--token-file", str(octets), "--ca", str(panel.ca), "user", "list")
    assert (status, "this is no token" in said) == (2, True)
    missing = tmp_path / "missing"
    status, said = run("--url", panel.url, *token, "--ca", str(missing), "user", "list")
    assert (status, said) == (1, f"coati: {missing}: No such file or directory\n")


def test_a_bundle_of_authorities_may_be_large_and_have_comments(
    panel: Panel, run: Callable[..., Any], tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("# Gefälschte Autorität\n" + f"{panel.ca.read_text()}\n" * 200, encoding="utf-8")
    assert bundle.stat().st_size > 200_000
    there = ("--url", panel.url, "--ca", str(bundle), "--token-file", str(panel.tokens[Scope.READ]))
    assert run(*there, "user", "list") == (0, "")


def test_a_number_that_none_can_be_is_wrong_use(
    coati: Callable[..., tuple[int, str, str]],
) -> None:
    assert coati("session", "show", "9" * 30) == (
        2,
        "",
        "coati: session-id: at most 9223372036854775807\n",
    )


def test_a_gateway_needs_a_token(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COATI_TOKEN", raising=False)
    command: Any = typer.main.get_command(program.app)
    status = console.guarded(lambda **options: command(["--url", "https://localhost", "user", "list"], **options))
    assert status == 2
    assert "--token-file" in capsys.readouterr().err


@pytest.mark.parametrize(("after", "waits"), [("2", [2.0]), ("3600", []), ("", [])])
def test_who_asks_too_fast_waits_if_it_is_not_long(after: str, waits: list[float]) -> None:
    problem = {"type": "urn:coati:problem:too-many-requests", "detail": "too fast"}
    answers = [
        httpx2.Response(429, headers={"Retry-After": after}, json=problem),
        httpx2.Response(200, json={"items": [], "total": 0}),
    ]
    slept: list[float] = []
    transport = httpx2.MockTransport(lambda _request: answers.pop(0))
    with Client("https://gateway.test", "coati_x", transport=transport, sleep=slept.append) as client:
        if waits:
            assert client.list_users().total == 0
        else:
            with pytest.raises(Refused, match="too fast"):
                client.list_users()
    assert slept == waits

"""What real clients and the gateway say to each other is on record message by message, and no secret with it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network

pytestmark = [pytest.mark.ours, pytest.mark.appliance]

WRONG = "a password that is not bob's"
SECRETS = (office.ALICE.password, office.BOB.password, WRONG, office.GROUP_KEY)
LOGGED_IN = [
    ("gateway", "Xauth", 1, "asks for user name, user password"),
    ("client", "Xauth", 2, "gives user name, user password"),
    ("gateway", "Xauth", 1, "status OK"),
    ("client", "Xauth", 2, "acknowledges"),
]


def shown(gateway: CoatiGateway, user: str) -> list[dict[str, Any]]:
    """The transcript of the live session of a user, as the command line shows it."""
    sessions = json.loads(gateway.coati("session", "list", "--user", user, "--json"))
    said = json.loads(gateway.coati("session", "transcript", str(sessions[0]["id"]), "--json"))
    lines: list[dict[str, Any]] = said["lines"]
    return lines


def messages(lines: list[dict[str, Any]]) -> list[tuple[str, str, int, str]]:
    return [
        ("gateway" if line["sent"] else "client", line["exchange"], line["number"], line["says"])
        for line in lines
        if line["what"] == "message"
    ]


def order(said: list[tuple[str, str, int, str]], exchange: str) -> list[tuple[str, int]]:
    return [(who, number) for who, name, number, _ in said if name == exchange]


def assert_nothing_secret(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text]
    assert not re.findall(r"[0-9a-f]{32,}", text.lower())  # a key, a hash, a nonce: cookies and SPIs are shorter


def test_strongswan_in_main_mode(clients: Clients, gateway: CoatiGateway, network: Network) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE), gateway.authority, dpd_seconds=0)  # its own probes would be life enough
    client.connect()
    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip))
    client.wait_for_probes(2, within=60)

    lines = shown(gateway, office.ALICE.name)
    said = messages(lines)
    assert order(said, "main mode") == [
        ("client", 1),
        ("gateway", 2),
        ("client", 3),
        ("gateway", 4),
        ("client", 5),
        ("gateway", 6),
    ]
    assert said[0][3].startswith("offers aes256-sha256-modp2048 with hybrid-init-rsa")
    assert said[1][3].startswith("chooses aes256-sha256-modp2048 with hybrid-init-rsa")
    assert f"identity {office.GATEWAY_NAME}" in said[5][3]
    assert [line for line in said if line[1] == "Xauth"] == LOGGED_IN
    assert order(said, "Mode Config") == [("client", 1), ("gateway", 2)]
    assert order(said, "quick mode") == [("client", 1), ("gateway", 2), ("client", 3)]
    exchanges = list(dict.fromkeys(exchange for _, exchange, _, _ in said if exchange != "informational"))
    assert exchanges == ["main mode", "Xauth", "Mode Config", "quick mode"]
    chosen = next(
        says for who, exchange, number, says in said if (who, exchange, number) == ("gateway", "quick mode", 2)
    )
    assert re.match(r"chooses aes256-sha256\S*, SPI [0-9a-f]{8}", chosen)
    assert f"traffic between {client.virtual_ip}" in chosen
    protected = [line["protected"] for line in lines if line["exchange"] == "main mode"]
    assert protected == [False, False, False, False, True, True]
    assert any(line["what"] == "probes" and "answered" in line["says"] for line in lines)

    proofs.ping(network.home_a)
    number = json.loads(gateway.coati("session", "list", "--user", office.ALICE.name, "--json"))[0]["id"]

    def carried() -> dict[str, Any] | None:
        told: dict[str, Any] = json.loads(gateway.coati("session", "show", str(number), "--json"))
        (child,) = told["security_associations"]["child_sas"]
        return told if min(child["packets_in"], child["packets_out"]) >= 3 else None

    told = eventually(carried, within=60, what="the Child SA has carried the pings", every=1.0)
    (child,) = told["security_associations"]["child_sas"]
    assert (child["state"], child["integrity_failures"], child["replays"]) == ("installed", 0, 0)
    assert child["established_at"] < child["rekeys_at"] < child["ends_at"]
    answered = [probe for probe in told["dead_peer_detection"]["probes"] if probe["answered_at"] is not None]
    assert len(answered) >= 2
    assert all(0 < probe["round_trip_seconds"] < 5 for probe in answered if probe["tries"] == 1)

    client.disconnect()
    expect_sessions(gateway)
    (ended, *_) = json.loads(
        gateway.coati("session", "list", "--which", "ended", "--user", office.ALICE.name, "--json")
    )
    record = json.loads(gateway.coati("session", "transcript", str(ended["id"]), "--json"))
    assert record["complete"]
    assert messages(record["lines"])[: len(said)][:15] == said[:15]
    assert messages(record["lines"])[-1][::3] == ("client", "deletes the ISAKMP SA")
    assert_nothing_secret(json.dumps(record))

    told = [json.loads(line) for line in gateway.coati("log", "--session", str(ended["id"]), "--json").splitlines()]
    assert [line["event"] for line in told if line["event"] in ("login", "logout")] == ["login", "logout"]
    assert_nothing_secret(json.dumps(told))


def test_vpnc_in_aggressive_mode(clients: Clients, gateway: CoatiGateway, network: Network) -> None:
    client = clients.vpnc(network.home_a)
    client.start(office.ALICE, gateway.authority, hybrid=True, natt="natt")
    client.connect()
    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip))
    said = messages(shown(gateway, office.ALICE.name))
    assert order(said, "aggressive mode") == [("client", 1), ("gateway", 2), ("client", 3)]
    assert re.match(r"offers \d+ transforms; identity ", said[0][3])
    assert said[1][3].startswith("chooses ")
    assert [line[:3] for line in said if line[1] == "Xauth"] == [line[:3] for line in LOGGED_IN]
    assert order(said, "Mode Config") == [("client", 1), ("gateway", 2)]
    assert order(said, "quick mode") == [("client", 1), ("gateway", 2), ("client", 3)]
    assert_nothing_secret(json.dumps(said))
    client.disconnect()
    expect_sessions(gateway)


def test_a_wrong_password(clients: Clients, gateway: CoatiGateway, network: Network) -> None:
    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(gateway.coati("refusal", "list", office.BOB.name, "--json"))
        return found

    before = {refusal["id"] for refusal in listed()}
    client = clients.strongswan(network.home_b)
    client.start(Login(replace(office.BOB, password=WRONG)), gateway.authority)
    assert client.try_connect().returncode != 0
    # Of him: others that fell silent in mid-login are spoken of half a minute later.
    number = eventually(lambda: {each["id"] for each in listed()} - before, within=60, what="it is on record").pop()
    refusal = json.loads(gateway.coati("refusal", "show", str(number), "--json"))
    said = messages(refusal["transcript"]["lines"])
    assert order(said, "main mode")[-1] == ("gateway", 6)
    assert ("gateway", "Xauth", 1, "status FAIL") in said
    assert "Mode Config" not in {exchange for _, exchange, _, _ in said}
    told = gateway.coati("log", "--refusal", str(number), "--json")
    assert "client refused" in told
    assert_nothing_secret(json.dumps(refusal) + told)


def test_all_that_was_logged_is_in_the_record_without_a_secret(gateway: CoatiGateway) -> None:
    record = (gateway.directory / "data" / "log" / "lines.jsonl").read_text()
    processes = {json.loads(line)["process"] for line in record.splitlines()}
    assert {"gateway", "web"} <= processes  # the keeper writes only when something is wrong
    assert_nothing_secret(record)

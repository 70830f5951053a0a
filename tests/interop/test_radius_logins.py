"""Real clients whose users a real FreeRADIUS knows: logins, challenges, accounting, orders, and a crash of ours."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.freeradius import SECRET, FreeRadius
from tests.interop.lab import network as lab
from tests.interop.lab import proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.office import User
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login
from tests.interop.test_policy_is_enforced import prohibited, replies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network

pytestmark = pytest.mark.appliance

RUTH = User("ruth@corp", "ruth's password")
TARA = User("tara@corp", "tara's password")
DORA = User("dora@corp", "4711")
NINA = User("nina@corp", "nina's password")
USERS = """
ruth Cleartext-Password := "ruth's password"
    Framed-IP-Address = 10.88.0.77,
    Class = "OU=staff;"
"""
PASSCODES = ("246810", "135791")


@pytest.fixture(scope="module")
def radius(network: Network, running_gateway: CoatiGateway) -> Iterator[FreeRadius]:
    """A server behind the gateway, and a realm that asks it; both are gone after these scenarios."""
    ports = (1812, 1813)
    prefix = network.inner.argv()
    with FreeRadius(USERS, address=lab.SERVER, ports=ports, clients=lab.INNER_NETWORK, prefix=prefix) as server:
        running_gateway.coati("realm", "add", "corp", "radius")
        running_gateway.coati(
            *("realm", "server", "add", "corp", lab.SERVER, "--secret-stdin", "--method", "mschapv2"),
            *("--coa", "--timeout", "5"),
            stdin=SECRET + "\n",
        )
        tried = running_gateway.coati("realm", "test", "corp")
        assert "1 of 1 RADIUS servers answer" in tried
        yield server
        running_gateway.coati("realm", "server", "remove", "corp", lab.SERVER, "--yes")
        running_gateway.coati("realm", "remove", "corp", "--yes")


def nothing_waits(gateway: CoatiGateway) -> None:
    """Wait until the server has taken all accounting records, and the gateway knows it."""
    waiting = ("accounting", "list", "--waiting", "--json")
    eventually(lambda: not json.loads(gateway.coati(*waiting)), within=60, what="no accounting record waits")


def told(radius: FreeRadius, user: str, status: str) -> list[dict[str, str]]:
    """The accounting records of this user and kind."""
    return [
        record
        for record in radius.accounting()
        if record.get("User-Name") == user and record["Acct-Status-Type"] == status
    ]


def test_strongswan_by_mschapv2_with_an_address_of_its_own_and_accounted(
    clients: Clients, gateway: CoatiGateway, network: Network, radius: FreeRadius
) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(RUTH), gateway.authority)
    client.connect()
    assert client.virtual_ip == "10.88.0.77"
    expect_sessions(gateway, Session("ruth", client.virtual_ip))
    proofs.ping(network.home_a)
    client.disconnect()

    stop = eventually(lambda: told(radius, "ruth", "Stop"), within=60, what="the Stop is accounted")[-1]
    start = told(radius, "ruth", "Start")[-1]
    assert start["Acct-Session-Id"] == stop["Acct-Session-Id"]
    assert stop["Framed-IP-Address"] == "10.88.0.77"
    assert stop["Class"] == "0x" + b"OU=staff;".hex()
    assert stop["Acct-Terminate-Cause"] == "User-Request"
    assert int(stop["Acct-Input-Packets"]) >= int(stop["Acct-Output-Packets"]) > 0  # the first may not be answered
    assert int(stop["Acct-Input-Octets"]) >= int(stop["Acct-Output-Octets"]) > 0
    assert start["Calling-Station-Id"] == lab.NAT


def test_vpnc_answers_a_challenge_of_two_rounds(
    clients: Clients, gateway: CoatiGateway, network: Network, radius: FreeRadius
) -> None:
    gateway.coati("realm", "server", "set", "corp", lab.SERVER, "--method", "pap")
    gateway.reload()
    client = clients.vpnc(network.home_b)
    client.start(TARA, gateway.authority, dh="dh14", on_terminal=True)
    client.type("Passcode for VPN", PASSCODES[0])
    client.type("Answer for VPN", PASSCODES[1])
    client.connect()
    expect_sessions(gateway, Session("tara", client.virtual_ip))
    assert "Passcode of your token?" in client.log()
    assert "enter the next passcode" in client.log()
    client.disconnect()
    assert eventually(lambda: told(radius, "tara", "Stop"), within=60, what="the Stop is accounted")


def test_vpnc_has_its_user_choose_a_new_pin_in_two_rounds(
    clients: Clients, gateway: CoatiGateway, network: Network, radius: FreeRadius
) -> None:
    """vpnc 0.5.3 asks its user for NEXT_PIN under the name of a passcode."""
    assert radius
    gateway.coati("realm", "server", "set", "corp", lab.SERVER, "--method", "pap")
    gateway.reload()
    client = clients.vpnc(network.home_b)
    client.start(NINA, gateway.authority, dh="dh14", on_terminal=True)
    client.type("Passcode for VPN", "4711")
    client.type("Passcode for VPN", "4711")
    client.connect()
    expect_sessions(gateway, Session("nina", client.virtual_ip))
    assert client.log().index("Choose a new PIN") < client.log().index("Enter the new PIN again")
    client.disconnect()


def test_new_pins_that_differ_are_refused_in_the_servers_words(
    clients: Clients, gateway: CoatiGateway, network: Network, radius: FreeRadius
) -> None:
    assert radius
    client = clients.coati(network.home_b)
    client.start(Login(NINA), gateway.authority, "--once", on_terminal=True)
    client.type("Password of nina@corp", NINA.password)
    client.type("Choose a new PIN of 4 digits", "4711")
    client.type("Enter the new PIN again", "4712")
    assert client.wait() != 0
    refused = eventually(
        lambda: [refusal for refusal in gateway.refusals() if refusal.user == NINA.name],
        within=60,
        what="the refusal is recorded",
    )
    assert "The two PINs differ" in refused[-1].reason
    failure = next(event for event in gateway.events(NINA.name) if event.kind == "failure")
    assert failure.realm == "corp"


def test_strongswan_answers_each_round_with_its_password_or_not_at_all(
    clients: Clients, gateway: CoatiGateway, network: Network, radius: FreeRadius
) -> None:
    """strongSwan 5.9.8 has nobody to ask: it looks into its secrets, where there is no PIN."""
    assert radius
    gateway.coati("realm", "server", "set", "corp", lab.SERVER, "--method", "pap")
    gateway.reload()
    client = clients.strongswan(network.home_a)
    client.start(Login(DORA), gateway.authority)
    assert client.try_connect().returncode != 0
    assert "no XAuth PIN found for 'dora@corp'" in client.log()

    gateway.coati("realm", "set", "corp", "--setting", "prompt=password")
    gateway.reload()
    try:
        client.connect()
        expect_sessions(gateway, Session("dora", client.virtual_ip))
        assert len(re.findall(r"parsed TRANSACTION request \d+ \[ HASH CPRQ\(X_MSG X_PWD\)", client.log())) == 2
        client.disconnect()
    finally:
        gateway.coati("realm", "set", "corp", "--setting", "prompt=auto")


def test_a_change_of_authorization_changes_what_a_live_session_reaches(
    clients: Clients, gateway: CoatiGateway, network: Network, radius: FreeRadius
) -> None:
    assert radius
    gateway.coati("group", "add", "staff", f"reachable={lab.SERVER}/32")
    gateway.coati("group", "add", "inside", f"reachable={lab.INNER_GATEWAY}/32")
    try:
        place = network.home_a
        client = clients.strongswan(place)
        client.start(Login(RUTH), gateway.authority, remote_networks="0.0.0.0/0")
        client.connect()
        replies(place, lab.SERVER)
        prohibited(place, lab.INNER_GATEWAY)
        made = client.child_sas_made()

        order = f'User-Name = "ruth", Framed-IP-Address = {client.virtual_ip}, Filter-Id = "inside"\n'
        said = network.inner.run("radclient", "-x", f"{lab.INNER_GATEWAY}:3799", "coa", SECRET, stdin=order)
        assert "CoA-ACK" in said.stdout
        replies(place, lab.INNER_GATEWAY)
        prohibited(place, lab.SERVER)
        (session,) = json.loads(gateway.coati("session", "list", "--json"))
        assert session["group"] == "inside"
        assert client.child_sas_made() == made, "no rekeying was needed"
        client.disconnect()
    finally:
        for name in ("staff", "inside"):
            gateway.coati("group", "remove", name, "--yes")


def test_a_client_that_cannot_answer_is_refused_in_words(
    clients: Clients, gateway: CoatiGateway, network: Network, radius: FreeRadius
) -> None:
    assert radius
    client = clients.strongswan(network.home_a)
    client.start(Login(TARA), gateway.authority)
    assert client.try_connect().returncode != 0
    refused = eventually(
        lambda: [refusal for refusal in gateway.refusals() if refusal.user == TARA.name],
        within=60,
        what="the refusal is recorded",
    )
    assert "That is not the passcode" in refused[-1].reason, "the server's words"


def test_the_server_ends_a_session(
    clients: Clients, gateway: CoatiGateway, network: Network, radius: FreeRadius
) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(RUTH), gateway.authority)
    client.connect()
    before = len(told(radius, "ruth", "Stop"))
    order = f'User-Name = "ruth", Framed-IP-Address = {client.virtual_ip}\n'
    said = network.inner.run("radclient", "-x", f"{lab.INNER_GATEWAY}:3799", "disconnect", SECRET, stdin=order)
    assert "Disconnect-ACK" in said.stdout
    stops = eventually(lambda: told(radius, "ruth", "Stop")[before:], within=60, what="the Stop is accounted")
    assert stops[0]["Acct-Terminate-Cause"] == "Admin-Reset"


def test_a_session_that_outlives_the_gateway_is_accounted_once_and_secrets_are_nowhere(
    clients: Clients, gateway: CoatiGateway, network: Network, radius: FreeRadius
) -> None:
    nothing_waits(gateway)
    started, stopped = (len(told(radius, "ruth", status)) for status in ("Start", "Stop"))
    client = clients.strongswan(network.home_a)
    client.start(Login(RUTH), gateway.authority, dpd_seconds=0)
    client.connect()
    start = eventually(lambda: told(radius, "ruth", "Start")[started:], within=60, what="it is accounted")[0]
    expect_sessions(gateway, Session("ruth", client.virtual_ip))
    nothing_waits(gateway)  # what a server took and nobody noted is sent again
    gateway.kill_gateway_process()
    gateway.disconnect("ruth")  # carried out by the process that is started in its place
    (stop,) = eventually(lambda: told(radius, "ruth", "Stop")[stopped:], within=60, what="the Stop is accounted")
    assert stop["Acct-Session-Id"] == start["Acct-Session-Id"]
    assert stop["Acct-Terminate-Cause"] == "Admin-Reset"
    assert len(told(radius, "ruth", "Start")) == started + 1

    secrets = [word.encode() for word in (RUTH.password, TARA.password, SECRET, *PASSCODES)]
    files = [file for file in gateway.directory.rglob("*") if file.is_file()]
    arguments = [Path(f"/proc/{pid}/cmdline") for pid in gateway.pids()]
    assert (gateway.directory / "data" / "coati.db") in files
    for file in (*files, *arguments):
        content = file.read_bytes()
        assert not [secret for secret in secrets if secret in content], file
    for pid in gateway.pids()[1:]:  # all but the keeper, which hears no password
        (limit,) = (line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in line)
        assert limit.split()[4:6] == ["0", "0"], "no core file"

"""Scenarios of the whole appliance that run inside the guest kernel; ``test_appliance.py`` boots it.

    lan 10.77.0.2 -- 10.77.0.1 gateway 203.0.113.1 -- 203.0.113.20 nat -- 192.168.7.11 home a
                                                                       \\- 192.168.8.12 home b

The clients are strongSwan's, with ESP of their own in user space, and then our own, on the kernel's ESP; the gateway's
ESP is the kernel's.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ike_engine.dataplane.tun import DEFAULT_MTU
from tests.interop.lab import network, office
from tests.interop.lab.authority import Authority
from tests.interop.lab.coati_client import NAME_SERVERS_BEFORE, CoatiClient
from tests.interop.lab.coati_gateway import CoatiGateway
from tests.interop.lab.network import Place
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login, StrongSwanClient

if TYPE_CHECKING:
    from collections.abc import Iterator

NAT = "203.0.113.20"
LAN = Place("lan", network.SERVER)


def wire(one: Place, near: str, address: str, other: Place, far: str, far_address: str) -> None:
    run("ip", "-n", one.name, "link", "add", near, "type", "veth", "peer", "name", far, "netns", other.name)
    for place, interface, own in ((one, near, address), (other, far, far_address)):
        place.run("ip", "address", "add", f"{own}/24", "dev", interface)
        place.run("ip", "link", "set", interface, "up")


def run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=60)


@pytest.fixture(scope="module")
def homes() -> tuple[Place, Place, Place]:
    """Gateway and two homes, wired."""
    gateway, inner, nat = Place("gw", network.GATEWAY), LAN, Place("nat", NAT)
    home_a, home_b = Place("home-a", "192.168.7.11"), Place("home-b", "192.168.8.12")
    for place in (gateway, inner, nat, home_a, home_b):
        run("ip", "netns", "add", place.name)
        place.run("ip", "link", "set", "lo", "up")
    wire(nat, "wan", NAT, gateway, "wan", network.GATEWAY)
    wire(inner, "lan", network.SERVER, gateway, "lan", network.INNER_GATEWAY)
    wire(home_a, "wan", home_a.address, nat, "home-a", "192.168.7.1")
    wire(home_b, "wan", home_b.address, nat, "home-b", "192.168.8.1")
    inner.run("ip", "route", "add", "default", "via", network.INNER_GATEWAY)
    home_a.run("ip", "route", "add", "default", "via", "192.168.7.1")
    home_b.run("ip", "route", "add", "default", "via", "192.168.8.1")
    nat.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    nat.run("iptables-legacy", "-t", "nat", "-A", "POSTROUTING", "-o", "wan", "-j", "MASQUERADE")
    return gateway, home_a, home_b


@pytest.fixture(scope="module")
def gateway(homes: tuple[Place, Place, Place], tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoatiGateway]:
    directory = tmp_path_factory.mktemp("lab")
    authority = Authority("The laboratory", directory / "authority")
    options = {"data_plane": "xfrm", "prepared": Path(os.environ["PREPARED"]), "starts_commands": False}
    # The guest's root file system is read-only: no account can be made in it.
    with CoatiGateway(homes[0], directory, authority, user="nobody", **options) as running:
        yield running


def answered(place: Place, octets: int = 56, address: str = network.SERVER) -> int:
    done = place.run("ping", "-q", "-i", "0.2", "-c", "5", "-W", "2", "-s", str(octets), address, check=False)
    found = re.search(r"(\d+) received", done.stdout)
    assert found, done.stdout + done.stderr
    return int(found[1])


def states(place: Place) -> str:
    return place.run("ip", "-s", "xfrm", "state").stdout


def test_two_clients_behind_one_nat(gateway: CoatiGateway, homes: tuple[Place, Place, Place], tmp_path: Path) -> None:
    place, home_a, home_b = homes
    with StrongSwanClient(home_a, tmp_path) as alice, StrongSwanClient(home_b, tmp_path) as bob:
        for client, user in ((alice, office.ALICE), (bob, office.BOB)):
            client.start(Login(user), gateway.authority)
            client.connect(within=60)

        assert answered(home_a) >= 4, gateway.log()[-3000:] + states(place)
        assert answered(home_b) >= 4
        assert answered(home_a, 3000) >= 4
        node = next(line for line in gateway.log().splitlines() if "serving" in line and "data_plane=" in line)
        assert "fragmented after ESP only" not in node
        # What is too large and must not be cut is refused before ESP, with the tunnel's MTU.
        told = place.run("ip", "-d", "link", "show", "type", "xfrm").stdout
        assert f"mtu {DEFAULT_MTU} " in told

        shown = states(place)
        assert shown.count("proto esp") == 4
        ports = set(re.findall(r"encap type espinudp sport (\d+) dport 4500", shown))
        assert len(ports) == 2, shown  # one address, two ports
        moved = [int(number) for number in re.findall(r"current:\s+(\d+)\(bytes\)", shown.replace("\n", " "))]
        assert moved
        policies = place.run("ip", "xfrm", "policy").stdout
        for client in (alice, bob):
            assert f"src {client.virtual_ip}/32" in policies
            assert f"dst {client.virtual_ip}/32" in policies
        assert {session.virtual_ip for session in gateway.sessions()} == {alice.virtual_ip, bob.virtual_ip}

        held = gateway.held("sad")
        assert {each["state"] for each in held} == {"installed"}, held
        assert sorted(each["user"] for each in held) == [office.ALICE.name] * 2 + [office.BOB.name] * 2
        assert {each["spi"] for each in held} == {f"{int(spi, 16):08x}" for spi in re.findall(r"spi (0x\w+)", shown)}
        assert all(each["packets"] > 0 for each in held)
        spd = gateway.held("spd", "--user", office.BOB.name)
        assert sorted((each["action"], each["direction"]) for each in spd) == [
            *(("discard", "forward"), ("discard", "in")),  # in clear
            *(("protect", "forward"), ("protect", "in"), ("protect", "out")),
        ]

        gateway.disconnect(office.BOB.name)
        eventually(lambda: states(place).count("proto esp") == 2, within=60, what="bob's SAs are gone")
        assert answered(home_a) >= 4

        alice.disconnect()
        eventually(lambda: "proto esp" not in states(place), within=60, what="alice's SAs are gone")
        assert "10.88." not in place.run("ip", "xfrm", "policy").stdout
        eventually(lambda: not gateway.remainder(), within=60, what="nothing is held any more")


def test_nftables_keeps_what_is_reachable_on_packets_that_came_out_of_the_kernels_esp(
    gateway: CoatiGateway, homes: tuple[Place, Place, Place], tmp_path: Path
) -> None:
    """The Child SA was made for the whole network: only the firewall can tell what has changed since."""
    place, home_a, _ = homes
    with StrongSwanClient(home_a, tmp_path) as alice:
        alice.start(Login(office.ALICE), gateway.authority)
        alice.connect(within=60)
        assert answered(home_a) >= 4, gateway.log()[-3000:] + states(place)
        gateway.coati("user", "set", office.ALICE.name, f"reachable={network.INNER_GATEWAY}/32")
        try:
            eventually(lambda: answered(home_a) == 0, within=60, what="the server is out of reach")
            assert answered(home_a, address=network.INNER_GATEWAY) >= 4, states(place)
            assert f"src {alice.virtual_ip}/32 dst {network.INNER_NETWORK}" in place.run("ip", "xfrm", "policy").stdout
        finally:
            gateway.coati("user", "set", office.ALICE.name, "reachable=inherit")
        eventually(lambda: answered(home_a) >= 4, within=60, what="the server may be reached again")
        alice.disconnect()
        eventually(lambda: not gateway.remainder(), within=60, what="nothing is held any more")


def test_clients_are_masqueraded_and_their_mss_clamped(
    gateway: CoatiGateway, homes: tuple[Place, Place, Place], tmp_path: Path
) -> None:
    place, home_a, _ = homes
    gateway.coati("pool", "set", office.PROFILE, "--masquerade")
    LAN.run("ip", "route", "del", "default")  # only who seems to be the gateway gets an answer
    try:
        with StrongSwanClient(home_a, tmp_path) as alice:
            alice.start(Login(office.ALICE), gateway.authority)
            alice.connect(within=60)
            eventually(lambda: answered(home_a) >= 4, within=60, what="answers come to the gateway's own address")
            assert answered(home_a, 3000) >= 4
            rules = place.run("nft", "list", "table", "ip", "coati").stdout
            hidden = re.search(r"counter packets (\d+) bytes \d+ masquerade", rules)
            assert hidden is not None, rules
            assert int(hidden[1]) > 0
            assert rules.count(f"maxseg size set {DEFAULT_MTU - 40}") == 2, rules
            alice.disconnect()
            eventually(lambda: not gateway.remainder(), within=60, what="nothing is held any more")
    finally:
        LAN.run("ip", "route", "add", "default", "via", network.INNER_GATEWAY)
        gateway.coati("pool", "set", office.PROFILE, "--no-masquerade")


def test_without_nftables_the_kernels_policies_keep_what_is_reachable(
    gateway: CoatiGateway, homes: tuple[Place, Place, Place], tmp_path: Path
) -> None:
    """The plain guest's nftables has no filter chains: the Child SA is narrowed to what the user may reach."""
    place, home_a, _ = homes
    gateway.coati("user", "set", office.ALICE.name, f"reachable={network.INNER_GATEWAY}/32")
    with StrongSwanClient(home_a, tmp_path) as alice:
        alice.start(Login(office.ALICE), gateway.authority)
        alice.connect(within=60)
        assert answered(home_a, address=network.INNER_GATEWAY) >= 4, gateway.log()[-3000:] + states(place)
        assert answered(home_a) == 0
        policies = place.run("ip", "xfrm", "policy").stdout
        assert f"src {alice.virtual_ip}/32 dst {network.INNER_GATEWAY}/32" in policies
        assert "what users may reach is kept by their Child SAs only" in gateway.log()
        alice.disconnect()
        eventually(lambda: not gateway.remainder(), within=60, what="nothing is held any more")
    gateway.coati("user", "set", office.ALICE.name, "reachable=inherit")


def test_our_own_client_on_the_kernels_esp(
    gateway: CoatiGateway, homes: tuple[Place, Place, Place], tmp_path: Path
) -> None:
    """At both ends and in between the kernel does ESP: in UDP from behind the NAT."""
    place, home, _ = homes
    untouched = home.links(), home.addresses(), home.run("ip", "route").stdout
    with CoatiClient(home, tmp_path) as client:
        client.start(Login(office.ALICE, esp="aes256gcm16"), gateway.authority, "--data-plane", "xfrm")
        client.wait_connected(within=60)

        assert answered(home) >= 4, client.log()[-3000:] + states(home) + states(place)
        assert answered(home, 3000) >= 4
        assert f"src {client.virtual_ip} dev" not in home.run("ip", "route", "get", network.GATEWAY).stdout
        for end in (home, place):
            shown = states(end)
            assert shown.count("proto esp") == 2
            assert "encap type espinudp" in shown
            assert "rfc4106(gcm(aes))" in shown
        policies = home.run("ip", "xfrm", "policy").stdout
        assert f"src {client.virtual_ip}/32 dst 0.0.0.0/0" in policies
        assert [session.virtual_ip for session in gateway.sessions()] == [client.virtual_ip]

        assert client.disconnect() == 0, client.log()
        assert "proto esp" not in states(home)
        assert "10.88." not in home.run("ip", "xfrm", "policy").stdout
        assert (home.links(), home.addresses(), home.run("ip", "route").stdout) == untouched
        assert client.resolv_conf.read_text() == NAME_SERVERS_BEFORE
        eventually(lambda: not gateway.remainder(), within=60, what="nothing is held any more")

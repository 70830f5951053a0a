"""Routes and nftables of the gateway's host in a network namespace: who is served, what is turned away and counted."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest
from pyroute2 import netns

from ike_engine.dataplane.blocked import Blocked
from ike_engine.dataplane.firewall import Forwarding
from ike_engine.dataplane.tun import open_tun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.root

POOL, OTHER_POOL = IPv4Network("10.9.0.0/24"), IPv4Network("10.8.0.0/24")
BRANCH, OTHER_BRANCH = IPv4Network("172.20.1.0/24"), IPv4Network("172.20.2.0/24")
ALICE, OFFICE = IPv4Network("10.9.0.1"), IPv4Network("10.77.0.0/24")
SERVER = "10.77.0.9"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def routed() -> set[str]:
    """What leads into the tunnel."""
    return {line.split()[0] for line in run("ip", "route", "show", "proto", "67").splitlines()}


def elements(kind: str, name: str) -> set[str]:
    """What is in a set or map of our table."""
    listed = json.loads(run("nft", "-j", "list", kind, "ip", "coati", name))["nftables"]
    found = next(entry[kind] for entry in listed if kind in entry).get("elem", [])
    keys = [element[0] if kind == "map" else element for element in found]
    return {f"{key['prefix']['addr']}/{key['prefix']['len']}" if isinstance(key, dict) else key for key in keys}


@pytest.fixture(autouse=True)
def place() -> Iterator[None]:
    """A gateway's host, for this thread to be in: in the office, with a way to another site and to the world."""
    name = f"coati-firewall-{os.getpid()}"
    run("ip", "netns", "add", name)
    netns.pushns(name)
    try:
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "office", "type", "veth", "peer", "name", "server")
        run("ip", "address", "add", "10.77.0.1/24", "dev", "office")
        for end in ("office", "server"):
            run("ip", "link", "set", end, "up")
        run("ip", "neighbour", "add", SERVER, "lladdr", "02:00:00:00:00:09", "dev", "office")
        run("ip", "route", "add", "172.16.0.0/12", "via", SERVER)
        run("ip", "route", "add", "default", "via", SERVER)
        yield
    finally:
        netns.popns()
        run("ip", "netns", "delete", name)


def datagram(source: str, destination: str) -> bytes:
    """A UDP datagram, with the checksum of its header, as a kernel makes it."""
    header = bytearray(20)
    header[0], header[3], header[8], header[9] = 0x45, 28, 64, socket.IPPROTO_UDP
    header[12:16], header[16:20] = IPv4Address(source).packed, IPv4Address(destination).packed
    total = sum(int.from_bytes(header[place : place + 2], "big") for place in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    header[10:12] = (0xFFFF - total).to_bytes(2, "big")
    return bytes(header) + b"\x00\x07\x00\x07\x00\x08\x00\x00"


class Tunnel:
    """The TUN device, and what comes out of it as if clients had sent it."""

    def __init__(self) -> None:
        self.descriptor, self.interface = open_tun("coati%d")

    def sends(self, source: str, destination: str, count: int = 1) -> None:
        """Put UDP datagrams in."""
        for _ in range(count):
            os.write(self.descriptor, datagram(source, destination))


@pytest.fixture
async def tunnel() -> AsyncIterator[Tunnel]:
    tunnel = Tunnel()
    yield tunnel
    os.close(tunnel.descriptor)


@pytest.fixture
async def forwarding(tunnel: Tunnel) -> Forwarding:
    forwarding = Forwarding(tunnel.interface, 1400, kernel_esp=False)
    await forwarding.serve([POOL], [])
    return forwarding


async def test_a_network_behind_a_client_is_served_like_virtual_addresses(forwarding: Forwarding) -> None:
    await forwarding.route_behind({BRANCH: False}, ())
    assert routed() == {str(POOL), str(BRANCH)}
    assert elements("set", "clients") == {str(POOL), str(BRANCH)}
    await forwarding.serve([POOL, OTHER_POOL], [])  # another pool: the network behind the client stays
    assert routed() == {str(POOL), str(OTHER_POOL), str(BRANCH)}
    assert elements("set", "clients") == {str(POOL), str(OTHER_POOL), str(BRANCH)}
    await forwarding.route_behind({OTHER_BRANCH: False}, (BRANCH,))
    assert routed() == {str(POOL), str(OTHER_POOL), str(OTHER_BRANCH)}
    assert elements("set", "clients") == {str(POOL), str(OTHER_POOL), str(OTHER_BRANCH)}
    await forwarding.close()
    assert routed() == set()


async def test_the_machines_own_network_is_not_taken_away_for_virtual_addresses(forwarding: Forwarding) -> None:
    with pytest.raises(OSError, match=f"has a route to {OFFICE} already"):
        await forwarding.serve([POOL, OTHER_POOL, OFFICE], [])
    await forwarding.serve([POOL, OTHER_POOL], [])
    assert routed() == {str(POOL), str(OTHER_POOL)}
    await forwarding.close()
    assert routed() == set()
    assert "10.77.0.0/24 dev office proto kernel" in run("ip", "route", "show")


async def test_what_an_earlier_gateway_said_is_forgotten(forwarding: Forwarding) -> None:
    await forwarding.route_behind({BRANCH: False}, ())
    await forwarding.let_reach({BRANCH: (OFFICE,)})
    await forwarding.route_behind({OTHER_BRANCH: False}, (), afresh=True)
    assert routed() == {str(POOL), str(OTHER_BRANCH)}
    assert elements("map", "reach-behind") == set()


async def test_of_two_networks_that_overlap_the_later_one_is_routed(forwarding: Forwarding) -> None:
    await forwarding.route_behind({IPv4Network("172.20.0.0/16"): False}, ())
    await forwarding.route_behind({BRANCH: False}, ())
    assert routed() == {str(POOL), str(BRANCH)}
    assert elements("set", "clients") == {str(POOL), str(BRANCH)}


async def test_a_new_pool_ends_what_was_behind_a_client_there(forwarding: Forwarding) -> None:
    await forwarding.route_behind({BRANCH: False}, ())
    await forwarding.let_reach({BRANCH: (OFFICE,)})
    await forwarding.serve([POOL, IPv4Network("172.20.0.0/16")], [])
    assert routed() == {str(POOL), "172.20.0.0/16"}
    assert elements("set", "clients") == {str(POOL), "172.20.0.0/16"}


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("10.9.0.128/25", "10.9.0.128/25 overlaps 10.9.0.0/24, where virtual addresses are taken from"),
        ("10.0.0.0/8", "10.0.0.0/8 overlaps 10.9.0.0/24, where virtual addresses are taken from"),
        ("10.77.0.128/25", "the gateway is connected to 10.77.0.0/24"),
        ("10.77.0.0/16", "the gateway (is connected to 10.77.0.0/24|has the address 10.77.0.1/32)"),
        ("172.16.0.0/12", "the gateway has a route to 172.16.0.0/12"),
    ],
)
async def test_what_is_somewhere_else_is_behind_no_client(forwarding: Forwarding, network: str, words: str) -> None:
    before = run("ip", "route"), run("nft", "list", "table", "ip", "coati")
    with pytest.raises(ValueError, match=words):
        await forwarding.route_behind({IPv4Network(network): False}, ())
    assert (run("ip", "route"), run("nft", "list", "table", "ip", "coati")) == before


async def test_nothing_is_left_of_what_nftables_refused(
    forwarding: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    await forwarding.route_behind({BRANCH: False}, ())
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        with pytest.raises(OSError, match="nft"):
            await forwarding.route_behind({OTHER_BRANCH: False}, (BRANCH,))
    assert routed() == {str(POOL), str(BRANCH)}
    await forwarding.route_behind({OTHER_BRANCH: False}, (BRANCH,))
    assert elements("set", "clients") == {str(POOL), str(OTHER_BRANCH)}


async def test_networks_are_hidden_where_their_pool_is(forwarding: Forwarding) -> None:
    await forwarding.route_behind({OTHER_BRANCH: True}, ())  # no pool is: there is nothing to hide it with
    await forwarding.serve([POOL], [POOL])
    assert elements("set", "hidden") == {str(POOL), str(OTHER_BRANCH)}
    await forwarding.route_behind({BRANCH: False, OTHER_BRANCH: False}, ())
    assert elements("set", "hidden") == {str(POOL)}
    await forwarding.route_behind({BRANCH: True}, ())
    assert elements("set", "hidden") == {str(POOL), str(BRANCH)}
    await forwarding.route_behind({}, (BRANCH,))
    assert elements("set", "hidden") == {str(POOL)}


async def test_what_a_client_may_reach_counts_for_what_is_behind_it(forwarding: Forwarding, tunnel: Tunnel) -> None:
    await forwarding.route_behind({BRANCH: False}, ())
    await forwarding.let_reach({ALICE: (IPv4Network(SERVER),), BRANCH: (IPv4Network(SERVER),)})
    for source in ("10.9.0.1", "172.20.1.7"):
        tunnel.sends(source, SERVER, 5)
        tunnel.sends(source, "10.77.0.1", 2)  # the gateway itself
        tunnel.sends(source, "10.77.0.10", 1)
    assert await forwarding.blocked() == Blocked({IPv4Address("10.9.0.1"): 3, IPv4Address("172.20.1.7"): 3}, 0)
    assert await forwarding.blocked() == Blocked({}, 0)
    tunnel.sends("172.20.1.7", "10.77.0.1", 2)
    assert await forwarding.blocked() == Blocked({IPv4Address("172.20.1.7"): 2}, 0)
    await forwarding.serve([POOL, OTHER_POOL], [])  # everything is counted anew
    tunnel.sends("172.20.1.7", "10.77.0.1", 1)
    assert await forwarding.blocked() == Blocked({IPv4Address("172.20.1.7"): 1}, 0)
    await forwarding.let_reach({BRANCH: None})
    tunnel.sends("172.20.1.7", "10.77.0.1", 1)
    assert await forwarding.blocked() == Blocked({}, 0)


async def test_what_comes_by_another_way_under_a_clients_address_is_dropped_and_counted(
    forwarding: Forwarding,
) -> None:
    await forwarding.route_behind({BRANCH: False}, ())
    run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.office.rp_filter=0")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("server", 0))
        mac = bytes.fromhex(re.findall(r"link/ether (\S+)", run("ip", "link", "show", "office"))[0].replace(":", ""))
        for source in ("172.20.1.7", "10.9.0.1", "10.77.0.9"):
            wire.send(mac + bytes.fromhex("020000000009") + b"\x08\x00" + datagram(source, "192.0.2.9"))
    assert await forwarding.blocked() == Blocked({}, 2)

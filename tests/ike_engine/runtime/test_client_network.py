"""Address and routes of a tunnel in a network namespace: what goes through, what stays outside, what is left behind."""

from __future__ import annotations

import os
import re
import subprocess
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Final

import pytest
from pyroute2 import netns

from ike_engine.dataplane.tun import open_tun
from ike_engine.runtime.client_network import ClientNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

VIRTUAL_IP = IPv4Address("10.9.0.1")
GATEWAY = IPv4Address("203.0.113.1")
EVERYTHING = (IPv4Network("0.0.0.0/0"),)
OFFICE = IPv4Network("10.77.0.0/24")
BEFORE: Final = {"default via 192.0.2.1 dev wan", "192.0.2.0/24 dev wan src 192.0.2.7"}


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def routes() -> set[str]:
    """Routes as ``ip`` shows them, without who made them, how far they reach, whether the link is up yet."""
    return {re.sub(r" (proto|scope) \S+| linkdown", "", line).strip() for line in run("ip", "route").splitlines()}


@pytest.fixture(autouse=True)
def place() -> Iterator[None]:
    """A host with a router, for this thread to be in."""
    name = f"coati-client-network-{os.getpid()}"
    run("ip", "netns", "add", name)
    netns.pushns(name)
    try:
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "wan", "type", "veth", "peer", "name", "router")
        run("ip", "address", "add", "192.0.2.7/24", "dev", "wan")
        for end in ("wan", "router"):
            run("ip", "link", "set", end, "up")
        run("ip", "route", "add", "default", "via", "192.0.2.1")
        assert routes() == BEFORE
        yield
    finally:
        netns.popns()
        run("ip", "netns", "delete", name)


@pytest.fixture
def tunnel() -> Iterator[str]:
    descriptor, name = open_tun("coati%d")
    yield name
    os.close(descriptor)


async def test_everything_goes_through_but_the_tunnels_own_packets(tunnel: str) -> None:
    network = ClientNetwork(tunnel, GATEWAY)
    assert await network.set_up(VIRTUAL_IP, EVERYTHING) == []
    assert routes() - BEFORE == {
        f"0.0.0.0/1 dev {tunnel} src {VIRTUAL_IP}",
        f"128.0.0.0/1 dev {tunnel} src {VIRTUAL_IP}",
        f"{GATEWAY} via 192.0.2.1 dev wan",
    }
    assert f"inet {VIRTUAL_IP}/32 scope global {tunnel}" in run("ip", "address")
    assert f"dev {tunnel} src {VIRTUAL_IP}" in run("ip", "route", "get", "198.51.100.1")
    assert "dev wan src 192.0.2.7" in run("ip", "route", "get", str(GATEWAY))
    await network.restore()
    assert f"{GATEWAY} via 192.0.2.1 dev wan" not in routes()


async def test_all_is_as_before_when_the_device_has_gone_too() -> None:
    descriptor, name = open_tun("coati%d")
    network = ClientNetwork(name, GATEWAY)
    await network.set_up(VIRTUAL_IP, EVERYTHING, (IPv4Network("192.168.0.0/16"),))
    os.close(descriptor)
    await network.restore()
    assert routes() == BEFORE


async def test_what_the_gateway_excludes_stays_outside(tunnel: str) -> None:
    network = ClientNetwork(tunnel, GATEWAY)
    local_lan = IPv4Network("0.0.0.0/32")  # Cisco's word for the network that we are in, which stays reachable anyway
    await network.set_up(VIRTUAL_IP, EVERYTHING, (IPv4Network("192.168.0.0/16"), local_lan))
    assert "192.168.0.0/16 via 192.0.2.1 dev wan" in routes()
    assert "dev wan" in run("ip", "route", "get", "192.168.44.1")
    assert "dev wan" in run("ip", "route", "get", "192.0.2.9")


async def test_only_what_the_gateway_includes_goes_through(tunnel: str) -> None:
    network = ClientNetwork(tunnel, GATEWAY)
    await network.set_up(VIRTUAL_IP, (OFFICE,))
    assert routes() - BEFORE == {f"{OFFICE} dev {tunnel} src {VIRTUAL_IP}"}


async def test_a_gateway_inside_of_what_is_included_stays_outside(tunnel: str) -> None:
    inside = IPv4Address("10.77.0.9")
    network = ClientNetwork(tunnel, inside)
    await network.set_up(VIRTUAL_IP, (OFFICE,))
    assert f"{inside} via 192.0.2.1 dev wan" in routes()
    await network.restore()
    assert f"{inside} via 192.0.2.1 dev wan" not in routes()


async def test_a_gateway_on_the_same_wire_needs_no_router(tunnel: str) -> None:
    neighbour = IPv4Address("192.0.2.1")
    network = ClientNetwork(tunnel, neighbour)
    await network.set_up(VIRTUAL_IP, EVERYTHING)
    assert f"{neighbour} dev wan" in routes()


async def test_no_routes_where_none_are_wanted(tunnel: str) -> None:
    await ClientNetwork(tunnel, GATEWAY).set_up(VIRTUAL_IP, ())
    assert routes() == BEFORE
    assert f"inet {VIRTUAL_IP}/32" in run("ip", "address")


async def test_somebody_elses_route_to_the_same_network_is_left_alone_and_named(tunnel: str) -> None:
    run("ip", "route", "add", str(OFFICE), "via", "192.0.2.1")
    network = ClientNetwork(tunnel, GATEWAY)
    (hindrance,) = await network.set_up(VIRTUAL_IP, (OFFICE,))
    assert (
        hindrance == f"{OFFICE} is not reached through the tunnel: this machine has another route to the same network"
    )
    await network.restore()
    assert f"{OFFICE} via 192.0.2.1 dev wan" in routes()


async def test_an_administrators_route_to_the_gateway_is_not_ours_to_remove(tunnel: str) -> None:
    run("ip", "route", "add", str(GATEWAY), "via", "192.0.2.254")
    network = ClientNetwork(tunnel, GATEWAY)
    await network.forget_earlier_life()
    await network.set_up(VIRTUAL_IP, EVERYTHING)
    await network.restore()
    assert f"{GATEWAY} via 192.0.2.254 dev wan" in routes()


async def test_what_a_killed_client_left_is_removed_by_the_next(tunnel: str) -> None:
    await ClientNetwork(tunnel, GATEWAY).set_up(VIRTUAL_IP, EVERYTHING)  # killed
    network = ClientNetwork(tunnel, GATEWAY)
    await network.forget_earlier_life()
    assert f"{GATEWAY} via 192.0.2.1 dev wan" not in routes()
    await network.forget_earlier_life()


async def test_an_address_that_the_host_has_already_is_an_error_in_words(tunnel: str) -> None:
    network = ClientNetwork(tunnel, GATEWAY)
    await network.set_up(VIRTUAL_IP, ())
    with pytest.raises(OSError, match=f"cannot take {VIRTUAL_IP}"):
        await network.set_up(VIRTUAL_IP, ())


async def test_who_has_networks_behind_it_forwards_as_long_as_the_tunnel_is_there(tunnel: str) -> None:
    def forwards() -> str:
        return run("sysctl", "-n", "net.ipv4.ip_forward").strip()

    run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    network = ClientNetwork(tunnel, GATEWAY)
    network.forward()
    assert forwards() == "1"
    network.forward()  # once more, after the gateway was lost
    await network.restore()
    assert forwards() == "0"
    run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    network.forward()
    await network.restore()
    assert forwards() == "1"

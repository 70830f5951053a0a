"""The world that the scenarios share: it is wired once for each guest."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from ike_engine.dataplane.tun import DEFAULT_MTU, open_tun
from ike_engine.dataplane.xfrm_interface import INTERFACE_ID, XfrmInterface
from ike_engine.dataplane.xfrm_probe import encapsulate
from tests.kernel.xfrm_in_guest.lab import CBC, GCM, HAS_INTERFACES, NAT, Client, Gateway, map_ports, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ike_engine.crypto.suites import EspSuite


@pytest.fixture(scope="session", autouse=True)
def network() -> Iterator[None]:
    """The world, with the clients' addresses routed as the keeper routes them."""
    run("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1")
    for name in ("cdlan", "cdnat", "cdfirst", "cdsecond"):
        run(f"ip netns add {name}")
        run("ip link set lo up", name)
    _wire("cdo", "", "192.0.2.1/24", "cdo", "cdnat", f"{NAT}/24")
    _wire("cdl", "", "10.77.0.1/24", "cdl", "cdlan", "10.77.0.2/24")
    run("ip route add default via 10.77.0.1", "cdlan")
    run("sysctl -qw net.ipv4.ip_forward=1", "cdnat")
    sockets = [_udp_encap_socket()]
    for number, name in ((1, "cdfirst"), (2, "cdsecond")):
        _wire(f"cdh{number}", "cdnat", f"192.168.7{number}.1/24", "cdh", name, f"192.168.7{number}.2/24")
        run(f"ip route add default via 192.168.7{number}.1", name)
        run(f"ip address add 10.9.0.{number}/32 dev lo", name)
        run(f"ip route add 10.77.0.0/24 via 192.168.7{number}.1 src 10.9.0.{number}", name)
    with contextlib.ExitStack() as opened:
        if HAS_INTERFACES:
            device = XfrmInterface("coati%d", DEFAULT_MTU)
            opened.callback(device.close)
            name = device.name
        else:  # a TUN that nobody reads: only a policy takes a packet elsewhere
            sink, name = open_tun("coati%d")
            opened.callback(os.close, sink)
        run(f"ip route add 10.9.0.0/24 dev {name}")
        holders = [
            subprocess.Popen(
                ["ip", "netns", "exec", name, "python3", "-c", _HOLD_SOCKET],
                stdout=subprocess.PIPE,
                stdin=subprocess.PIPE,
            )
            for name in ("cdfirst", "cdsecond")
        ]
        for holder in holders:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"bound\n"
        yield
        for holder in holders:
            holder.kill()
            holder.communicate()
        for udp in sockets:
            udp.close()


_HOLD_SOCKET = """
import socket, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 4500))
udp.setsockopt(socket.IPPROTO_UDP, 100, 2)
print("bound", flush=True)
sys.stdin.read()
"""


def _udp_encap_socket() -> socket.socket:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("0.0.0.0", 4500))
    encapsulate(udp)
    return udp


def _wire(name: str, namespace: str, address: str, other_name: str, other: str, other_address: str) -> None:
    here = f"-n {namespace} " if namespace else ""
    run(f"ip {here}link add {name} type veth peer name {other_name} netns {other}")
    run(f"ip {here}address add {address} dev {name}")
    run(f"ip {here}link set {name} up")
    run(f"ip -n {other} address add {other_address} dev {other_name}")
    run(f"ip -n {other} link set {other_name} up")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    gateway = Gateway(INTERFACE_ID if HAS_INTERFACES else 0)
    yield gateway
    gateway.plane.close()
    assert gateway.states() == ""
    assert gateway.policies() == ""


@pytest.fixture
def first() -> Iterator[Client]:
    yield from _client("cdfirst", 1, GCM)


@pytest.fixture
def second() -> Iterator[Client]:
    yield from _client("cdsecond", 2, CBC)


def _client(name: str, number: int, suite: EspSuite) -> Iterator[Client]:
    client = Client(name, number, suite)
    map_ports(client)
    yield client
    run("ip xfrm state flush", name)
    run("ip xfrm policy flush", name)

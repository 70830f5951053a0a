"""Clients behind one NAT are carried, counted and cut to the tunnel's size, each by its own SAs."""

from __future__ import annotations

import os
import socket
import subprocess
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ike_engine.dataplane import esp
from ike_engine.dataplane.interface import Counters, Install, Installing, QueryCounters, Remove
from ike_engine.dataplane.tun import DEFAULT_MTU
from ike_engine.dataplane.xfrm_messages import REPLAY_WINDOW
from ike_engine.dataplane.xfrm_probe import probe
from tests.ike_engine.dataplane.samples import inner
from tests.kernel.xfrm_in_guest.lab import GATEWAY, HAS_INTERFACES, LAN, NAT, leaving, map_ports, run

if TYPE_CHECKING:
    from tests.kernel.xfrm_in_guest.lab import Client, Gateway


def test_the_kernel_is_found_able() -> None:
    assert probe() is None
    assert (os.environ["KERNEL"] == "complete") == HAS_INTERFACES


def test_two_clients_behind_one_nat_address(gateway: Gateway, first: Client, second: Client) -> None:
    map_ports(first, second)
    children = {client: client.child() for client in (first, second)}
    for client, child in children.items():
        client.install(child)
        gateway.plane.apply(Install(child, Installing.INBOUND))
        gateway.plane.apply(Install(child, Installing.OUTBOUND))
    gateway.plane.apply(Install(children[first], Installing.BOTH))  # as a gateway may that begins anew
    assert gateway.reports == []
    assert first.ping() == 3
    assert second.ping(octets=1300) == 3
    states = gateway.states()
    assert "encap type espinudp sport 20001 dport 4500" in states
    assert "encap type espinudp sport 4500 dport 20002" in states
    assert states.count(f"src {NAT} dst {GATEWAY.ip}") == 2
    policies = gateway.policies()
    for direction, count in (
        (("in", 4), ("fwd", 4), ("out", 2)) if HAS_INTERFACES else (("in", 2), ("fwd", 2), ("out", 2))
    ):
        assert policies.count(f"dir {direction} ") == count
    for child, octets in ((children[first], 3 * 84), (children[second], 3 * 1328)):
        counters = gateway.counters(child)
        assert (counters.packets_in, counters.packets_out) == (3, 3)
        assert (counters.octets_in, counters.octets_out) == (octets, octets)
        assert counters.idle_seconds is not None
        assert counters.idle_seconds < 5
    gateway.plane.apply(Remove((children[first].inbound_spi,)))
    assert first.ping(1) == 0
    assert second.ping() == 3
    assert "10.9.0.1" not in gateway.policies()


def test_what_comes_again_too_late_or_forged_is_dropped_and_counted(gateway: Gateway, first: Client) -> None:
    child = first.child()
    gateway.plane.apply(Install(child, Installing.BOTH))
    seal = esp.seal(child.inbound_spi, child.suite, child.inbound_keys)
    packet = inner(first.virtual_ip, "10.77.0.2")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somewhere:
        for number in (5000, 5000, 5001, 5001, 5001, 1, 5000 - REPLAY_WINDOW):
            somewhere.sendto(seal(number, packet), GATEWAY)
        forged = bytearray(seal(6000, packet))
        forged[-1] ^= 1
        somewhere.sendto(forged, GATEWAY)
    counters = gateway.counters(child)
    assert (counters.packets_in, counters.replays, counters.integrity_failures) == (2, 5, 1)
    inbound, outbound = (entry for entry in gateway.plane.databases().sad if entry.inbound_spi == child.inbound_spi)
    assert {inbound.replays, outbound.replays} == {0, 5}
    assert {inbound.integrity_failures, outbound.integrity_failures} == {0, 1}


def test_all_counters_come_from_one_dump(gateway: Gateway, first: Client, second: Client) -> None:
    for client in (first, second):
        gateway.plane.apply(Install(client.child(), Installing.BOTH))
    gateway.plane.apply(QueryCounters())
    (report,) = gateway.reports
    assert isinstance(report, Counters)
    assert [child.inbound_spi for child in report.children] == [
        client.child().inbound_spi for client in (first, second)
    ]
    assert all(child.idle_seconds is None for child in report.children)


def test_the_subnets_of_one_client_take_their_own_sas(gateway: Gateway, first: Client) -> None:
    near = first.child(0)
    far = first.child(1, local_networks=(IPv4Network("10.78.0.0/24"),))
    first.install(near)
    gateway.plane.apply(Install(near, Installing.BOTH))
    gateway.plane.apply(Install(far, Installing.BOTH))
    assert first.ping() == 3
    assert gateway.counters(near).packets_out == 3
    assert gateway.counters(far).packets_out == 0


def test_a_network_behind_a_client_takes_the_sa_that_was_made_for_it_and_no_other(
    gateway: Gateway, first: Client
) -> None:
    branch, host = IPv4Network("172.20.1.0/24"), "172.20.1.9"
    own, behind = first.child(0), first.child(1, remote_networks=(branch,))
    first.install(own)
    first.install(behind, reqid=2, own=str(branch))
    run(f"ip address add {host}/32 dev lo", first.name)
    run(f"ip route add {branch} dev coati0")  # as the keeper does
    try:
        gateway.plane.apply(Install(own, Installing.BOTH))
        assert first.ping(2, source=host) == 0, "nobody has installed anything for it"
        gateway.plane.apply(Install(behind, Installing.BOTH))
        assert first.ping(source=host) == 3
        assert first.ping() == 3
        assert (gateway.counters(own).packets_in, gateway.counters(own).packets_out) == (3, 3)
        assert gateway.counters(behind).packets_out == 3
        before = gateway.counters(own).packets_out
        run(f"ip xfrm policy delete src {branch} dst {LAN} dir out", first.name)
        first.install(first.child(2), own=str(branch))  # through an SA that is not for it
        gateway.plane.apply(Install(first.child(2), Installing.BOTH))
        assert first.ping(2, source=host) == 0
        assert gateway.counters(own).packets_out == before
        gateway.plane.apply(Remove((behind.inbound_spi,)))
        assert str(branch) not in gateway.policies()
    finally:
        run(f"ip address delete {host}/32 dev lo", first.name)
        run(f"ip route delete {branch} dev coati0")


def test_packets_too_large_for_the_tunnel_are_refused_or_cut_and_arrive(gateway: Gateway, first: Client) -> None:
    child = first.child()
    first.install(child)
    gateway.plane.apply(Install(child, Installing.BOTH))
    refused = subprocess.run(
        ["ip", "netns", "exec", "cdlan", "ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1400", "10.9.0.1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"Frag needed and DF set (mtu = {DEFAULT_MTU})" in refused.stdout
    # The server has learnt the tunnel's MTU by that, and would cut for it from now on.
    run("ip route flush cache", "cdlan")
    with leaving("cdo") as packets:
        assert first.ping(octets=4000) == 3
        fragments = sum(1 for packet in packets() if int.from_bytes(packet[6:8], "big") & 0x3FFF)  # MF, or an offset
    # An XFRM interface cuts inner packets, so that whole packets of ESP leave; policies alone cut nothing before ESP.
    assert (fragments == 0) == HAS_INTERFACES
    assert gateway.counters(child).packets_out >= (9 if HAS_INTERFACES else 3)

"""Scenarios of the xfrm data plane that run inside the guest kernel; ``test_xfrm.py`` boots it.

    lan 10.77.0.2 -- 10.77.0.1 gateway 192.0.2.1 -- 192.0.2.20 nat -- 192.168.71.2 first
                     (root namespace)                             \\- 192.168.72.2 second

The clients' ends are configured by ``ip xfrm`` alone, so that nothing of ours is tested against itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import subprocess
import time
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path as Files
from typing import TYPE_CHECKING

import pytest

from ike_engine.child_sa import ChildSa, EspKeys
from ike_engine.crypto.suites import Cipher, EspSuite, Integrity
from ike_engine.dataplane import xfrm_interface
from ike_engine.dataplane.databases import Action, Direction, Owner
from ike_engine.dataplane.interface import (
    ChildCounters,
    Counters,
    Expired,
    Install,
    InstallFailed,
    Installing,
    PathObserved,
    QueryCounters,
    Remove,
    Report,
    UpdatePath,
)
from ike_engine.dataplane.tun import DEFAULT_MTU, open_tun
from ike_engine.dataplane.xfrm import XfrmDataPlane
from ike_engine.dataplane.xfrm_interface import INTERFACE_ID, XfrmInterface
from ike_engine.dataplane.xfrm_probe import encapsulate, probe
from ike_engine.path import Address, Path
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HAS_INTERFACES = xfrm_interface.probe() is None
GATEWAY = Address("192.0.2.1", 4500)
NAT = "192.0.2.20"
GCM = EspSuite(Cipher.AES_GCM_128)
CBC = EspSuite(Cipher.AES_CBC_256, Integrity.HMAC_SHA2_256_128)
LAN = IPv4Network("10.77.0.0/24")


def run(command: str, namespace: str = "") -> str:
    words = (["ip", "netns", "exec", namespace] if namespace else []) + command.split()
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class Client:
    """One client behind the NAT, whose kernel is told everything by ``ip xfrm``."""

    def __init__(self, name: str, number: int, suite: EspSuite) -> None:
        self.name = name
        self.virtual_ip = f"10.9.0.{number}"
        self.address = f"192.168.7{number}.2"
        self.suite = suite
        self.port = 20_000 + number
        self.number = number

    def child(self, generation: int = 0, **changed: object) -> ChildSa:
        """The Child SA as the gateway has it; each generation has its own SPIs and keys."""
        spi = 0x1000 * self.number + 2 * generation
        child = ChildSa(
            inbound_spi=0xC0000000 + spi,
            outbound_spi=0xD0000000 + spi,
            peer_id=self.number,
            suite=self.suite,
            inbound_keys=self._keys(spi),
            outbound_keys=self._keys(spi + 1),
            path=Path(GATEWAY, Address(NAT, self.port), nat_t=True),
            encapsulated=True,
            local_networks=(LAN,),
            remote_networks=(IPv4Network(self.virtual_ip),),
            lifetime_seconds=600,
        )
        return replace(child, **changed)  # type: ignore[arg-type]

    def install(self, child: ChildSa, *, reqid: int = 1, own: str = "") -> None:
        """The mirror image of ``child``, and policies for it; ``own`` is our side when that is not the virtual IP."""
        own = own or self.virtual_ip
        out, in_ = (f"src {self.address} dst {GATEWAY.ip}", f"src {GATEWAY.ip} dst {self.address}")
        for ends, spi, keys in (
            (out, child.inbound_spi, child.inbound_keys),
            (in_, child.outbound_spi, child.outbound_keys),
        ):
            run(
                f"ip xfrm state add {ends} proto esp spi {spi:#x} reqid {reqid} mode tunnel replay-window 64 "
                f"encap espinudp 4500 4500 0.0.0.0 {self._algorithms(keys)}",
                self.name,
            )
        template = f"proto esp reqid {reqid} mode tunnel"
        run(f"ip xfrm policy update src {own} dst {LAN} dir out tmpl {out} {template}", self.name)
        run(f"ip xfrm policy update src {LAN} dst {own} dir in tmpl {in_} {template}", self.name)

    def forget(self, child: ChildSa) -> None:
        run(f"ip xfrm state delete src {self.address} dst {GATEWAY.ip} proto esp spi {child.inbound_spi:#x}", self.name)

    def ping(self, count: int = 3, *, octets: int = 56, source: str = "") -> int:
        """How many of so many pings to the server were answered."""
        own = f"-I {source}" if source else ""
        words = f"ip netns exec {self.name} ping -q -i 0.1 -W 1 -c {count} -s {octets} {own} 10.77.0.2".split()
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        answered = re.search(r"(\d+) received", done.stdout)
        assert answered, done.stdout + done.stderr
        return int(answered[1])

    def _keys(self, seed: int) -> EspKeys:
        integrity = self.suite.integrity.key_octets if self.suite.integrity else 0
        material = bytes((seed * 7 + place) % 256 for place in range(self.suite.cipher.keying_octets + integrity))
        split = self.suite.cipher.keying_octets
        return EspKeys(Secret(material[:split]), Secret(material[split:]))

    def _algorithms(self, keys: EspKeys) -> str:
        if self.suite is GCM:
            return f"aead rfc4106(gcm(aes)) 0x{keys.encryption.hex()} 128"
        return f"auth-trunc hmac(sha256) 0x{keys.integrity.hex()} 128 enc cbc(aes) 0x{keys.encryption.hex()}"


class Gateway:
    """The data plane under test, its reports, and what the kernel shows of it."""

    def __init__(self, interface_id: int) -> None:
        self.plane = XfrmDataPlane(interface_id)
        self.reports: list[Report] = []
        self.plane.attach(self.reports.append)

    def take_events(self, seconds: float = 1.0) -> None:
        """Let the plane read events until some came, or so many seconds passed."""
        if select.select([self.plane], [], [], seconds)[0]:
            self.plane.take_events()

    def counters(self, child: ChildSa) -> ChildCounters:
        self.reports.clear()
        self.plane.apply(QueryCounters((child.inbound_spi,)))
        (report,) = self.reports
        assert isinstance(report, Counters)
        (counters,) = report.children
        return counters

    @staticmethod
    def states() -> str:
        return run("ip xfrm state")

    @staticmethod
    def policies() -> str:
        return run("ip xfrm policy")


@pytest.fixture(scope="module", autouse=True)
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


def _map(*clients: Client) -> None:
    """Have the NAT give each client the outside port that it names, from now on."""
    run("iptables-legacy -t nat -F", "cdnat")
    for client in clients:
        run(
            f"iptables-legacy -t nat -A POSTROUTING -o cdo -p udp -s {client.address} "
            f"-j SNAT --to-source {NAT}:{client.port}",
            "cdnat",
        )
    run("conntrack -F", "cdnat")


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
    _map(client)
    yield client
    run("ip xfrm state flush", name)
    run("ip xfrm policy flush", name)


def test_the_kernel_is_found_able() -> None:
    assert probe() is None
    assert (os.environ["KERNEL"] == "complete") == HAS_INTERFACES


def test_two_clients_behind_one_nat_address(gateway: Gateway, first: Client, second: Client) -> None:
    _map(first, second)
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


def test_the_kernels_databases_are_shown_without_keys(gateway: Gateway, first: Client, second: Client) -> None:
    run(
        "ip xfrm state add src 192.0.2.9 dst 192.0.2.1 proto esp spi 0x999 reqid 5 mode tunnel "
        f"aead rfc4106(gcm(aes)) 0x{bytes(20).hex()} 128"
    )
    _map(first, second)
    for client in (first, second):
        client.install(client.child())
        gateway.plane.apply(Install(client.child(), Installing.BOTH))
        assert client.ping() == 3
    held = gateway.plane.databases()
    run("ip xfrm state delete src 192.0.2.9 dst 192.0.2.1 proto esp spi 0x999")
    for client in (first, second):
        child = client.child()
        inbound, outbound = sorted(
            (entry for entry in held.sad if entry.inbound_spi == child.inbound_spi), key=lambda entry: entry.spi
        )
        assert (inbound.spi, outbound.spi) == (child.inbound_spi, child.outbound_spi)
        assert (inbound.direction, outbound.direction) == (Direction.IN, Direction.OUT)
        assert (inbound.source, outbound.destination) == (Address(NAT, client.port), Address(NAT, client.port))
        assert inbound.algorithms == outbound.algorithms == str(client.suite)
        assert (inbound.packets, outbound.packets) == (inbound.sequence, outbound.sequence) == (3, 3)
        assert inbound.lifetime_seconds == child.lifetime_seconds
        assert {entry.peer_id for entry in (inbound, outbound)} == {child.peer_id}
        policies = [entry for entry in held.spd if entry.peer_id == child.peer_id]
        protecting = [entry for entry in policies if entry.action is Action.PROTECT]
        assert sorted(entry.direction.name for entry in protecting) == ["FORWARD", "IN", "OUT"]
        assert {entry.interface_id for entry in (*protecting, inbound, outbound)} == {
            INTERFACE_ID if HAS_INTERFACES else 0
        }
        in_clear = [entry for entry in policies if entry.action is Action.DISCARD]
        assert len(in_clear) == (2 if HAS_INTERFACES else 0)
        assert {entry.reqid for entry in policies} == {inbound.reqid}
        assert bytes(child.inbound_keys.encryption).hex() not in repr(held)
    (foreign,) = [entry for entry in held.sad if entry.spi == 0x999]
    assert (foreign.owner, foreign.reqid) == (Owner.OTHERS, 5)


def test_after_a_rekey_the_new_sa_carries_and_the_old_one_still_receives(gateway: Gateway, first: Client) -> None:
    old, new = first.child(0), first.child(1)
    first.install(old)
    gateway.plane.apply(Install(old, Installing.BOTH))
    assert first.ping() == 3
    time.sleep(1.1)  # the kernel tells the newer SA by seconds
    gateway.plane.apply(Install(new, Installing.BOTH))
    assert gateway.policies().count("dir out ") == 1
    # The client has the new SA to receive by, and still sends by the old one.
    first.install(new)
    first.forget(new)
    assert first.ping() == 3
    assert gateway.counters(old).packets_in == 6
    assert gateway.counters(old).packets_out == 3
    assert gateway.counters(new).packets_out == 3
    gateway.plane.apply(Remove((old.inbound_spi,)))
    assert f"{old.inbound_spi:#x}" not in gateway.states()
    assert gateway.policies().count("dir out ") == 1


def test_a_nat_that_changes_the_port_is_followed(gateway: Gateway, first: Client) -> None:
    child = first.child()
    first.install(child)
    gateway.plane.apply(Install(child, Installing.BOTH))
    assert first.ping() == 3
    first.port = 30_001
    _map(first)
    first.ping(1)
    gateway.take_events()
    moved = Path(GATEWAY, Address(NAT, 30_001), nat_t=True)
    assert gateway.reports == [PathObserved(child.inbound_spi, moved)]
    assert first.ping(5) == 5
    states = gateway.states()
    assert "sport 30001 dport 4500" in states
    assert "sport 4500 dport 30001" in states
    assert "20001" not in states
    # Nothing began anew, and nothing more is reported: the core may say the same again.
    gateway.take_events(0.2)
    assert gateway.reports == [PathObserved(child.inbound_spi, moved)]
    gateway.plane.apply(UpdatePath((child.inbound_spi,), moved))
    counters = gateway.counters(child)
    assert counters.packets_in == 9
    assert counters.packets_out == 9
    assert counters.replays == 0


def test_a_client_that_changes_its_address_is_followed(gateway: Gateway, first: Client) -> None:
    child = first.child()
    first.install(child)
    gateway.plane.apply(Install(child, Installing.BOTH))
    assert first.ping() == 3
    run("ip address add 192.0.2.21/24 dev cdo", "cdnat")
    run("iptables-legacy -t nat -F", "cdnat")
    run(
        f"iptables-legacy -t nat -A POSTROUTING -o cdo -p udp -s {first.address} -j SNAT --to-source 192.0.2.21:40001",
        "cdnat",
    )
    run("conntrack -F", "cdnat")
    first.ping(1)
    gateway.take_events()
    assert gateway.reports == [
        PathObserved(child.inbound_spi, Path(GATEWAY, Address("192.0.2.21", 40_001), nat_t=True))
    ]
    assert first.ping(5) == 5
    counters = gateway.counters(child)
    assert (counters.packets_in, counters.packets_out) == (9, 9)
    # The outbound SA went on above every number that it may have used before.
    state = run(f"ip -s xfrm state get src {GATEWAY.ip} dst 192.0.2.21 proto esp spi {child.outbound_spi:#x}")
    sequence = re.search(r"oseq (0x[0-9a-f]+)", state)
    assert sequence is not None
    assert int(sequence[1], 16) > 1 << 16
    run("ip address delete 192.0.2.21/24 dev cdo", "cdnat")


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


def test_nothing_leaves_in_clear_before_the_outbound_half_or_after_the_end(gateway: Gateway, first: Client) -> None:
    child = first.child()
    first.install(child)
    gateway.plane.apply(Install(child, Installing.INBOUND))
    assert first.ping(2) == 0
    assert gateway.counters(child).packets_in == 2
    gateway.plane.apply(Install(child, Installing.OUTBOUND))
    assert first.ping() == 3


def test_a_virtual_ip_goes_back_to_its_first_holder_when_the_second_leaves(
    gateway: Gateway, first: Client, second: Client
) -> None:
    mine, theirs = first.child(), second.child(remote_networks=first.child().remote_networks)
    _map(first)
    first.install(mine)
    gateway.plane.apply(Install(mine, Installing.BOTH))
    gateway.plane.apply(Install(theirs, Installing.BOTH))
    assert first.ping(1) == 0
    gateway.plane.apply(Remove((theirs.inbound_spi,)))
    assert first.ping() == 3
    assert gateway.reports == []


def test_lifetimes_are_reported_and_a_hard_one_removes_both_halves(gateway: Gateway, first: Client) -> None:
    child = first.child(lifetime_seconds=3, lifetime_kilobytes=None)
    gateway.plane.apply(Install(child, Installing.BOTH))
    deadline = time.monotonic() + 10
    while Expired(child.inbound_spi, hard=True) not in gateway.reports:
        assert time.monotonic() < deadline, gateway.reports
        gateway.take_events(0.5)
    assert gateway.reports[0] == Expired(child.inbound_spi, hard=False)
    assert gateway.states() == ""
    assert gateway.policies() == ""


def test_kilobytes_are_counted(gateway: Gateway, first: Client) -> None:
    child = first.child(lifetime_kilobytes=10)
    first.install(child)
    gateway.plane.apply(Install(child, Installing.BOTH))
    assert first.ping(10, octets=1000) == 10
    gateway.take_events()
    assert gateway.reports == [Expired(child.inbound_spi, hard=False)]
    first.ping(3, octets=1000)
    gateway.take_events()
    assert Expired(child.inbound_spi, hard=True) in gateway.reports
    assert gateway.states() == ""


def test_what_the_kernel_refuses_is_reported_and_leaves_nothing(
    gateway: Gateway, first: Client, second: Client
) -> None:
    gateway.plane.apply(Install(first.child(), Installing.BOTH))
    taken = second.child(outbound_spi=first.child().outbound_spi)
    gateway.plane.apply(Install(taken, Installing.BOTH))
    (failed,) = gateway.reports
    assert isinstance(failed, InstallFailed)
    assert failed.inbound_spi == taken.inbound_spi
    assert "File exists" in failed.reason
    assert f"{taken.inbound_spi:#x}" not in gateway.states()
    assert second.virtual_ip not in gateway.policies()
    # What was there before is untouched.
    assert f"{first.child().outbound_spi:#x}" in gateway.states()


def test_leftovers_of_a_dead_keeper_are_swept_and_others_sas_stay(gateway: Gateway, first: Client) -> None:
    run(
        "ip xfrm state add src 192.0.2.9 dst 192.0.2.1 proto esp spi 0x999 reqid 5 mode tunnel "
        f"aead rfc4106(gcm(aes)) 0x{bytes(20).hex()} 128"
    )
    gateway.plane.apply(Install(first.child(), Installing.BOTH))
    successor = XfrmDataPlane(INTERFACE_ID if HAS_INTERFACES else 0)
    assert gateway.policies() == ""
    states = gateway.states()
    assert "0x00000999" in states
    assert f"{first.child().inbound_spi:#x}" not in states
    successor.close()
    run("ip xfrm state delete src 192.0.2.9 dst 192.0.2.1 proto esp spi 0x999")


def test_packets_too_large_for_the_tunnel_are_refused_or_cut_and_arrive(gateway: Gateway, first: Client) -> None:
    child = first.child()
    first.install(child)
    gateway.plane.apply(Install(child, Installing.BOTH))
    refused = subprocess.run(
        ["ip", "netns", "exec", "cdlan", "ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1400", "10.9.0.1"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert f"Frag needed and DF set (mtu = {DEFAULT_MTU})" in refused.stdout
    # The server has learnt the tunnel's MTU by that, and would cut for it from now on.
    run("ip route flush cache", "cdlan")
    with _leaving("cdo") as packets:
        assert first.ping(octets=4000) == 3
        fragments = sum(1 for packet in packets() if int.from_bytes(packet[6:8], "big") & 0x3FFF)  # MF, or an offset
    # An XFRM interface cuts inner packets, so that whole packets of ESP leave; policies alone cut nothing before ESP.
    assert (fragments == 0) == HAS_INTERFACES
    assert gateway.counters(child).packets_out >= (9 if HAS_INTERFACES else 3)


@contextlib.contextmanager
def _leaving(device: str) -> Iterator[Callable[[], list[bytes]]]:
    """Give what collects the IPv4 packets that leave by a device."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003)) as tap:
        tap.bind((device, 0x0003))
        tap.setblocking(False)

        def collect() -> list[bytes]:
            collected = []
            while True:
                try:
                    packet, (_, _, kind, *_) = tap.recvfrom(65535)
                except BlockingIOError:
                    return collected
                if kind == socket.PACKET_OUTGOING and packet[0] >> 4 == 4:
                    collected.append(packet)

        yield collect


def test_nobody_speaks_for_a_client_in_clear(gateway: Gateway, first: Client) -> None:
    """Not to the network behind the gateway, and not to the gateway itself; from the outside or from beside."""
    child = first.child()
    first.install(child)
    gateway.plane.apply(Install(child, Installing.BOTH))
    assert first.ping(1) == 1
    run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.cdo.rp_filter=0")
    run(f"ip address add {first.virtual_ip}/32 dev lo", "cdnat")
    run("ip route add 10.77.0.0/24 via 192.0.2.1", "cdnat")
    before = _dropped_by_policy()
    with _leaving("cdl") as packets:
        for destination in ("10.77.0.2", "10.77.0.1"):
            words = f"ip netns exec cdnat ping -c 1 -W 1 -I {first.virtual_ip} {destination}".split()
            assert subprocess.run(words, capture_output=True, timeout=20, check=False).returncode == 1
        forwarded = [packet for packet in packets() if socket.inet_ntoa(packet[12:16]) == first.virtual_ip]
    assert forwarded == []
    assert _dropped_by_policy() >= before + 2
    run("ip route del 10.77.0.0/24", "cdnat")
    run(f"ip address del {first.virtual_ip}/32 dev lo", "cdnat")
    run("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.cdo.rp_filter=1")


def _dropped_by_policy() -> int:
    """Packets that came in clear where a policy wants a tunnel, or that it wants not at all."""
    counted = dict(line.split() for line in Files("/proc/net/xfrm_stat").read_text().splitlines())
    return sum(int(counted[name]) for name in ("XfrmInTmplMismatch", "XfrmInPolBlock", "XfrmInNoPols"))

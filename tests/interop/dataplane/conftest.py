"""Two esp processes back to back, without IKE: a gateway with a network behind it, and a client behind a NAT.

    lan         gateway                  nat                         client
    10.77.0.2 -- 10.77.0.1 | 192.0.2.1 -- 192.0.2.20 | 192.168.7.1 -- 192.168.7.2, 10.9.0.5

Each is a network namespace whose name begins with ``cd`` and our pid; the tests hold a gateway's end of both channels.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

import pytest

from ike_engine.dataplane.channel import open_pair
from ike_engine.dataplane.interface import ChildCounters, Counters, Install, Installing, Order, QueryCounters, Report
from ike_engine.dataplane.order_messages import decode, encode
from ike_engine.path import Address, Path
from tests.ike_engine.dataplane.samples import child_sa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ike_engine.crypto.suites import EspSuite

HERE = FilePath(__file__).parent
GATEWAY = Address("192.0.2.1", 4500)
NAT = "192.0.2.20"


class Host:
    """A network namespace."""

    def __init__(self, name: str) -> None:
        self.name = f"cd{os.getpid()}{name}"

    def run(self, command: str, *, stdin: str = "", check: bool = True) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, *command.split()],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *command: str, descriptors: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=descriptors,
        )


class EspEnd:
    """An esp process and our end of its channel."""

    def __init__(self, host: Host, role: str, held: contextlib.ExitStack) -> None:
        self.host = host
        self._channel, theirs = open_pair()
        held.callback(self._channel.close)
        arguments = (sys.executable, str(HERE / "esp_end.py"), role, str(theirs.fileno()))
        self.process = host.start(*arguments, descriptors=(theirs.fileno(),))
        theirs.close()
        held.callback(_stop, self.process)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def order(self, *orders: Order) -> None:
        for order in orders:
            self._channel.send(encode(order))

    def report(self, seconds: float = 10.0) -> Report | None:
        """The next report, or ``None`` when none comes in time."""
        if not select.select([self._channel], [], [], seconds)[0]:
            return None
        report = decode(self._channel.recv(65536))
        assert not isinstance(report, Install)
        return report  # type: ignore[return-value]  # an order never comes this way

    def counters(self) -> ChildCounters:
        self.order(QueryCounters())
        while not isinstance(report := self.report(), Counters):
            assert report is not None
        (counters,) = report.children
        return counters

    def say(self, word: str) -> None:
        """Tell the program on its standard input, and wait until it is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


class Tunnel:
    """The hosts, and the Child SA between them once it is installed."""

    def __init__(self, held: contextlib.ExitStack) -> None:
        self.lan, self.gateway, self.nat, self.client = (Host(name) for name in ("lan", "gw", "nat", "cl"))
        for host in (self.lan, self.gateway, self.nat, self.client):
            subprocess.run(["ip", "netns", "add", host.name], check=True)
            held.callback(subprocess.run, ["ip", "netns", "delete", host.name], check=True)
            host.run("ip link set lo up")
        _wire(self.lan, "10.77.0.2/24", self.gateway, "10.77.0.1/24", "cdl")
        _wire(self.gateway, "192.0.2.1/24", self.nat, f"{NAT}/24", "cdo")
        _wire(self.nat, "192.168.7.1/24", self.client, "192.168.7.2/24", "cdh")
        self.lan.run("ip route add default via 10.77.0.1")
        self.client.run("ip route add default via 192.168.7.1")
        self.nat.run("sysctl -qw net.ipv4.ip_forward=1")
        self.map_to(20_000)
        self.at_gateway = EspEnd(self.gateway, "gateway", held)
        self.at_client = EspEnd(self.client, "client", held)
        server = self.lan.start(sys.executable, str(HERE / "bulk_server.py"))
        held.callback(_stop, server)
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        self.at_gateway.say("plain")

    def map_to(self, port: int) -> None:
        """Have the NAT forget its mappings and use this outside port from now on."""
        self.nat.run(
            "nft -f -",
            stdin=f"""
            table ip cd {{}}
            delete table ip cd
            table ip cd {{
                chain out {{
                    type nat hook postrouting priority srcnat;
                    oifname "cdo" ip protocol udp snat to {NAT}:{port}
                }}
            }}
            """,
        )
        self.nat.run("conntrack -F")

    def install(self, suite: EspSuite) -> None:
        """Install a Child SA and its mirror image."""
        ours = child_sa(suite, path=Path(GATEWAY, Address(NAT, 20_000), nat_t=True))
        theirs = child_sa(
            suite,
            inbound_spi=ours.outbound_spi,
            outbound_spi=ours.inbound_spi,
            inbound_keys=ours.outbound_keys,
            outbound_keys=ours.inbound_keys,
            path=Path(Address("192.168.7.2", 4500), GATEWAY, nat_t=True),
            local_networks=ours.remote_networks,
            remote_networks=(IPv4Network("0.0.0.0/0"),),
        )
        self.at_gateway.order(Install(ours, Installing.BOTH))
        self.at_client.order(Install(theirs, Installing.BOTH))
        self.at_gateway.counters()
        self.at_client.counters()

    def ping(self, options: str) -> tuple[int, int]:
        """Ping the server from the client: how many were sent and how many answered."""
        said = self.client.run(f"ping -q -W 2 {options} 10.77.0.2", check=False)
        counts = re.search(r"(\d+) packets transmitted, (\d+) received", said)
        assert counts, said
        return int(counts[1]), int(counts[2])

    def start_bulk(self, verb: str, octets: int) -> subprocess.Popen[str]:
        return self.client.start(sys.executable, str(HERE / "bulk_client.py"), verb, str(octets))

    def bulk(self, verb: str, octets: int) -> tuple[str, int, str]:
        """Have the server send or take octets: the address and segment size that it saw, and the outcome."""
        output, _ = self.start_bulk(verb, octets).communicate(timeout=60)
        seen, start, outcome = output.splitlines()
        assert start == "start"
        address, segment = seen.split()
        return address, int(segment), outcome


def _wire(one: Host, address: str, other: Host, other_address: str, name: str) -> None:
    one.run(f"ip link add {name} type veth peer name {name} netns {other.name}")
    for host, its_address in ((one, address), (other, other_address)):
        host.run(f"ip address add {its_address} dev {name}")
        host.run(f"ip link set {name} up")


def _stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def tunnel() -> Iterator[Tunnel]:
    with contextlib.ExitStack() as held:
        yield Tunnel(held)

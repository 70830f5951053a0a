"""The gateway's data plane in the guest's root namespace, and clients behind a NAT that ``ip xfrm`` alone configures.

    lan 10.77.0.2 -- 10.77.0.1 gateway 192.0.2.1 -- 192.0.2.20 nat -- 192.168.71.2 first
                     (root namespace)                             \\- 192.168.72.2 second

So nothing of ours is tested against itself.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import subprocess
from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ike_engine.child_sa import ChildSa, EspKeys
from ike_engine.crypto.suites import Cipher, EspSuite, Integrity
from ike_engine.dataplane import xfrm_interface
from ike_engine.dataplane.interface import ChildCounters, Counters, QueryCounters, Report
from ike_engine.dataplane.xfrm import XfrmDataPlane
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
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
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


def map_ports(*clients: Client) -> None:
    """Have the NAT give each client the outside port that it names, from now on."""
    run("iptables-legacy -t nat -F", "cdnat")
    for client in clients:
        run(
            f"iptables-legacy -t nat -A POSTROUTING -o cdo -p udp -s {client.address} "
            f"-j SNAT --to-source {NAT}:{client.port}",
            "cdnat",
        )
    run("conntrack -F", "cdnat")


@contextlib.contextmanager
def leaving(device: str) -> Iterator[Callable[[], list[bytes]]]:
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

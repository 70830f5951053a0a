"""The networks of the laboratory: an "internet", a NAT router, a gateway's place and the network behind it.

::

    public ── 203.0.113.11 ─┐
                            ├─ internet ── 203.0.113.1  gateway  10.77.0.1 ── 10.77.0.2  inner (HTTP)
    nat ───── 203.0.113.20 ─┘   (bridge)
     │ 192.168.7.1 (bridge)
     ├─ 192.168.7.11  home_a
     └─ 192.168.7.12  home_b

Every host is a network namespace, made and removed with ``ip``; nothing appears in the machine's own. Names begin with
``ci`` and our pid, so that runs do not meet. MAC addresses are pinned: a name that returns with another one would
otherwise meet stale ARP entries, and the first client would wait 10 s for a gateway that seems deaf.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.interop.lab.processes import Daemon, run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

GATEWAY = "203.0.113.1"
NAT = "203.0.113.20"
PUBLIC = "203.0.113.11"
BRANCH_NETWORK, BRANCH_ROUTER, BRANCH_HOST = "172.20.7.0/24", "172.20.7.1", "172.20.7.2"
INNER_NETWORK = "10.77.0.0/24"
INNER_GATEWAY = "10.77.0.1"
SERVER = "10.77.0.2"

# Counts what crosses the outside of a place: ESP in UDP (the first word is not the non-ESP marker), plain ESP, and
# anything of the inner network in the clear, of which there must be none.
_PROOF = f"""
table ip ci_proof {{
    counter esp_in_udp {{ }}
    counter raw_esp {{ }}
    counter clear {{ }}
    chain seen {{
        type filter hook prerouting priority -310;
        iifname "wan" udp dport 4500 udp length > 12 @th,64,32 != 0 counter name esp_in_udp
        iifname "wan" ip protocol esp counter name raw_esp
        iifname "wan" ip daddr {INNER_NETWORK} counter name clear
    }}
}}
"""


class Place:
    """A network namespace, and what is run in it."""

    def __init__(self, name: str, address: str = "") -> None:
        self.name = name
        self.address = address

    def argv(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]

    def run(
        self,
        *command: str,
        timeout: float = 60,
        check: bool = True,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here to its end; see ``processes.run``."""
        return run(self.argv(*command), timeout=timeout, check=check, stdin=stdin, env=env)

    def daemon(
        self, name: str, *command: str, log: Path, stdin: str | None = None, env: Mapping[str, str] | None = None
    ) -> Daemon:
        """Start a program here that stays; see ``processes.Daemon``."""
        return Daemon(name, self.argv(*command), log, stdin=stdin, env=env)

    def nft(self, rules: str) -> None:
        """Load nftables rules here, all or nothing."""
        self.run("nft", "-f", "-", stdin=rules)

    def links(self) -> set[str]:
        """Names of the network interfaces here."""
        shown: list[dict[str, str]] = json.loads(self.run("ip", "-json", "link").stdout)
        return {link["ifname"] for link in shown}

    def addresses(self) -> set[str]:
        """IPv4 addresses of the interfaces here."""
        shown = json.loads(self.run("ip", "-json", "-4", "address").stdout)
        return {address["local"] for link in shown for address in link["addr_info"]}


class Nat(Place):
    """A router that masquerades its homes, as nftables does it in a million of them."""

    _FIRST_PORTS = (20_000, 30_000, 40_000)

    def __init__(self, name: str, address: str) -> None:
        super().__init__(name, address)
        self._port_ranges = itertools.cycle(self._FIRST_PORTS)

    def masquerade(self) -> None:
        """Masquerade UDP from now on from a port range not used just before."""
        first = next(self._port_ranges)
        self.nft(
            f"""
            table ip ci_nat
            delete table ip ci_nat
            table ip ci_nat {{
                chain out {{
                    type nat hook postrouting priority srcnat;
                    oifname "wan" ip protocol udp masquerade to :{first}-{first + 999} random
                    oifname "wan" masquerade
                }}
                chain own {{ # what no mapping claims vanishes, as behind any home router: no ICMP errors
                    type filter hook input priority filter;
                    iifname "wan" meta l4proto udp drop
                }}
            }}
            """
        )

    def forget_mappings(self) -> None:
        """Lose every mapping, as a rebooted router: the next packet of each flow comes from another port."""
        self.masquerade()
        self.run("conntrack", "-F")

    def mapped_ports(self) -> dict[str, set[int]]:
        """Which outside ports now stand for each home, of flows to the gateway's port 4500."""
        listing = self.run("conntrack", "-L", "-p", "udp", "--dport", "4500", "-o", "extended").stdout
        ports: dict[str, set[int]] = {}
        for line in listing.splitlines():
            words = [word.partition("=") for word in line.split()]
            sources = [value for key, _, value in words if key == "src"]
            destinations = [value for key, _, value in words if key == "dport"]
            ports.setdefault(sources[0], set()).add(int(destinations[1]))
        return ports

    @contextlib.contextmanager
    def hostile(self, largest_udp: int = 600) -> Iterator[None]:
        """Drop IP fragments, and UDP datagrams of more than ``largest_udp`` octets (UDP header included), for a while.

        The rules stand before conntrack, which would put fragments together again.
        """
        self.nft(
            f"""
            table ip ci_hostile {{
                counter fragments {{ }}
                counter large {{ }}
                chain drops {{
                    type filter hook prerouting priority -500;
                    ip frag-off & 0x3fff != 0 counter name fragments drop
                    udp length > {largest_udp} counter name large drop
                }}
            }}
            """
        )
        try:
            yield
        finally:
            self.run("nft", "delete", "table", "ip", "ci_hostile")

    def dropped(self) -> dict[str, int]:
        """How many packets ``hostile`` has dropped, by reason."""
        return _counters(self, "ci_hostile")


def _counters(place: Place, table: str) -> dict[str, int]:
    listing = json.loads(place.run("nft", "-j", "list", "counters", "table", "ip", table).stdout)
    return {item["counter"]["name"]: item["counter"]["packets"] for item in listing["nftables"] if "counter" in item}


class Network:
    """All the places, wired together; removed with everything in them when the context ends."""

    _instances = itertools.count()

    def __init__(self) -> None:
        prefix = f"ci{os.getpid()}-{next(self._instances)}-"
        self._internet = Place(prefix + "internet")
        self.gateway = Place(prefix + "gateway", GATEWAY)
        self.inner = Place(prefix + "inner", SERVER)
        self.public = Place(prefix + "public", PUBLIC)
        self.nat = Nat(prefix + "nat", NAT)
        self.home_a = Place(prefix + "home-a", "192.168.7.11")
        self.home_b = Place(prefix + "home-b", "192.168.7.12")
        self._places = (
            self._internet,
            self.gateway,
            self.inner,
            self.public,
            self.nat,
            self.home_a,
            self.home_b,
        )

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    @staticmethod
    def _remove_those_of_dead_runs() -> None:
        """A run that was killed could not tidy up; its programs died with it, its namespaces did not."""
        names = [line.split()[0] for line in run(["ip", "netns", "list"]).stdout.splitlines() if line.strip()]
        for name in names:
            found = re.match(r"ci(\d+)-\d+-", name)
            if found and not Path(f"/proc/{found[1]}").exists():
                run(["ip", "netns", "delete", name], check=False)

    def _build(self) -> None:
        self._remove_those_of_dead_runs()
        for place in self._places:
            run(["ip", "netns", "add", place.name])
            run(["ip", "-n", place.name, "link", "set", "lo", "up"])
        self._bridge(self._internet, "internet", 1)
        self._bridge(self.nat, "lan", 2, "192.168.7.1/24")
        for place, port in ((self.gateway, "gw"), (self.public, "public"), (self.nat, "nat")):
            self._wire(place, "wan", f"{place.address}/24", self._internet, port, bridge="internet")
        for place, port in ((self.home_a, "home-a"), (self.home_b, "home-b")):
            self._wire(place, "wan", f"{place.address}/24", self.nat, port, bridge="lan")
            run(["ip", "-n", place.name, "route", "add", "default", "via", "192.168.7.1"])
        self._wire(self.inner, "lan", f"{SERVER}/24", self.gateway, "lan", far_address=f"{INNER_GATEWAY}/24")
        run(["ip", "-n", self.inner.name, "route", "add", "default", "via", INNER_GATEWAY])
        self.nat.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        self.nat.masquerade()
        for place in (self.gateway, self.nat):
            place.nft(_PROOF)

    def _remove(self) -> None:
        for place in reversed(self._places):
            run(["ip", "netns", "delete", place.name], check=False)

    @staticmethod
    def _bridge(place: Place, name: str, number: int, address: str = "") -> None:
        mac = f"02:c1:00:00:00:{number:02x}"
        run(["ip", "-n", place.name, "link", "add", name, "address", mac, "type", "bridge", "forward_delay", "0"])
        if address:
            run(["ip", "-n", place.name, "address", "add", address, "dev", name])
        run(["ip", "-n", place.name, "link", "set", name, "up"])

    @staticmethod
    def _wire(
        place: Place, near: str, near_address: str, other: Place, far: str, *, bridge: str = "", far_address: str = ""
    ) -> None:
        """Lay a veth from ``place`` to a bridge of ``other``, or to an interface of it with an address of its own."""
        mac = "02:c1:" + ipaddress.ip_interface(near_address).ip.packed.hex(":")
        far_mac = mac.replace("02:c1:", "02:c2:")
        peer = ["peer", "name", far, "address", far_mac, "netns", other.name]
        run(["ip", "-n", place.name, "link", "add", near, "address", mac, "type", "veth", *peer])
        if bridge:
            run(["ip", "-n", other.name, "link", "set", "dev", far, "master", bridge])
        if far_address:
            run(["ip", "-n", other.name, "address", "add", far_address, "dev", far])
        run(["ip", "-n", place.name, "address", "add", near_address, "dev", near])
        run(["ip", "-n", other.name, "link", "set", far, "up"])
        run(["ip", "-n", place.name, "link", "set", near, "up"])

    @contextlib.contextmanager
    def branch(self, router: Place) -> Iterator[Place]:
        """A host in a network of its own behind a client, for a while; ``router`` is where the client stands."""
        host = Place(f"{router.name}-branch", BRANCH_HOST)
        run(["ip", "netns", "add", host.name])
        try:
            run(["ip", "-n", host.name, "link", "set", "lo", "up"])
            self._wire(host, "lan", f"{BRANCH_HOST}/24", router, "branch", far_address=f"{BRANCH_ROUTER}/24")
            run(["ip", "-n", host.name, "route", "add", "default", "via", BRANCH_ROUTER])
            yield host
        finally:
            run(["ip", "netns", "delete", host.name], check=False)

    def seen_at_gateway(self) -> dict[str, int]:
        """Packets that reached the gateway from outside: ``esp_in_udp``, ``raw_esp``, and inner ones in ``clear``."""
        return _counters(self.gateway, "ci_proof")

"""The ground that gateways are measured on: three hosts in a row, each a network namespace.

::

    client 203.0.113.11 ── 203.0.113.1 gateway 10.77.0.1 ── 10.77.0.2 inner (HTTP)

The client has many addresses: to a gateway, one user who comes twice from one address and port is one client that came
back, and gets what it had. Names begin with ``cb`` and our pid. Nothing appears in the machine's own namespace.
"""

from __future__ import annotations

import os
from typing import Self

from tests.interop.lab.network import GATEWAY, INNER_GATEWAY, PUBLIC, SERVER, Place
from tests.interop.lab.processes import run

CLIENT_ADDRESSES = tuple(f"203.0.113.{last}" for last in range(100, 250))


class Ground:
    """The three places, wired; removed with everything in them when the context ends."""

    def __init__(self) -> None:
        prefix = f"cb{os.getpid()}-"
        self.client = Place(prefix + "client", PUBLIC)
        self.gateway = Place(prefix + "gateway", GATEWAY)
        self.inner = Place(prefix + "inner", SERVER)
        self._places = (self.client, self.gateway, self.inner)

    def __enter__(self) -> Self:
        try:
            for place in self._places:
                run(["ip", "netns", "add", place.name])
                run(["ip", "-n", place.name, "link", "set", "lo", "up"])
            self._wire(self.client, PUBLIC, GATEWAY, "wan", "1")
            for address in CLIENT_ADDRESSES:
                run(["ip", "-n", self.client.name, "address", "add", f"{address}/24", "dev", "wan"])
            self._wire(self.inner, SERVER, INNER_GATEWAY, "lan", "2")
            run(["ip", "-n", self.inner.name, "route", "add", "default", "via", INNER_GATEWAY])
            self.gateway.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _remove(self) -> None:
        for place in self._places:
            run(["ip", "netns", "delete", place.name], check=False)

    def _wire(self, place: Place, address: str, gateway_address: str, name: str, number: str) -> None:
        # Pinned MAC addresses: a veth that returns with another one would meet stale ARP entries.
        ends = (
            (place.name, f"02:cb:00:00:00:{number}1", address),
            (
                self.gateway.name,
                f"02:cb:00:00:00:{number}2",
                gateway_address,
            ),
        )
        (near, near_mac, _), (far, far_mac, _) = ends
        peer = ["peer", "name", name, "address", far_mac, "netns", far]
        run(["ip", "-n", near, "link", "add", name, "address", near_mac, "type", "veth", *peer])
        for namespace, _, end_address in ends:
            run(["ip", "-n", namespace, "address", "add", f"{end_address}/24", "dev", name])
            run(["ip", "-n", namespace, "link", "set", name, "up"])

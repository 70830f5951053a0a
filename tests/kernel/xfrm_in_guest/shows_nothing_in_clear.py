"""Nothing of a client leaves or enters outside its SAs."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path as Files
from typing import TYPE_CHECKING

from ike_engine.dataplane.interface import Install, Installing
from tests.kernel.xfrm_in_guest.lab import leaving, run

if TYPE_CHECKING:
    from tests.kernel.xfrm_in_guest.lab import Client, Gateway


def test_nothing_leaves_in_clear_before_the_outbound_half_or_after_the_end(gateway: Gateway, first: Client) -> None:
    child = first.child()
    first.install(child)
    gateway.plane.apply(Install(child, Installing.INBOUND))
    assert first.ping(2) == 0
    assert gateway.counters(child).packets_in == 2
    gateway.plane.apply(Install(child, Installing.OUTBOUND))
    assert first.ping() == 3


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
    with leaving("cdl") as packets:
        for destination in ("10.77.0.2", "10.77.0.1"):
            words = f"ip netns exec cdnat ping -c 1 -W 1 -I {first.virtual_ip} {destination}".split()
            assert subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == 1
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

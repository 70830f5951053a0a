from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ike_engine.dataplane.interface import PathObserved
from ike_engine.path import Address, Path
from tests.ike_engine.dataplane.samples import SUITES
from tests.interop.dataplane.conftest import GATEWAY, NAT

if TYPE_CHECKING:
    from ike_engine.crypto.suites import EspSuite
    from tests.interop.dataplane.conftest import Tunnel

MEGABYTE = 1_000_000


@pytest.mark.parametrize("suite", [SUITES[0], SUITES[5]], ids=str)
def test_pings_downloads_and_uploads_cross_the_tunnel(tunnel: Tunnel, suite: EspSuite) -> None:
    tunnel.install(suite)
    assert tunnel.ping("-c 5 -i 0.1") == (5, 5)
    assert tunnel.bulk("send", 20 * MEGABYTE)[2] == str(20 * MEGABYTE)
    assert tunnel.bulk("take", 20 * MEGABYTE)[2] == "taken"
    here, there = tunnel.at_gateway.counters(), tunnel.at_client.counters()
    assert (here.integrity_failures, here.replays) == (there.integrity_failures, there.replays) == (0, 0)
    assert here.octets_out > 20 * MEGABYTE
    assert here.octets_in > 20 * MEGABYTE


def test_packets_too_large_for_the_tunnel_are_fragmented_before_esp_or_refused(tunnel: Tunnel) -> None:
    tunnel.install(SUITES[0])
    # On the outside, whose links carry 1500 octets, nothing may be a fragment.
    tunnel.nat.run(
        "nft -f -",
        stdin="""
        table ip cd_sizes {
            counter fragments {}
            counter large {}
            chain seen {
                type filter hook prerouting priority -450;
                ip frag-off & 0x3fff != 0 counter name fragments drop
                ip length > 1500 counter name large
            }
        }
        """,
    )
    assert tunnel.ping("-c 3 -i 0.1 -s 4000") == (3, 3)
    assert tunnel.at_gateway.counters().packets_in == 9
    # From the network behind: told what fits, and fitting.
    said = tunnel.lan.run("ping -c 1 -W 2 -M do -s 1400 10.9.0.5", check=False)
    assert "Frag needed and DF set (mtu = 1400)" in said
    assert " 0% packet loss" in tunnel.lan.run("ping -c 1 -W 2 -M do -s 1372 10.9.0.5")
    assert "packets 0 " in tunnel.nat.run("nft list counter ip cd_sizes fragments")


def test_a_nat_that_changes_the_port_costs_a_packet_or_two(tunnel: Tunnel) -> None:
    tunnel.install(SUITES[0])
    download = tunnel.start_bulk("send", 200 * MEGABYTE)
    assert download.stdout is not None
    download.stdout.readline()
    assert download.stdout.readline() == "start\n"
    # A packet or two at this rate are the half of a second that a busy machine may take to learn of it.
    pinging = tunnel.client.start("ping", "-q", "-c", "15", "-i", "0.2", "-W", "10", "10.77.0.2")
    time.sleep(0.5)
    tunnel.map_to(30_000)
    output, _ = pinging.communicate(timeout=60)
    received = int(output.split(" received")[0].rsplit(maxsplit=1)[1])
    assert received >= 13, output
    assert tunnel.at_gateway.report() == PathObserved(0xC0000001, Path(GATEWAY, Address(NAT, 30_000), nat_t=True))
    rest, _ = download.communicate(timeout=60)
    assert rest == f"{200 * MEGABYTE}\n"


def test_the_networks_server_sees_virtual_addresses_or_the_gateways(tunnel: Tunnel) -> None:
    tunnel.install(SUITES[0])
    assert tunnel.bulk("send", 1000)[0] == "10.9.0.5"
    tunnel.at_gateway.say("masquerade")
    assert tunnel.bulk("send", 1000)[0] == "10.77.0.1"
    tunnel.at_gateway.say("plain")
    assert tunnel.bulk("send", 1000)[0] == "10.9.0.5"


def test_tcp_is_told_a_segment_size_that_fits(tunnel: Tunnel) -> None:
    """The server's own link would let it announce and use 1460."""
    tunnel.install(SUITES[0])
    tunnel.client.run("ip link set cdtun0 mtu 1500")  # a client that does not know better
    _, segment, _ = tunnel.bulk("send", MEGABYTE)
    assert segment <= 1360


def test_a_virtual_address_used_outside_the_tunnel_reaches_nothing(tunnel: Tunnel) -> None:
    tunnel.client.run("ip route replace 10.77.0.0/24 via 192.168.7.1 src 10.9.0.5")
    tunnel.nat.run("ip route add 10.77.0.0/24 via 192.0.2.1")
    for switch in ("all", "cdo"):  # what rp_filter would drop is ours to drop
        tunnel.gateway.run(f"sysctl -qw net.ipv4.conf.{switch}.rp_filter=0")
    assert tunnel.ping("-c 2 -i 0.1") == (2, 0)
    assert "packets 2 " in tunnel.gateway.run("nft list counter ip coati strays")


def test_nothing_is_left_of_routes_and_rules(tunnel: Tunnel) -> None:
    before = tunnel.gateway.run("ip route show table all"), tunnel.gateway.run("nft list ruleset")
    assert "10.9.0.0/24 dev cdtun0" in before[0]
    assert "table ip coati" in before[1]
    assert tunnel.gateway.run("sysctl -n net.ipv4.ip_forward") == "1\n"
    tunnel.at_gateway.say("nothing")
    assert "10.9.0.0/24" not in tunnel.gateway.run("ip route show table all")
    assert tunnel.gateway.run("nft list ruleset") == ""
    assert tunnel.gateway.run("sysctl -n net.ipv4.ip_forward") == "0\n"
    tunnel.at_gateway.say("nothing")
    tunnel.at_gateway.say("masquerade")
    tunnel.at_gateway.say("masquerade")
    assert tunnel.gateway.run("nft list ruleset").count("masquerade") == 1

"""Mode Config in the Cisco manner: split tunnel, domain, banner; and virtual addresses hidden behind the gateway's."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import network as networks
from tests.interop.lab import office, proofs
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network
    from tests.interop.lab.webserver import WebServer

pytestmark = pytest.mark.appliance


def test_vpnc_is_told_everything(clients: Clients, gateway: Gateway, network: Network, web_server: WebServer) -> None:
    client = clients.vpnc(network.home_a)

    client.start(office.ALICE, gateway.authority, hybrid=False, group=office.TINY_GROUP)
    client.connect()

    told = client.told()
    inner = IPv4Network(networks.INNER_NETWORK)
    assert told["INTERNAL_IP4_ADDRESS"] == office.TINY_POOL[0]
    assert told["INTERNAL_IP4_DNS"] == office.DNS
    assert told["INTERNAL_IP4_NBNS"] == office.WINS
    assert told["CISCO_DEF_DOMAIN"] == office.DOMAIN
    assert told["CISCO_BANNER"] == office.BANNER
    assert told["CISCO_SPLIT_INC"] == "1"
    assert told["CISCO_SPLIT_INC_0_ADDR"] == str(inner.network_address)
    assert told["CISCO_SPLIT_INC_0_MASK"] == str(inner.netmask)
    proofs.download(network.home_a, web_server)


def test_a_masquerading_pool_needs_no_route_back(
    clients: Clients, gateway: Gateway, network: Network, web_server: WebServer
) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE, "psk", "aggressive", group=office.TINY_GROUP), gateway.authority)
    client.connect()
    before = len(web_server.visitors())

    network.inner.run("ip", "route", "del", "default")
    try:
        proofs.download(network.home_a, web_server)
    finally:
        network.inner.run("ip", "route", "add", "default", "via", networks.INNER_GATEWAY)

    assert set(web_server.visitors()[before:]) == {networks.INNER_GATEWAY}


def test_tcp_keeps_to_the_tunnel_without_icmp(
    clients: Clients, gateway: Gateway, network: Network, web_server: WebServer
) -> None:
    """The client announces more than fits, and what would tell the server so is lost: the gateway clamps the MSS."""
    client = clients.vpnc(network.home_a)
    client.start(office.ALICE, gateway.authority)
    client.connect()
    network.home_a.run("ip", "link", "set", "dev", client.device, "mtu", "1500")
    network.inner.nft("table ip ci_deaf { chain in { type filter hook input priority 0; ip protocol icmp drop; }; }")
    try:
        proofs.download(network.home_a, web_server)
    finally:
        network.inner.run("nft", "delete", "table", "ip", "ci_deaf")

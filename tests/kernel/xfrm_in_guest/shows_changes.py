"""SAs are rekeyed, run out, and follow a client whose address or port changes."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from ike_engine.dataplane.interface import Expired, Install, InstallFailed, Installing, PathObserved, Remove, UpdatePath
from ike_engine.path import Address, Path
from tests.kernel.xfrm_in_guest.lab import GATEWAY, NAT, map_ports, run

if TYPE_CHECKING:
    from tests.kernel.xfrm_in_guest.lab import Client, Gateway


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
    map_ports(first)
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


def test_a_client_that_moves_to_where_its_spi_is_anothers_loses_its_own_sa_only(
    gateway: Gateway, first: Client, second: Client
) -> None:
    # An SA out is known by address and SPI, and the SPI is the client's to choose: it may have seen it on a wire.
    child = first.child()
    taken = second.child(outbound_spi=child.outbound_spi, path=Path(GATEWAY, Address("192.0.2.77", 4500), nat_t=True))
    first.install(child)
    map_ports(first)
    for each in (child, taken):
        gateway.plane.apply(Install(each, Installing.BOTH))
    gateway.plane.apply(UpdatePath((taken.inbound_spi,), Path(GATEWAY, Address(NAT, 30_000), nat_t=True)))
    (failed,) = gateway.reports
    assert isinstance(failed, InstallFailed)
    assert failed.inbound_spi == taken.inbound_spi
    gateway.plane.apply(UpdatePath((taken.inbound_spi,), Path(GATEWAY, Address(NAT, 30_001), nat_t=True)))
    gateway.plane.apply(Remove((taken.inbound_spi,)))
    assert second.virtual_ip not in gateway.policies()
    assert first.ping() == 3


def test_a_virtual_ip_goes_back_to_its_first_holder_when_the_second_leaves(
    gateway: Gateway, first: Client, second: Client
) -> None:
    mine, theirs = first.child(), second.child(remote_networks=first.child().remote_networks)
    map_ports(first)
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
    deadline = time.monotonic() + 60
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

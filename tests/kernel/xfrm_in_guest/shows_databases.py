"""The databases of the kernel are shown without keys, and hold nothing of what was refused or of a dead keeper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ike_engine.dataplane.databases import Action, Direction, Owner
from ike_engine.dataplane.interface import Install, InstallFailed, Installing
from ike_engine.dataplane.xfrm import XfrmDataPlane
from ike_engine.dataplane.xfrm_interface import INTERFACE_ID
from ike_engine.path import Address
from tests.kernel.xfrm_in_guest.lab import HAS_INTERFACES, NAT, map_ports, run

if TYPE_CHECKING:
    from tests.kernel.xfrm_in_guest.lab import Client, Gateway


def test_the_kernels_databases_are_shown_without_keys(gateway: Gateway, first: Client, second: Client) -> None:
    run(
        "ip xfrm state add src 192.0.2.9 dst 192.0.2.1 proto esp spi 0x999 reqid 5 mode tunnel "
        f"aead rfc4106(gcm(aes)) 0x{bytes(20).hex()} 128"
    )
    map_ports(first, second)
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
    gateway.plane._reqids.close()  # as the kernel does when a process ends
    successor = XfrmDataPlane(INTERFACE_ID if HAS_INTERFACES else 0)
    assert gateway.policies() == ""
    states = gateway.states()
    assert "0x00000999" in states
    assert f"{first.child().inbound_spi:#x}" not in states
    successor.close()
    run("ip xfrm state delete src 192.0.2.9 dst 192.0.2.1 proto esp spi 0x999")

"""Which halves of a Child SA go in when."""

from __future__ import annotations

from ike_engine.actions import InstallBoth, InstallInbound, InstallOutbound, RekeyChildren
from ike_engine.events import ChildSaEstablished
from tests.ike_engine.lab import pair


def test_the_first_child_sa_goes_in_whole_before_message_2_leaves() -> None:
    lab = pair()
    lab.connect(seconds=5)
    (first,) = [output for output in lab.gateway.installs if isinstance(output, InstallBoth)]
    assert first.child.inbound_spi in lab.gateway.outbound
    assert not [output for output in lab.gateway.installs if isinstance(output, InstallOutbound)]


def test_a_rekey_sends_on_the_old_one_until_the_peer_is_ready() -> None:
    lab = pair()
    lab.connect(seconds=5)
    peer_id = lab.gateway.of(ChildSaEstablished)[0].peer_id
    lab.gateway.installs.clear()
    lab.client.installs.clear()
    lab.network.command(lab.gateway, RekeyChildren(peer_id))
    lab.network.run(5)
    for station in (lab.gateway, lab.client):
        kinds = [type(output) for output in station.installs]
        assert kinds == [InstallInbound, InstallOutbound], station.name

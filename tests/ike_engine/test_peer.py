"""Which halves of a Child SA go in when, what replaces it, and what the data plane has to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ike_engine.actions import Disconnect, InstallBoth, InstallInbound, InstallOutbound, RekeyChildren
from ike_engine.dataplane.interface import ChildCounters, Counters, Expired, InstallFailed, PathObserved
from ike_engine.endpoint import Endpoint
from ike_engine.events import ChildSaEstablished, ChildSaRemoved, Goodbye, PeerGone, PeerMoved
from ike_engine.ikev1.children import REPLACED_SECONDS
from ike_engine.path import Address
from ike_engine.policy import Limits, Policy
from tests.ike_engine.lab import pair, pending, translated
from tests.ike_engine.network import NOW, Weather, path

if TYPE_CHECKING:
    from ike_engine.dataplane.interface import Report
    from ike_engine.path import Path
    from tests.ike_engine.lab import Pair


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


def crossing(lab: Pair) -> None:
    """Both sides begin to rekey at the same moment."""
    for station in (lab.gateway, lab.client):
        lab.network.command(station, RekeyChildren(station.of(ChildSaEstablished)[0].peer_id))


@pytest.mark.parametrize("seed", range(20))
def test_rekeys_that_cross_do_not_end_each_other(seed: int) -> None:
    lab = pair(weather=Weather(jitter=0.2), seed=seed)
    lab.connect(seconds=5)
    crossing(lab)
    for _ in range(60):
        lab.network.run(1)
        ours = {child.outbound_spi for child in lab.client.outbound.values()}
        assert ours & set(lab.gateway.outbound)
    assert set(lab.gateway.inbound) == {child.outbound_spi for child in lab.client.inbound.values()}


def test_of_two_that_crossed_the_next_rekey_leaves_one() -> None:
    lab = pair()
    lab.connect(seconds=5)
    crossing(lab)
    lab.network.run(60)
    assert len(lab.gateway.inbound) == 2
    lab.network.command(lab.gateway, RekeyChildren(lab.gateway.of(ChildSaEstablished)[0].peer_id))
    lab.network.run(60)
    assert len(lab.gateway.inbound) == len(lab.client.inbound) == 1


def test_a_rekey_that_fails_is_tried_again() -> None:
    quiet = {"dpd_interval_seconds": 0}
    lab = pair(gateway={"child_lifetime_seconds": 2000, **quiet}, client={"child_lifetime_seconds": 9000, **quiet})
    lab.connect(seconds=5)
    (old,) = lab.gateway.inbound
    lab.network.run(1785)
    lab.network.hook = lambda *_: None
    lab.network.run(50)  # from 1800 s on the gateway tries in vain
    lab.network.hook = lambda *sent: sent[1:]
    lab.network.run(100)
    assert len(lab.gateway.of(ChildSaEstablished)) == 2
    assert old not in lab.gateway.inbound


def test_a_rekey_that_its_isakmp_sa_takes_along_may_be_begun_again() -> None:
    lab = pair(client={"isakmp_lifetime_seconds": 100})
    lab.connect(seconds=87)  # the client made a second ISAKMP SA and has not yet deleted the first
    (peer,) = lab.gateway.endpoint._peers
    first, second = peer.ike_sas
    lab.network.hook = lambda *_: None
    lab.gateway.endpoint._children.rekey(first, next(peer.live_children))
    assert any(child.rekeying for child in peer.children.values())
    lab.gateway.endpoint._ikev1.remove(first)
    assert not any(child.rekeying for child in peer.children.values())
    assert peer.ike_sas == [second]


def test_a_half_made_child_sa_goes_with_its_isakmp_sa() -> None:
    lab = pair(client={"isakmp_lifetime_seconds": 100})
    lab.connect(seconds=87)
    (peer,) = lab.gateway.endpoint._peers
    first, _ = peer.ike_sas
    (child,) = peer.live_children
    lab.network.hook = lambda sender, data, way: (data, way) if sender is lab.client else None
    (ours,) = lab.client.endpoint._peers
    lab.client.endpoint._children.rekey(ours.ike_sas[0], next(ours.live_children))
    lab.network._collect(lab.client)
    lab.network.run(1)
    assert len(peer.children) == 2
    lab.gateway.endpoint._ikev1.remove(first)
    lab.network._collect(lab.gateway)
    assert list(peer.children.values()) == [child]
    assert set(lab.gateway.inbound) == {child.sa.inbound_spi}


def test_a_move_that_esp_showed_first_is_where_ike_goes_too() -> None:
    lab = pair(gateway={"dpd_interval_seconds": 10.0})
    translated(lab)
    lab.connect(seconds=5)
    (child,) = lab.gateway.inbound.values()
    moved = child.path._replace(remote=Address("203.0.113.99", 50_000))
    sent: list[Path] = []
    lab.network.hook = lambda sender, _, way: sent.append(way) if sender is lab.gateway else None
    report(lab, PathObserved(child.inbound_spi, moved))
    lab.network.run(15)
    assert lab.gateway.one(PeerMoved).path == moved
    assert [(move.inbound_spis, move.path) for move in lab.gateway.moves] == [((child.inbound_spi,), moved)]
    assert sent
    assert set(sent) == {moved}


def report(lab: Pair, news: Report) -> None:
    lab.gateway.endpoint.report(news, lab.network.now)
    lab.network._collect(lab.gateway)


def test_packets_are_signs_of_life_and_their_absence_is_none() -> None:
    lab = pair(gateway={"dpd_interval_seconds": 10.0, "dpd_timeout_seconds": 10.0})
    lab.connect(seconds=5)
    (spi,) = lab.gateway.inbound
    lab.network.hook = lambda *_: None
    for _ in range(20):
        lab.network.run(5)
        report(lab, Counters((counters(spi, 1.0), counters(99, 0.0))))
    assert not lab.gateway.of(PeerGone)
    for _ in range(20):
        lab.network.run(5)
        report(lab, Counters((counters(spi, None),)))
    assert lab.gateway.one(PeerGone)


def counters(spi: int, idle: float | None) -> ChildCounters:
    return ChildCounters(
        inbound_spi=spi,
        octets_in=0,
        octets_out=0,
        packets_in=0,
        packets_out=0,
        integrity_failures=0,
        replays=0,
        idle_seconds=idle,
    )


@pytest.mark.parametrize("hard", [False, True])
def test_a_volume_limit_is_news_for_rekeying(*, hard: bool) -> None:
    lab = pair()
    lab.connect(seconds=5)
    (spi,) = lab.gateway.inbound
    report(lab, Expired(spi, hard))
    lab.network.run(60)
    assert spi not in lab.gateway.inbound
    assert len(lab.gateway.inbound) == len(lab.client.inbound) == 1


def test_a_client_that_agrees_on_next_to_nothing_does_not_have_us_rekey_for_ever() -> None:
    lab = pair(policy={"limits": Limits(children_per_peer=4)}, client={"child_lifetime_kilobytes": 1})
    lab.connect(seconds=5)
    begun = lab.network.now
    for _ in range(50):
        for spi in list(lab.gateway.inbound):  # each packet is one too many
            report(lab, Expired(spi, hard=False))
        lab.network.run(0.1)
    assert lab.network.now - begun < REPLACED_SECONDS
    assert len(lab.gateway.inbound) == 8
    lab.network.run(60)
    assert len(lab.gateway.inbound) == len(lab.client.inbound) == 1


def test_what_the_data_plane_refuses_the_peer_does_not_believe_in() -> None:
    lab = pair()
    lab.connect(seconds=5)
    (spi,) = lab.gateway.inbound
    report(lab, InstallFailed(spi, "no memory"))
    lab.network.run(0.1)
    assert not lab.gateway.inbound
    assert not lab.client.inbound
    assert "no memory" in lab.gateway.one(ChildSaRemoved).reason


def test_news_of_child_sas_that_are_gone_is_ignored() -> None:
    lab = pair()
    lab.connect(seconds=5)
    for news in (Expired(7, hard=True), InstallFailed(7, ""), PathObserved(7, path())):
        report(lab, news)
    assert len(lab.gateway.inbound) == 1
    assert not lab.gateway.of(PeerMoved)


def test_a_peer_is_gone_once() -> None:
    lab = pair()
    lab.connect(seconds=5)
    for _ in range(2):
        lab.network.command(lab.gateway, Disconnect(1))
    lab.network.run(5)
    gone = lab.gateway.one(PeerGone)
    assert (gone.goodbye, gone.user) == (Goodbye.ADMINISTRATOR, "alice")
    assert lab.client.one(PeerGone).goodbye is Goodbye.PEER_DELETED
    assert not lab.gateway.inbound
    assert not lab.client.inbound
    assert lab.gateway.endpoint.peers == lab.gateway.endpoint.child_sas == 0
    assert pending(lab.gateway) == pending(lab.client) == 0


def test_numbers_of_peers_go_on_where_an_earlier_life_ended() -> None:
    station = Endpoint(Policy(), entropy=bytes, wall_clock=lambda: NOW, first_peer_id=500)
    assert station._peers._next_id == 500


def test_peers_are_found_where_they_are_now() -> None:
    lab = pair(gateway={"dpd_interval_seconds": 0})
    translated(lab)
    lab.connect(seconds=5)
    peers = lab.gateway.endpoint._peers
    (peer,) = peers
    before = peer.path.remote
    assert peers.at(before) == (peer,)
    moved = peer.path._replace(remote=Address("203.0.113.99", 50_000))
    report(lab, PathObserved(next(iter(lab.gateway.inbound)), moved))
    assert peers.at(before) == ()
    assert peers.at(moved.remote) == (peer,)
    lab.network.command(lab.gateway, Disconnect(peer.id))
    assert peers._by_place == peers._by_user == {}

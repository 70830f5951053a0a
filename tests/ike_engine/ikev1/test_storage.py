"""The gateway's process dies and another goes on: clients on virtual time notice nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.actions import Disconnect, RekeyChildren
from ike_engine.endpoint import Endpoint
from ike_engine.events import ChildSaEstablished, Goodbye, IsakmpSaEstablished, Liveness, PeerConnected, PeerGone
from ike_engine.ikev1.storage import CannotResume, StoredPeer
from ike_engine.policy import Authentication, Phase1Mode, Policy
from ike_engine.secret import Secret
from tests.ike_engine.lab import CONFIGURATION, Pair, pair
from tests.ike_engine.network import NOW, Station

if TYPE_CHECKING:
    from collections.abc import Mapping

WAYS = [(method, mode) for method in Authentication for mode in Phase1Mode]
QUICK: Mapping[str, Any] = {"dpd_interval_seconds": 10.0, "dpd_timeout_seconds": 20.0}


def connected(**options: Any) -> Pair:
    lab = pair(**options)
    began = lab.network.now
    lab.gateway.endpoint._ikev1.wall_clock = lambda: NOW + timedelta(seconds=lab.network.now - began)
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerConnected)
    return lab


def stored(lab: Pair) -> bytes:
    octets = lab.gateway.endpoint.store(lab.gateway.one(PeerConnected).peer_id)
    assert octets is not None
    return octets


def another_process(
    lab: Pair, octets: bytes, *, policy: Policy | None = None, seconds: float = 0.0, first_peer_id: int = 1_000
) -> None:
    """The gateway's process dies on the spot; ``seconds`` later another one has what was stored, and its place."""
    old = lab.gateway
    lab.network.stations.remove(old)
    lab.network.at["192.0.2.1"] = Station("nobody", Policy(), 0)
    lab.network.run(seconds)
    lab.gateway = lab.network.add(Station("second life", Policy(), 1), "192.0.2.1")
    lab.gateway.endpoint = Endpoint(
        policy or old.endpoint._ikev1.policy,
        entropy=old.endpoint._entropy,
        wall_clock=old.endpoint._ikev1.wall_clock,
        first_peer_id=first_peer_id,
    )
    lab.gateway.answer = old.answer
    lab.gateway.inbound, lab.gateway.outbound = old.inbound, old.outbound
    lab.gateway.endpoint.resume(StoredPeer.from_octets(octets), "claim", CONFIGURATION, lab.network.now)
    lab.network._collect(lab.gateway)


@pytest.mark.parametrize(("method", "mode"), WAYS)
def test_a_day_passes_and_the_client_has_noticed_nothing(method: Authentication, mode: Phase1Mode) -> None:
    day = {"reauthenticate_on_rekey": False, "isakmp_lifetime_seconds": 36_000, "child_lifetime_seconds": 3_600}
    lab = connected(method=method, mode=mode, gateway=day, client=day)
    another_process(lab, stored(lab))
    lab.network.run(86_400)
    assert not lab.client.of(PeerGone)
    assert not lab.gateway.of(PeerGone)
    assert len(lab.client.of(PeerConnected)) == 1
    assert len(lab.gateway.of(ChildSaEstablished)) > 20
    assert len(lab.gateway.of(IsakmpSaEstablished)) >= 2
    assert {event.peer_id for event in lab.gateway.of(IsakmpSaEstablished)} == {1}
    assert {child.outbound_spi for child in lab.gateway.inbound.values()} == set(lab.client.inbound)


def test_nothing_is_sent_or_told_by_going_on() -> None:
    lab = connected()
    another_process(lab, stored(lab))
    assert (lab.gateway.sent, lab.gateway.events, lab.gateway.installs) == ([], [], [])
    assert (lab.gateway.endpoint.peers, lab.gateway.endpoint.child_sas) == (1, 1)


def test_the_next_peer_is_not_taken_for_the_old_one() -> None:
    lab = connected()
    another_process(lab, stored(lab))
    lab.network.command(lab.client, lab.order)
    lab.network.run(10)
    assert lab.gateway.one(PeerConnected).peer_id == 1_000


def test_the_next_peer_is_not_taken_for_the_old_one_even_if_it_began_in_the_same_second() -> None:
    lab = connected()
    another_process(lab, stored(lab), first_peer_id=1)
    lab.network.command(lab.client, lab.order)
    lab.network.run(10)
    assert lab.gateway.one(PeerConnected).peer_id == 2


def test_the_client_is_rekeyed_and_disconnected_under_its_old_number() -> None:
    lab = connected()
    another_process(lab, stored(lab))
    lab.network.command(lab.gateway, RekeyChildren(1))
    lab.network.run(5)
    (replaced,) = lab.gateway.of(ChildSaEstablished)
    assert replaced.peer_id == 1
    assert replaced.replaces is not None
    lab.network.command(lab.gateway, Disconnect(1, "enough", Goodbye.ADMINISTRATOR))
    lab.network.run(5)
    assert lab.client.one(PeerGone).goodbye is Goodbye.PEER_DELETED
    assert lab.gateway.one(PeerGone).goodbye is Goodbye.ADMINISTRATOR
    assert not lab.gateway.inbound


def test_a_client_that_says_goodbye_is_understood() -> None:
    lab = connected()
    another_process(lab, stored(lab))
    lab.network.command(lab.client, Disconnect(1, "going home", Goodbye.ADMINISTRATOR))
    lab.network.run(5)
    assert lab.gateway.one(PeerGone).goodbye is Goodbye.PEER_DELETED


def test_dead_peer_detection_goes_on() -> None:
    lab = connected(gateway=QUICK)
    another_process(lab, stored(lab))
    lab.network.run(15)
    assert [news.liveness for news in lab.gateway.events] == [Liveness.ALIVE]
    lab.network.stations.remove(lab.client)
    lab.network.at["198.51.100.7"] = Station("nobody", Policy(), 0)
    lab.network.run(60)
    assert lab.gateway.one(PeerGone).goodbye is Goodbye.DEAD


def test_a_probe_that_was_not_written_down_does_not_make_a_client_dead() -> None:
    """strongSwan answers the number after the last one only: the first probes of the new process are behind it."""
    lab = connected(gateway=QUICK)
    octets = stored(lab)
    lab.network.run(35)
    last = lab.gateway.endpoint._ikev1._by_own_cookie.popitem()[1].dpd_sequence
    probes: list[int] = []
    received = lab.client.endpoint._ikev1.dpd.received

    def insist(sa: Any, notification: Any) -> None:
        probes.append(int.from_bytes(notification.data, "big"))
        if probes[-1] > last:
            received(sa, notification)

    lab.client.endpoint._ikev1.dpd.received = insist  # type: ignore[method-assign]
    another_process(lab, octets)
    lab.network.run(60)
    assert probes[:4] == [last - 2, last - 1, last, last + 1]
    assert probes[4] == last + 2
    assert not lab.gateway.of(PeerGone)


def test_the_time_until_the_next_start_counts() -> None:
    short = {"isakmp_lifetime_seconds": 36_000, "child_lifetime_seconds": 600, **QUICK}
    lab = connected(gateway=short, client={"dpd_interval_seconds": 0, "child_lifetime_seconds": 36_000})
    octets = stored(lab)
    another_process(lab, octets, seconds=500)
    lab.network.run(60)
    (rekeyed,) = lab.gateway.of(ChildSaEstablished)
    assert rekeyed.lifetime_seconds == 600
    with pytest.raises(CannotResume, match="Child SAs have expired"):
        another_process(lab, octets, seconds=100)


def test_an_isakmp_sa_that_expired_is_not_taken_up() -> None:
    lab = connected(gateway={"isakmp_lifetime_seconds": 600})
    octets = stored(lab)
    with pytest.raises(CannotResume, match="ISAKMP SA has expired"):
        another_process(lab, octets, seconds=700)


def test_a_profile_that_is_gone_ends_the_stay() -> None:
    lab = connected()
    with pytest.raises(CannotResume, match="no profile 'staff' any more"):
        another_process(lab, stored(lab), policy=Policy())


def test_another_format_is_not_guessed_at() -> None:
    lab = connected()
    plain = json.loads(stored(lab))
    with pytest.raises(CannotResume, match="format 99"):
        StoredPeer.from_octets(json.dumps(plain | {"version": 99}).encode())


def test_keys_are_seen_by_nobody_who_prints_it() -> None:
    lab = connected()
    octets = stored(lab)
    assert isinstance(octets, Secret)
    peer = StoredPeer.from_octets(octets)
    key = json.loads(octets)["isakmp_sas"][0]["keys"][0]
    assert key not in f"{octets!r} {octets} {peer!r} {peer}"
    assert (peer.peer_id, peer.user, peer.profile) == (1, "alice", "staff")
    assert peer.inbound_spis == set(lab.gateway.inbound)


def test_who_is_not_connected_is_not_stored() -> None:
    lab = pair(configuration=None)
    lab.connect(seconds=5)
    assert lab.gateway.endpoint.store(1) is None
    assert lab.gateway.endpoint.store(77) is None

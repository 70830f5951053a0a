from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ike_engine.actions import Disconnect, RekeyChildren
from ike_engine.events import ChildSaEstablished, Goodbye, PeerGone
from ike_engine.ikev1.quick_mode import NONCE_OCTETS, VPNC_NONCE_OCTETS
from tests.ike_engine.lab import pair

if TYPE_CHECKING:
    import pytest

    from tests.ike_engine.lab import Pair


def _peer(connected: Pair) -> Any:
    (peer,) = connected.gateway.endpoint._peers
    return peer


def _as_vpnc(connected: Pair) -> None:
    _peer(connected).ike_sas[-1].vpnc = True


def _messages_of_a_goodbye(connected: Pair) -> int:
    before = len(connected.gateway.sent)
    connected.network.command(connected.gateway, Disconnect(_peer(connected).id))
    return len(connected.gateway.sent) - before


def test_a_goodbye_names_the_esp_sas_and_then_the_isakmp_sa() -> None:
    connected = pair()
    connected.connect()

    assert _messages_of_a_goodbye(connected) == 2


def test_a_goodbye_to_vpnc_names_the_isakmp_sa_alone() -> None:
    # quirk: vpnc 0.5.3: while it makes a new Child SA in place of the deleted one it misses that the rest is gone.
    connected = pair()
    connected.connect()
    _as_vpnc(connected)

    assert _messages_of_a_goodbye(connected) == 1


def test_vpnc_is_rekeyed_with_a_nonce_of_20_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    # quirk: vpnc 0.5.3: of a longer nonce of ours it returns the tail as its own, and makes keys without it.
    connected = pair()
    connected.connect()
    _as_vpnc(connected)
    drawn: list[int] = []
    associations = connected.gateway.endpoint._ikev1
    entropy = associations.entropy

    def remember(count: int) -> bytes:
        drawn.append(count)
        return entropy(count)

    monkeypatch.setattr(associations, "entropy", remember)

    connected.network.command(connected.gateway, RekeyChildren(_peer(connected).id))
    connected.network.run(1.0)

    assert len(connected.gateway.of(ChildSaEstablished)) == 2
    assert VPNC_NONCE_OCTETS in drawn
    assert NONCE_OCTETS not in drawn


def test_vpnc_whose_rekeys_fail_is_told_goodbye() -> None:
    # quirk: vpnc 0.5.3: its ESP fails after a DELETE of the SA in use, so it is not told that alone.
    connected = pair(gateway={"child_lifetime_seconds": 600, "dpd_interval_seconds": 0})
    connected.connect()
    _as_vpnc(connected)
    connected.network.hook = lambda sender, data, path: None if sender is connected.client else (data, path)

    connected.network.run(700.0)

    assert connected.gateway.one(PeerGone).goodbye is Goodbye.EXPIRED


def test_the_clocks_of_a_child_sa_are_told() -> None:
    connected = pair(gateway={"child_lifetime_seconds": 600, "dpd_interval_seconds": 0})
    connected.connect()
    peer = _peer(connected)
    (life,) = connected.gateway.endpoint.child_lives(peer.id)
    (child,) = peer.children.values()
    assert life.rekeys_at == child.established_at + 540
    assert life.ends_at == child.established_at + 600
    assert not life.rekeying
    assert not life.replaced

    connected.network.command(connected.gateway, RekeyChildren(peer.id))
    assert [life.rekeying for life in connected.gateway.endpoint.child_lives(peer.id)] == [True]
    connected.network.run(1.0)
    old, new = connected.gateway.endpoint.child_lives(peer.id)
    assert (old.replaced, old.rekeys_at, old.rekeying) == (True, None, False)
    assert old.ends_at < life.rekeys_at
    assert (new.replaced, new.rekeys_at is not None) == (False, True)
    assert connected.gateway.endpoint.child_lives(4711) == ()


def test_after_the_last_attempt_no_rekeying_is_due_any_more() -> None:
    connected = pair(gateway={"child_lifetime_seconds": 600, "dpd_interval_seconds": 0})
    connected.connect()
    peer = _peer(connected)
    connected.network.hook = lambda sender, data, path: None if sender is connected.client else (data, path)
    connected.network.run(next(iter(peer.children.values())).established_at + 595.0 - connected.network.now)
    (life,) = connected.gateway.endpoint.child_lives(peer.id)
    assert life.rekeys_at is None
    assert life.ends_at > connected.network.now

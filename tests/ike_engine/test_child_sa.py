"""A Child SA says everything of itself but its keys."""

from __future__ import annotations

import pickle

from ike_engine.policy import EspProposal
from tests.ike_engine.lab import pair

AES_SHA256 = {"esp_proposals": (EspProposal.from_text("aes256-sha256"),)}


def test_keys_do_not_show() -> None:
    lab = pair(gateway=AES_SHA256, client=AES_SHA256)
    lab.connect(seconds=5)
    (child,) = lab.gateway.inbound.values()
    for key in (child.inbound_keys.encryption, child.inbound_keys.integrity, child.outbound_keys.encryption):
        assert len(key) >= 16
        assert bytes(key).hex() not in repr(child)
        assert repr(bytes(key)) not in repr(child)
    assert "<32 octets>" in repr(child)


def test_both_ends_of_a_pair_mirror_each_other() -> None:
    lab = pair()
    lab.connect(seconds=5)
    (ours,), (theirs,) = lab.gateway.inbound.values(), lab.client.inbound.values()
    assert (ours.inbound_spi, ours.outbound_spi) == (theirs.outbound_spi, theirs.inbound_spi)
    assert (ours.inbound_keys, ours.outbound_keys) == (theirs.outbound_keys, theirs.inbound_keys)
    assert (ours.local_networks, ours.remote_networks) == (theirs.remote_networks, theirs.local_networks)
    assert (ours.path.local, ours.path.remote) == (theirs.path.remote, theirs.path.local)


def test_it_is_a_value() -> None:
    lab = pair()
    lab.connect(seconds=5)
    (child,) = lab.gateway.inbound.values()
    assert pickle.loads(pickle.dumps(child)) == child  # noqa: S301  our own octets

"""The ISAKMP SA as data: what is not there yet says so, and what vendor IDs tell of a peer."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.ikev1.isakmp_sa import IsakmpSa, MessageIds
from ike_engine.ikev1.nat_traversal import NatSituation, NatTraversal
from ike_engine.ikev1.transcript import Transcript
from ike_engine.policy import Phase1Mode
from ike_engine.timers import Timers
from ike_engine.wire import vendor_ids
from tests.ike_engine.network import path

if TYPE_CHECKING:
    from collections.abc import Sequence

VPNC = (vendor_ids.XAUTH, vendor_ids.CISCO_UNITY, vendor_ids.NAT_T_RFC_3947, vendor_ids.DPD)
CISCO = (*VPNC, vendor_ids.FRAGMENTATION[:16] + b"\xc0\0\0\0")


def sa(**known: Any) -> IsakmpSa:
    return IsakmpSa(
        number=1,
        initiator=False,
        cky_i=b"initiato",
        cky_r=b"responde",
        path=path(),
        first_path=path(),
        created=0.0,
        transcript=Transcript(SimpleNamespace(now=0.0)),
        **known,
    )


@pytest.mark.parametrize("part", ["agreed", "secrets", "served_by"])
def test_what_is_not_agreed_yet_is_an_error_of_ours(part: str) -> None:
    with pytest.raises(RuntimeError, match="yet"):
        getattr(sa(), part)


@pytest.mark.parametrize(
    ("mode", "announced", "one_only"),
    [
        # quirk: vpnc 0.5.3: aggressive mode, Unity, no fragmentation.
        (Phase1Mode.AGGRESSIVE, VPNC, True),
        (Phase1Mode.MAIN, VPNC, False),
        (Phase1Mode.AGGRESSIVE, CISCO, False),
        (Phase1Mode.AGGRESSIVE, (vendor_ids.XAUTH,), False),
    ],
)
def test_vpnc_is_told_from_its_like_before_message_3(
    mode: Phase1Mode, announced: tuple[bytes, ...], one_only: bool
) -> None:
    assert sa(mode=mode, vendor_ids=announced).takes_one_certificate_only == one_only


def test_what_a_peer_announces_counts_whatever_version_is_behind_it() -> None:
    # quirk: libreswan 4.10, Windows: 16 octets without capabilities; Cisco: other capabilities.
    for known in (
        vendor_ids.FRAGMENTATION,
        vendor_ids.FRAGMENTATION[:16],
        vendor_ids.FRAGMENTATION[:16] + b"\xc0\0\0\0",
    ):
        assert sa(vendor_ids=(b"?", known)).peer_reassembles
    assert not sa(vendor_ids=VPNC).peer_reassembles


@pytest.mark.parametrize(
    ("nat", "version", "encapsulated"),
    [
        (NatSituation(), NatTraversal.RFC_3947, False),
        (NatSituation(local=True), NatTraversal.RFC_3947, True),
        (NatSituation(remote=True), NatTraversal.DRAFT_02, True),
        (NatSituation(remote=True), None, False),
    ],
)
def test_esp_travels_in_udp_when_there_is_a_nat_and_a_way(
    nat: NatSituation, version: NatTraversal | None, encapsulated: bool
) -> None:
    assert sa(nat=nat, nat_traversal=version).encapsulated == encapsulated


@given(st.lists(st.integers(1, 2**32 - 1), max_size=100))
def test_message_ids_are_remembered(drawn: Sequence[int]) -> None:
    used = MessageIds()
    for message_id in set(drawn):
        used.add(message_id)
    assert len(used) == len(set(drawn))
    assert all(message_id in used for message_id in drawn)
    assert 0 not in used


def test_a_message_id_is_claimed_once() -> None:
    one = sa()
    assert one.takes_message_id(7)
    assert one.claim_message_id(7)
    assert not one.claim_message_id(7)
    assert not one.takes_message_id(7)


def test_its_moments_go_with_it() -> None:
    timers, one = Timers(), sa()
    one.timers = {name: timers.set(at, lambda: None) for name, at in (("dpd", 1.0), ("lifetime", 2.0))}
    one.stop_timers()
    assert timers.next() is None
    assert one.timers == {}


def test_two_of_them_are_never_equal() -> None:
    first = sa()
    assert first != sa()
    assert replace(first) != first

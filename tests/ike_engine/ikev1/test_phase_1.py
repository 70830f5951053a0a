"""What both modes of phase 1 share: lifetimes, identities, vendor IDs and the key exchange."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from ike_engine.crypto.suites import DhGroup
from ike_engine.errors import AuthenticationFailed, InvalidKeyInformation
from ike_engine.events import IsakmpSaEstablished
from ike_engine.identities import Identification, IdType
from ike_engine.ikev1.messages import MainMode3
from ike_engine.ikev1.nat_traversal import NatTraversal
from ike_engine.ikev1.numbers import NotifyType
from ike_engine.ikev1.payloads import KeyExchange, Nonce, Notification, VendorId
from ike_engine.ikev1.phase_1 import (
    DiffieHellman,
    answering_vendor_ids,
    initial_contact,
    make_keys,
    note_peer,
    offered_vendor_ids,
    own_identity,
)
from ike_engine.policy import Authentication
from ike_engine.wire import vendor_ids
from tests.ike_engine.ikev1.test_isakmp_sa import CISCO, VPNC, sa
from tests.ike_engine.lab import newest_sa, pair
from tests.ike_engine.network import GATEWAY


def answered(*received: bytes) -> list[bytes]:
    return [payload.data for payload in answering_vendor_ids(sa(vendor_ids=received))]


def test_xauth_is_always_answered_and_the_rest_only_to_who_announced_it() -> None:
    assert answered() == [vendor_ids.XAUTH]
    assert answered(*VPNC) == [
        vendor_ids.XAUTH,
        vendor_ids.DPD,
        vendor_ids.CISCO_UNITY,
        vendor_ids.NAT_T_RFC_3947,
    ]
    assert vendor_ids.FRAGMENTATION in answered(*CISCO)


def test_exactly_one_version_of_nat_traversal_is_answered() -> None:
    every = tuple(version.vendor_id for version in NatTraversal)
    assert [vid for vid in answered(*every) if vid in every] == [vendor_ids.NAT_T_RFC_3947]


def test_the_initiator_offers_all_that_it_can() -> None:
    offered = {payload.data for payload in offered_vendor_ids()}
    assert {vendor_ids.XAUTH, vendor_ids.DPD, vendor_ids.CISCO_UNITY, vendor_ids.FRAGMENTATION} < offered
    assert {version.vendor_id for version in NatTraversal} < offered


def test_the_key_pair_is_made_when_it_is_needed() -> None:
    asked: list[int] = []
    dh = DiffieHellman(DhGroup.ECP_256, lambda count: (asked.append(count), b"\5" * count)[1])
    assert not asked
    public = dh.public
    assert dh.public is public
    assert len(asked) == 1


@pytest.mark.parametrize("group", DhGroup)
def test_both_sides_share_a_secret(group: DhGroup) -> None:
    one = DiffieHellman(group, lambda count: b"\5" * count)
    other = DiffieHellman(group, lambda count: b"\6" * count)
    one.accept(other.public)
    other.accept(one.public)
    assert one.g_xy == other.g_xy
    assert len(one.g_xy) > 0
    with pytest.raises(InvalidKeyInformation):
        one.accept(other.public[:-1])


def test_a_profile_without_a_group_key_says_so() -> None:
    lab = pair(method=Authentication.XAUTH_PSK)
    lab.connect(seconds=5)
    one = newest_sa(lab.gateway)
    one.profile = replace(one.served_by, pre_shared_key=None)
    with pytest.raises(AuthenticationFailed, match="profile staff has no pre-shared key"):
        make_keys(one, one.secrets.skeyid, b"i", b"r", b"ni", b"nr")


def test_without_an_identity_the_address_is_ours() -> None:
    lab = pair(method=Authentication.XAUTH_PSK, gateway={"identity": None})
    lab.connect(seconds=5)
    assert lab.gateway.one(IsakmpSaEstablished)
    identity = own_identity(newest_sa(lab.gateway))
    assert identity.identification == Identification(IdType.IPV4_ADDR, IPv4Address(GATEWAY).packed)


def test_initial_contact_is_said_once_and_names_the_cookies() -> None:
    one = sa()
    (notification,) = initial_contact(one, first=True)
    assert (notification.type, notification.spi) == (NotifyType.INITIAL_CONTACT, one.cky_i + one.cky_r)
    assert initial_contact(one, first=False) == ()


def message_3(*riding: Any) -> MainMode3:
    return MainMode3(key_exchange=KeyExchange(data=b""), nonce=Nonce(data=bytes(8)), everywhere=riding)


def test_what_rides_in_any_message_is_noted() -> None:
    one = sa(vendor_ids=(vendor_ids.XAUTH,))
    note_peer(one, message_3(VendorId(data=vendor_ids.DPD), Notification(type=NotifyType.INITIAL_CONTACT)))
    assert one.vendor_ids == (vendor_ids.XAUTH, vendor_ids.DPD)
    assert one.initial_contact
    assert not one.vpnc


def test_vpnc_is_known_by_a_vendor_id_of_message_3() -> None:
    # quirk: vpnc 0.5.3: nobody else sends it, but the Cisco client that it copies.
    one = sa()
    note_peer(one, message_3(VendorId(data=vendor_ids.CISCO_CLIENT_MESSAGE_3)))
    assert one.vpnc


def test_the_proof_of_a_group_key_in_hybrid_is_not_worried_about() -> None:
    # quirk: vpnc 0.5.3, Cisco "mutual group authentication": a notify 40503 in message 3.
    one = sa()
    note_peer(one, message_3(Notification(type=NotifyType.UNITY_GROUP_HASH, spi=bytes(16), data=bytes(20))))
    assert not one.initial_contact


def test_a_long_offer_is_taken_as_it_is() -> None:
    # quirk: vpnc 0.5.3: 24 days; racoon refuses such, and its clients then see NO-PROPOSAL-CHOSEN.
    lab = pair(client={"isakmp_lifetime_seconds": 2_147_483}, gateway={"isakmp_lifetime_seconds": 3_600})
    lab.connect(seconds=5)
    assert newest_sa(lab.gateway).lifetime_seconds == 2_147_483
    assert lab.gateway.one(IsakmpSaEstablished).lifetime_seconds == 3_600

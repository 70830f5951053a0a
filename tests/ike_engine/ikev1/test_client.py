"""The client's side against our gateway: what it offers, what it says went wrong, and how it stays."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.actions import Configuration, Disconnect
from ike_engine.crypto.suites import DhGroup
from ike_engine.dataplane.interface import InstallFailed
from ike_engine.errors import AuthenticationFailed, InvalidCertificate, InvalidHash, PeerFailed, TimedOut
from ike_engine.events import (
    ChildSaEstablished,
    Goodbye,
    IsakmpSaEstablished,
    LivenessChanged,
    PeerConnected,
    PeerGone,
    PeerRefused,
    Stage,
)
from ike_engine.ikev1.client import groups_of, restricted
from ike_engine.ikev1.envelope import Phase2Transport
from ike_engine.ikev1.messages import QuickMode2
from ike_engine.ikev1.numbers import ExchangeType, NotifyType, PayloadType
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, Identity, Notification, SecurityAssociation
from ike_engine.ikev1.proposals import phase_1_offers
from ike_engine.policy import Authentication, EspProposal, IkeProposal, Phase1Mode, Policy
from ike_engine.secret import Secret
from ike_engine.traffic_selectors import identification_of
from ike_engine.wire.chain import encode_chain, parse_chain
from ike_engine.wire.header import HEADER_OCTETS, Header, encode_message
from tests.ike_engine.lab import CONFIGURATION, authority, pair
from tests.ike_engine.network import path

if TYPE_CHECKING:
    from ike_engine.actions import Transmit
    from ike_engine.wire.shapes import Message
    from tests.ike_engine.lab import Pair
    from tests.ike_engine.network import Station

THREE_GROUPS = tuple(
    IkeProposal.from_text(text)
    for text in (
        "aes256-sha256-ecp256",
        "aes128-sha256-ecp256",
        "aes128-sha256-ecp384",
        "aes256-sha256-ecp384",
        "aes128-sha256-modp2048",
    )
)
GCM = (EspProposal.from_text("aes256gcm16"),)
PATIENT = {"dpd_interval_seconds": 0}


def offered_groups(data: bytes) -> set[DhGroup] | None:
    """The groups of a first message; ``None`` when it is none."""
    header = Header.parse(data)
    if header.next_payload != PayloadType.SECURITY_ASSOCIATION or header.responder_spi != bytes(8):
        return None
    payloads, _ = parse_chain(header.next_payload, data[HEADER_OCTETS:], IKEV1_PAYLOADS)
    (sa,) = (payload for payload in payloads if isinstance(payload, SecurityAssociation))
    return {offer.suite.group for _, offer in phase_1_offers(sa) if offer.suite}


def peer_of(station: Station) -> Any:
    (peer,) = station.endpoint._peers
    return peer


def test_a_profile_restricted_to_a_group_keeps_its_order() -> None:
    profile = replace(pair().order.profile, ike_proposals=THREE_GROUPS)
    assert groups_of(profile) == (DhGroup.ECP_256, DhGroup.ECP_384, DhGroup.MODP_2048)
    assert restricted(profile, DhGroup.ECP_384).ike_proposals == THREE_GROUPS[2:4]


def test_main_mode_offers_all_groups_at_once() -> None:
    lab = pair(client={"ike_proposals": THREE_GROUPS})
    lab.connect()
    assert offered_groups(lab.client.sent[0]) == set(groups_of(lab.order.profile))


def test_aggressive_mode_offers_one_group_after_the_other() -> None:
    lab = pair(
        mode=Phase1Mode.AGGRESSIVE,
        client={"ike_proposals": THREE_GROUPS},
        gateway={"ike_proposals": (IkeProposal.from_text("aes128-sha256-modp2048"),)},
    )
    lab.connect(seconds=20)
    firsts = [groups for data in lab.client.sent if (groups := offered_groups(data))]
    assert firsts == [{DhGroup.ECP_256}, {DhGroup.ECP_384}, {DhGroup.MODP_2048}]
    assert lab.client.one(PeerConnected).ike_suite == "aes128-sha256-modp2048"
    assert not lab.client.of(PeerRefused)


def test_aggressive_mode_with_no_group_in_common_is_refused_once() -> None:
    lab = pair(
        mode=Phase1Mode.AGGRESSIVE,
        client={"ike_proposals": THREE_GROUPS},
        gateway={"ike_proposals": (IkeProposal.from_text("aes128-sha256-ecp521"),)},
    )
    lab.connect(seconds=20)
    refused = lab.client.one(PeerRefused)
    assert (refused.stage, refused.error) == (Stage.PHASE_1, PeerFailed)
    assert "NO-PROPOSAL-CHOSEN" in refused.reason


def test_a_renewal_in_aggressive_mode_begins_with_the_group_that_is_known_to_do() -> None:
    lab = pair(
        mode=Phase1Mode.AGGRESSIVE,
        client={"ike_proposals": THREE_GROUPS, "isakmp_lifetime_seconds": 1_000, **PATIENT},
        gateway={"ike_proposals": THREE_GROUPS[3:], **PATIENT},
    )
    lab.connect(seconds=900)
    firsts = [groups for data in lab.client.sent if (groups := offered_groups(data))]
    assert firsts == [{DhGroup.ECP_256}, {DhGroup.ECP_384}, {DhGroup.ECP_384}]
    assert [event.carried_over for event in lab.client.of(IsakmpSaEstablished)] == [False, True]


def test_a_gateway_may_refuse_before_it_has_a_cookie() -> None:
    lab = pair()
    lab.network.hook = lambda sender, data, way: None if sender is lab.client else (data, way)
    lab.connect(seconds=0.5)
    first, body = encode_chain((Notification(type=NotifyType.NO_PROPOSAL_CHOSEN, spi=b""),))
    refusal = Header(
        initiator_spi=lab.client.sent[0][:8],
        responder_spi=bytes(8),
        next_payload=first,
        exchange_type=ExchangeType.INFORMATIONAL,
        flags=0,
        message_id=1,
    )
    lab.network.deliver(lab.client, encode_message(refusal, body), path())
    refused = lab.client.one(PeerRefused)
    assert (refused.stage, refused.error) == (Stage.PHASE_1, PeerFailed)


# ---- what went wrong, by its class -------------------------------------------------------------------


def test_a_gateway_that_never_answers_is_unreachable() -> None:
    lab = pair()
    lab.network.hook = lambda *_: None
    lab.connect()
    assert lab.client.one(PeerRefused).error is TimedOut


@pytest.mark.parametrize("mode", Phase1Mode)
def test_a_certificate_of_another_authority_is_told_as_such_within_seconds(mode: Phase1Mode) -> None:
    lab = pair(mode=mode, client={"trust_anchors": (authority("A stranger"),)})
    lab.connect(seconds=8)
    refused = lab.client.one(PeerRefused)
    assert (refused.stage, refused.error) == (Stage.PHASE_1, InvalidCertificate)
    assert "chains to no trusted authority" in refused.reason


def test_another_group_key_is_told_as_such_within_seconds() -> None:
    lab = pair(
        method=Authentication.XAUTH_PSK, mode=Phase1Mode.AGGRESSIVE, client={"pre_shared_key": Secret(b"another")}
    )
    lab.connect(seconds=8)
    refused = lab.client.one(PeerRefused)
    assert (refused.stage, refused.error) == (Stage.PHASE_1, InvalidHash)


def test_a_wrong_password_is_told_as_such() -> None:
    lab = pair(password=b"guessed")
    lab.connect(seconds=8)
    refused = lab.client.one(PeerRefused)
    assert (refused.stage, refused.error) == (Stage.XAUTH, AuthenticationFailed)


def test_an_exhausted_pool_is_told_with_its_stage() -> None:
    lab = pair(configuration=None)
    lab.connect(seconds=8)
    refused = lab.client.one(PeerRefused)
    assert (refused.stage, refused.error) == (Stage.MODE_CONFIG, PeerFailed)


# ---- staying ---------------------------------------------------------------------------------------


def test_algorithms_of_esp_that_the_gateway_has_not_are_told_within_seconds() -> None:
    lab = pair(client={"esp_proposals": (EspProposal.from_text("aes256-sha512"),)}, gateway={"esp_proposals": GCM})
    lab.connect(seconds=3)
    refused = lab.client.one(PeerRefused)
    assert (refused.stage, refused.error) == (Stage.QUICK_MODE, PeerFailed)
    assert "NO-PROPOSAL-CHOSEN" in refused.reason


def deaf_to_new_phase_1(lab: Pair) -> None:
    """From now on no first message gets through."""
    lab.network.hook = lambda _, data, way: None if offered_groups(data) else (data, way)


def listening(lab: Pair) -> None:
    lab.network.hook = lambda _, data, way: (data, way)


def test_a_phase_1_that_cannot_be_renewed_is_tried_again_while_the_old_one_serves() -> None:
    lab = pair(client={"isakmp_lifetime_seconds": 2_000}, gateway=PATIENT)
    lab.connect(seconds=10)
    deaf_to_new_phase_1(lab)
    lab.network.run(1_750)
    listening(lab)
    lab.network.run(200)
    assert [event.carried_over for event in lab.client.of(IsakmpSaEstablished)] == [False, True]
    assert not lab.client.of(PeerGone)


def test_a_phase_1_that_is_never_renewed_ends_the_stay() -> None:
    lab = pair(client={"isakmp_lifetime_seconds": 2_000}, gateway=PATIENT)
    lab.connect(seconds=10)
    deaf_to_new_phase_1(lab)
    lab.network.run(2_000)
    assert lab.client.one(PeerGone).goodbye is Goodbye.EXPIRED
    assert not lab.client.of(PeerRefused)


def test_a_gateway_that_dies_after_a_renewal_failed_is_still_noticed() -> None:
    """The renewed SA came as far as Xauth, where the password had changed; the old one is probed again."""
    lab = pair(client={"isakmp_lifetime_seconds": 2_000, "dpd_interval_seconds": 30}, gateway=PATIENT)
    lab.connect(seconds=10)
    known = lab.gateway.answer
    lab.gateway.answer = lambda question: known(
        replace(question, password=Secret(b"old")) if hasattr(question, "password") else question
    )
    lab.network.run(1_750)
    assert not lab.client.of(PeerGone)
    lab.network.hook = lambda *_: None
    lab.network.run(200)
    assert lab.client.one(PeerGone).goodbye is Goodbye.DEAD


def test_a_child_sa_that_ran_out_is_followed_by_a_new_one() -> None:
    lab = pair(client={"child_lifetime_seconds": 600, **PATIENT}, gateway=PATIENT)
    lab.connect(seconds=10)
    lab.network.hook = lambda sender, data, way: None if sender is lab.client else (data, way)
    lab.network.run(590)
    assert not lab.client.of(PeerGone)
    listening(lab)
    lab.network.run(5)
    assert len(lab.client.of(ChildSaEstablished)) == 2
    assert set(lab.client.inbound) == set(lab.client.outbound)


def test_a_child_sa_that_can_never_be_made_anew_ends_the_stay() -> None:
    lab = pair(client={"child_lifetime_seconds": 600, **PATIENT}, gateway=PATIENT)
    lab.connect(seconds=10)
    lab.network.hook = lambda sender, data, way: None if sender is lab.client else (data, way)
    lab.network.run(700)
    gone = lab.client.one(PeerGone)
    assert gone.goodbye is Goodbye.FAILED
    assert "no new Child SA" in gone.reason


def test_a_data_plane_that_cannot_take_the_child_sa_ends_the_stay() -> None:
    lab = pair()
    lab.connect(seconds=10)
    (spi,) = lab.client.inbound
    lab.client.endpoint.report(InstallFailed(spi, "no such cipher"), lab.network.now)
    lab.network._collect(lab.client)
    lab.network.run(1)
    assert lab.client.one(PeerGone).reason == "the data plane refused the Child SA: no such cipher"
    assert lab.gateway.one(PeerGone).goodbye is Goodbye.PEER_DELETED


def test_a_data_plane_that_speaks_udp_only_needs_nat_traversal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ike_engine.ikev1.phase_1.nat_traversal.choose", lambda _: None)  # the gateway's choice
    lab = pair()
    lab.client.endpoint._ikev1.policy = Policy(profiles=(lab.order.profile,), force_encapsulation=True)
    lab.connect(seconds=10)
    refused = lab.client.one(PeerRefused)
    assert refused.stage is Stage.QUICK_MODE
    assert "no NAT traversal" in refused.reason
    assert not lab.client.of(PeerConnected)


def test_what_the_gateway_narrowed_is_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As strongSwan does: the answer names its own network in place of everything."""
    lab = pair(configuration=replace(CONFIGURATION, reachable=(IPv4Network("10.1.0.0/16"),)))
    genuine = Phase2Transport.seal

    def seal(transport: Phase2Transport, message: Message) -> list[Transmit]:
        if isinstance(message, QuickMode2):
            said = Identity.of(identification_of(IPv4Network("10.1.0.0/16")))
            message = replace(message, identities=(message.identities[0], said))
        return genuine(transport, message)

    monkeypatch.setattr(Phase2Transport, "seal", seal)
    lab.connect(seconds=10)
    assert lab.client.one(ChildSaEstablished).remote_networks == (IPv4Network("10.1.0.0/16"),)


def test_goodbye_is_said_also_before_the_login_is_decided() -> None:
    """Whoever gives up while the gateway still thinks leaves no half-made login there."""
    lab = pair()
    lab.gateway.answer_seconds = 20.0
    lab.connect(seconds=5)
    lab.network.command(lab.client, Disconnect(peer_of(lab.client).id))
    lab.network.run(1)
    assert lab.client.one(PeerGone).goodbye is Goodbye.ADMINISTRATOR
    assert len(lab.gateway.endpoint._ikev1) == 0


def test_probing_goes_on_under_the_newest_isakmp_sa_only() -> None:
    lab = pair(client={"isakmp_lifetime_seconds": 2_000, "dpd_interval_seconds": 30}, gateway=PATIENT)
    lab.connect(seconds=1_900)
    assert len(lab.client.of(IsakmpSaEstablished)) == 2
    assert not lab.client.of(PeerGone)
    assert all(event.probe == 0 for event in lab.client.of(LivenessChanged))


def test_a_banner_keeps_its_lines_and_a_long_list_of_names_its_end() -> None:
    names = tuple(f"department{number}.example.test" for number in range(20))
    told = Configuration(
        address=CONFIGURATION.address, banner="Welcome.\nBe kind.", split_dns=names, domain="example.test"
    )
    lab = pair(configuration=told)
    lab.connect(seconds=10)
    given = lab.client.one(PeerConnected).configuration
    assert given.banner == told.banner
    assert given.split_dns == names

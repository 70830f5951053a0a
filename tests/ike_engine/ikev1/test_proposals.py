"""What is offered and what is chosen: every algorithm, every client's way of counting, and refusals in words."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.crypto.groups import generate
from ike_engine.crypto.suites import Cipher, DhGroup, HashAlgorithm
from ike_engine.errors import Malformed, NoProposalChosen
from ike_engine.events import PeerConnected
from ike_engine.ikev1.lifetimes import Lifetime
from ike_engine.ikev1.numbers import (
    AuthenticationMethod,
    EncapsulationMode,
    EspAttribute,
    EspTransform,
    IsakmpTransform,
    LifeType,
    Phase1Attribute,
    Phase1Encryption,
    Phase1Hash,
    ProtocolId,
)
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, Proposal, SecurityAssociation, Transform
from ike_engine.ikev1.proposals import (
    PUBLIC_OCTETS,
    NothingInCommon,
    accepted_phase_1,
    choose_esp,
    choose_phase_1,
    offer_esp,
    offer_phase_1,
    phase_1_offers,
    understand_esp,
    understand_phase_1,
)
from ike_engine.policy import Authentication, EspProposal, IkeProposal, Phase1Mode, Profile
from ike_engine.wire.attributes import Attribute
from ike_engine.wire.chain import parse_chain
from ike_engine.wire.header import HEADER_OCTETS
from tests.ike_engine.lab import pair
from tests.vectors.captured import handshake

MAIN, AGGRESSIVE = Phase1Mode.MAIN, Phase1Mode.AGGRESSIVE
PHASE_1_SUITES = [
    IkeProposal(cipher, hash_algorithm, DhGroup.ECP_256)
    for cipher in Cipher
    if not cipher.is_aead
    for hash_algorithm in HashAlgorithm
] + [IkeProposal(Cipher.AES_CBC_256, HashAlgorithm.SHA2_256, group) for group in DhGroup]


def offered_by(name: str) -> SecurityAssociation:
    """The SA payload of a captured message 1."""
    data = bytes.fromhex(handshake(name)["messages"][0]["hex"])
    payloads, _ = parse_chain(data[16], data[HEADER_OCTETS:], IKEV1_PAYLOADS)
    (sa,) = (payload for payload in payloads if isinstance(payload, SecurityAssociation))
    return sa


def profile(*suites: str, name: str = "staff", **changes: Any) -> Profile:
    return Profile(name=name, ike_proposals=tuple(map(IkeProposal.from_text, suites)), **changes)


def transform(*attributes: tuple[int, int | bytes], number: int = 1) -> Transform:
    return Transform(
        number=number, id=IsakmpTransform.KEY_IKE, attributes=tuple(Attribute(*attribute) for attribute in attributes)
    )


def sa_of(*transforms: Transform, number: int = 1) -> SecurityAssociation:
    return SecurityAssociation(proposals=(Proposal(number=number, protocol=ProtocolId.ISAKMP, transforms=transforms),))


AES256 = ((Phase1Attribute.ENCRYPTION, Phase1Encryption.AES_CBC), (Phase1Attribute.KEY_LENGTH, 256))
REST = (
    (Phase1Attribute.HASH, Phase1Hash.SHA2_256),
    (Phase1Attribute.GROUP_DESCRIPTION, 14),
    (Phase1Attribute.AUTHENTICATION, AuthenticationMethod.HYBRID_INIT_RSA),
)
LIFE = ((Phase1Attribute.LIFE_TYPE, LifeType.SECONDS), (Phase1Attribute.LIFE_DURATION, 28_800))
GOOD = transform(*AES256, *REST, *LIFE)
OURS = profile("aes256-sha256-modp2048")


# ---- every algorithm of the list -------------------------------------------------------------------------


@pytest.mark.parametrize("suite", PHASE_1_SUITES, ids=str)
def test_every_phase_1_suite_logs_a_client_in(suite: IkeProposal) -> None:
    lab = pair(gateway={"ike_proposals": (suite,)}, client={"ike_proposals": (suite,)})
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerConnected).ike_suite == str(suite)
    assert lab.client.one(PeerConnected)


@pytest.mark.parametrize("group", DhGroup)
def test_every_group_does_aggressive_mode(group: DhGroup) -> None:
    suite = (IkeProposal(Cipher.AES_CBC_128, HashAlgorithm.SHA1, group),)
    lab = pair(mode=AGGRESSIVE, gateway={"ike_proposals": suite}, client={"ike_proposals": suite})
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerConnected)


# ---- as real clients offer -------------------------------------------------------------------------------


def test_vpnc_offers_twelve_and_gets_the_first_that_is_acceptable() -> None:
    """# quirk: vpnc 0.5.3: counts from 0, key length first, DES and cipher 0 always among them, 24 days in 4 octets."""
    sa = offered_by("vpnc-hybrid")
    assert [offer.transform.number for _, offer in phase_1_offers(sa)] == list(range(12))
    choice = choose_phase_1(sa, (profile("aes128-md5-modp2048", "aes128-sha1-modp2048"),), AGGRESSIVE)
    assert str(choice.suite) == "aes128-sha1-modp2048"  # SHA-1 before MD5: the client's order
    assert choice.offer.lifetime == Lifetime(2_147_483)
    (proposal,) = choice.answer.proposals
    assert (proposal.number, proposal.transforms) == (0, (choice.offer.transform,))


@pytest.mark.parametrize("word", ["des_cbc", "unknown_0"])
def test_des_and_no_cipher_at_all_are_never_taken(word: str) -> None:
    # quirk: vpnc 0.5.3: both are always offered, whatever its configuration says.
    weak = [offer for _, offer in phase_1_offers(offered_by("vpnc-hybrid")) if word in offer.words]
    assert weak
    assert all(offer.suite is None for offer in weak)


def test_attributes_may_come_in_any_order() -> None:
    # quirk: libreswan 4.10: lifetime first, key length last; racoon, vpnc, strongSwan: three other orders.
    for attributes in (
        (*LIFE, *REST, *AES256),
        (*AES256[::-1], *REST, *LIFE),
        (*REST[::-1], *LIFE, *AES256),
    ):
        assert choose_phase_1(sa_of(transform(*attributes)), (OURS,), MAIN).offer.lifetime == Lifetime(28_800)


@pytest.mark.parametrize("number", [0, 1, 7])
def test_proposals_and_transforms_count_from_anything(number: int) -> None:
    # quirk: vpnc 0.5.3, libreswan 4.10: from 0; strongSwan: from 1.
    choice = choose_phase_1(sa_of(replace(GOOD, number=number), number=number), (OURS,), MAIN)
    (proposal,) = choice.answer.proposals
    assert (proposal.number, proposal.transforms[0].number) == (number, number)


@pytest.mark.parametrize("duration", [3600, (3600).to_bytes(2, "big"), (3600).to_bytes(4, "big"), bytes(4)])
def test_a_lifetime_comes_short_or_long(duration: int | bytes) -> None:
    # quirk: strongSwan: 2 octets in the short form; vpnc, Cisco: 4 in the long one.
    life = ((Phase1Attribute.LIFE_TYPE, LifeType.SECONDS), (Phase1Attribute.LIFE_DURATION, duration))
    lifetime = understand_phase_1(transform(*AES256, *REST, *life)).lifetime
    assert lifetime == Lifetime(0 if duration == bytes(4) else 3600)


def test_seconds_and_kilobytes_are_told_apart() -> None:
    life = (
        (Phase1Attribute.LIFE_TYPE, LifeType.KILOBYTES),
        (Phase1Attribute.LIFE_DURATION, 4_000),
        (Phase1Attribute.LIFE_TYPE, LifeType.SECONDS),
        (Phase1Attribute.LIFE_DURATION, 3_600),
    )
    assert understand_phase_1(transform(*AES256, *REST, *life)).lifetime == Lifetime(3_600, 4_000)
    assert understand_phase_1(transform(*AES256, *REST, life[1])).lifetime == Lifetime()


def test_a_broken_transform_is_skipped() -> None:
    # quirk: charon-cmd 5.9.8: its second transform has no cipher and no hash.
    broken = transform(REST[1], REST[2], *LIFE, number=2)
    assert choose_phase_1(sa_of(broken, GOOD), (OURS,), MAIN).offer.transform == GOOD
    assert understand_phase_1(broken).suite is None


@pytest.mark.parametrize(
    "strange",
    [
        transform((Phase1Attribute.ENCRYPTION, b"x" * 40), *REST),
        transform((Phase1Attribute.KEY_LENGTH, 256), *REST),
        transform(*AES256[:1], *REST),
        transform((Phase1Attribute.ENCRYPTION, 200), *REST),
        transform(*AES256, REST[0], (Phase1Attribute.GROUP_DESCRIPTION, 31), REST[2]),
        transform(*AES256, *REST, (Phase1Attribute.PRF, 1)),
        transform(),
        replace(GOOD, id=99),
    ],
)
def test_a_strange_transform_spoils_nothing(strange: Transform) -> None:
    assert choose_phase_1(sa_of(strange, GOOD), (OURS,), MAIN).offer.transform == GOOD


@given(st.binary(max_size=60))
def test_no_octets_make_more_than_a_refusal(data: bytes) -> None:
    with contextlib.suppress(Malformed, NothingInCommon):
        sa = SecurityAssociation.parse(bytes((0, 0, 0, 1, 0, 0, 0, 1)) + data)
        choose_phase_1(sa, (OURS,), MAIN)


def test_the_clients_order_decides_and_not_ours() -> None:
    second = transform(*AES256, (Phase1Attribute.HASH, Phase1Hash.SHA1), *REST[1:], number=2)
    ours = profile("aes256-sha1-modp2048", "aes256-sha256-modp2048")
    assert choose_phase_1(sa_of(GOOD, second), (ours,), MAIN).offer.transform == GOOD
    assert choose_phase_1(sa_of(second, GOOD), (ours,), MAIN).offer.transform == second


@pytest.mark.parametrize("weak", ["aes256-sha256-modp1024", "aes256-sha256-modp1536", "3des-sha256-modp2048"])
def test_what_is_weak_comes_last_whatever_the_client_prefers(weak: str) -> None:
    (first,) = offer_phase_1(profile(weak)).proposals[0].transforms
    ours = profile(weak, "aes256-sha256-modp2048")
    assert choose_phase_1(sa_of(first, GOOD), (ours,), MAIN).offer.transform == GOOD
    assert choose_phase_1(sa_of(first), (ours,), MAIN).suite.is_weak


def test_a_client_of_small_groups_is_told_both_ways_out() -> None:
    # quirk: vpnc 0.5.3, Android up to 11: MODP-1024 alone, unless somebody sets another.
    (small,) = offer_phase_1(profile("aes256-sha1-modp1024")).proposals[0].transforms
    with pytest.raises(NothingInCommon) as refused:
        choose_phase_1(sa_of(small), (OURS,), AGGRESSIVE)
    assert refused.value.remedy.startswith("Set a larger Diffie-Hellman group on the client (vpnc: IKE DH Group dh14).")
    assert "Add aes256-sha1-modp1024 to the IKE proposals of profile staff" in refused.value.remedy


def test_in_aggressive_mode_the_key_exchange_decides_the_group() -> None:
    small = transform(*AES256, REST[0], (Phase1Attribute.GROUP_DESCRIPTION, 2), REST[2])
    ours = profile("aes256-sha256-modp1024", "aes256-sha256-modp2048")
    choice = choose_phase_1(sa_of(small, GOOD), (ours,), AGGRESSIVE, group="", public_octets=256)
    assert choice.offer.transform == GOOD


@pytest.mark.parametrize("group", DhGroup)
def test_a_public_value_has_the_length_of_its_group(group: DhGroup) -> None:
    assert len(generate(group, bytes).public) == PUBLIC_OCTETS[group]


# ---- which profile ----------------------------------------------------------------------------------------


def test_the_first_profile_that_accepts_serves() -> None:
    psk = replace(OURS, name="psk", authentication=frozenset({Authentication.XAUTH_PSK}))
    other = replace(OURS, name="other")
    assert choose_phase_1(sa_of(GOOD), (psk, OURS, other), MAIN).profile.name == "staff"


def test_a_group_name_goes_before_the_order() -> None:
    named = replace(OURS, name="named", group_names=("vpngroup", "phones"))
    profiles = (OURS, named)
    assert choose_phase_1(sa_of(GOOD), profiles, AGGRESSIVE, group="phones").profile.name == "named"
    assert choose_phase_1(sa_of(GOOD), profiles, AGGRESSIVE, group="nobody").profile.name == "staff"
    with pytest.raises(NothingInCommon, match="no profile serves the group 'nobody'"):
        choose_phase_1(sa_of(GOOD), (named,), AGGRESSIVE, group="nobody")


@pytest.mark.parametrize(
    ("ours", "mode", "reason", "remedy"),
    [
        ((), MAIN, "no connection profile is enabled", "Create a connection profile."),
        (
            (replace(OURS, group_names=("g",)),),
            MAIN,
            "every profile asks for a group name",
            "Correct the group name on the client",
        ),
        (
            (replace(OURS, authentication=frozenset({Authentication.XAUTH_PSK})),),
            MAIN,
            "the client wants hybrid-rsa, which no profile allows",
            "Allow the authentication method hybrid-rsa in profile staff.",
        ),
        (
            (replace(OURS, modes=frozenset({AGGRESSIVE})),),
            MAIN,
            "the client came in main mode, which profile staff does not allow",
            "Allow main mode in profile staff.",
        ),
        (
            (profile("aes128-sha256-modp2048"),),
            MAIN,
            "no suite in common with profile staff",
            "Add aes256-sha256-modp2048 to the IKE proposals of profile staff",
        ),
    ],
)
def test_a_refusal_says_which_setting_would_help(
    ours: tuple[Profile, ...], mode: Phase1Mode, reason: str, remedy: str
) -> None:
    with pytest.raises(NothingInCommon) as refused:
        choose_phase_1(sa_of(GOOD), ours, mode)
    assert str(refused.value) == reason
    assert refused.value.remedy.startswith(remedy)
    assert refused.value.offered == ("aes256-sha256-modp2048 with hybrid-init-rsa",)
    assert len(refused.value.accepted) == len(ours)


@pytest.mark.parametrize(
    "method", [AuthenticationMethod.PRE_SHARED_KEY, AuthenticationMethod.XAUTH_RESP_PRE_SHARED, 77]
)
def test_methods_without_a_login_of_the_client_let_nobody_in(method: int) -> None:
    offer = transform(*AES256, *REST[:2], (Phase1Attribute.AUTHENTICATION, method))
    everything = replace(OURS, authentication=frozenset(Authentication))
    with pytest.raises(NothingInCommon, match="no authentication method with Xauth"):
        choose_phase_1(sa_of(offer), (everything,), MAIN)


def test_an_offer_of_nothing_known_says_so() -> None:
    des = transform((Phase1Attribute.ENCRYPTION, Phase1Encryption.DES_CBC), *REST)
    with pytest.raises(NothingInCommon) as refused:
        choose_phase_1(sa_of(des), (OURS,), MAIN)
    assert str(refused.value) == "the client offered only algorithms that are not supported"
    assert refused.value.offered == ("des_cbc-sha256-modp2048 with hybrid-init-rsa",)


def test_an_offer_of_one_curve_that_we_do_not_have_says_what_was_offered() -> None:
    # quirk: charon-cmd 5.9.8: by default offers AES-128, SHA-256 and Curve25519 (group 31) alone.
    curve = transform(*AES256, REST[0], (Phase1Attribute.GROUP_DESCRIPTION, 31), REST[2])
    with pytest.raises(NothingInCommon) as refused:
        choose_phase_1(sa_of(curve), (OURS,), AGGRESSIVE)
    assert refused.value.offered == ("aes256-sha256-group31 with hybrid-init-rsa",)


# ---- the initiator ------------------------------------------------------------------------------------------


def test_what_we_offer_we_understand() -> None:
    ours = replace(OURS, ike_proposals=tuple(PHASE_1_SUITES), authentication=frozenset(Authentication))
    offers = [offer for _, offer in phase_1_offers(SecurityAssociation.parse(offer_phase_1(ours).encode()))]
    assert len(offers) == len(PHASE_1_SUITES) * len(Authentication)
    assert {offer.suite for offer in offers} == set(PHASE_1_SUITES)
    assert {offer.authentication for offer in offers} == set(Authentication)
    assert {offer.lifetime.seconds for offer in offers} == {ours.isakmp_lifetime_seconds}


def test_a_gateway_may_choose_only_what_we_offered() -> None:
    assert accepted_phase_1(sa_of(GOOD), OURS).transform == GOOD
    with pytest.raises(NoProposalChosen, match="what was not offered"):
        accepted_phase_1(sa_of(GOOD), profile("aes128-sha1-modp2048"))
    with pytest.raises(NoProposalChosen, match="what was not offered"):
        accepted_phase_1(sa_of(GOOD, GOOD), OURS)
    with pytest.raises(NoProposalChosen, match="method that was not offered"):
        accepted_phase_1(sa_of(GOOD), replace(OURS, authentication=frozenset({Authentication.XAUTH_PSK})))


# ---- quick mode ---------------------------------------------------------------------------------------------


def vpnc_quick_mode() -> SecurityAssociation:
    message = next(m for m in handshake("vpnc-hybrid")["messages"] if m["exch"] == 32)
    plain = bytes.fromhex(message["plain"])
    payloads, _ = parse_chain(8, plain, IKEV1_PAYLOADS)
    (sa,) = (payload for payload in payloads if isinstance(payload, SecurityAssociation))
    return sa


@pytest.mark.parametrize(
    ("ours", "number"), [("aes256-sha1", 0), ("aes256-md5", 1), ("aes128-sha1", 4), ("3des-sha1", 6)]
)
def test_vpnc_offers_twelve_proposals_of_one_spi(ours: str, number: int) -> None:
    # quirk: vpnc 0.5.3: each transform is a proposal of its own; the chosen one goes back under its number.
    sa = vpnc_quick_mode()
    assert len(sa.proposals) == 12
    choice = choose_esp(
        sa, Profile(name="x", esp_proposals=(EspProposal.from_text(ours),)), encapsulated=False, with_ke=False
    )
    (proposal,) = choice.answer(0xABCD).proposals
    assert (proposal.number, proposal.spi, len(proposal.transforms)) == (number, b"\0\0\xab\xcd", 1)
    assert choice.spi == int.from_bytes(sa.proposals[0].spi, "big")


def test_null_and_des_are_never_taken_for_esp() -> None:
    # quirk: vpnc 0.5.3: offers both, always.
    everything = tuple(EspProposal.from_text(f"{c}-{i}") for c in ("aes192", "3des") for i in ("sha256", "sha512"))
    with pytest.raises(NothingInCommon) as refused:
        choose_esp(vpnc_quick_mode(), Profile(name="x", esp_proposals=everything), encapsulated=False, with_ke=False)
    assert any("null" in words for words in refused.value.offered)


def test_gcm_has_a_key_length_and_no_authentication() -> None:
    # quirk: charon-cmd 5.9.8: offers AES-GCM first, as transform 20 with a key length alone.
    gcm = Transform(
        number=1,
        id=EspTransform.AES_GCM_16,
        attributes=(
            Attribute(EspAttribute.KEY_LENGTH, 128),
            Attribute(EspAttribute.ENCAPSULATION_MODE, EncapsulationMode.TUNNEL),
        ),
    )
    assert understand_esp(gcm).suite == EspProposal.from_text("aes128gcm16").suite


@given(
    st.lists(
        st.sampled_from(
            [EspProposal.from_text(t) for t in ("aes256-sha256", "aes128gcm16", "3des-md5", "aes192-sha1")]
        ),
        min_size=1,
        unique=True,
    ),
    st.sampled_from([None, *DhGroup]),
    st.integers(1, 2**31),
    st.integers(0, 2**31),
)
def test_what_we_offer_for_esp_we_understand(
    proposals: list[EspProposal], group: DhGroup | None, seconds: int, kilobytes: int
) -> None:
    offered = offer_esp(
        proposals, 0x1234, mode=EncapsulationMode.UDP_TUNNEL, lifetime=Lifetime(seconds, kilobytes), group=group
    )
    choice = choose_esp(
        SecurityAssociation.parse(offered.encode()),
        Profile(name="x", esp_proposals=tuple(proposals)),
        encapsulated=True,
        with_ke=group is not None,
    )
    assert choice.suite == proposals[0].suite
    assert (choice.lifetime, choice.group, choice.spi) == (Lifetime(seconds, kilobytes), group, 0x1234)


def test_extended_sequence_numbers_are_not_agreed_to() -> None:
    """Who took the transform would have to use them (RFC 4304): not one packet would verify."""
    proposals = (EspProposal.from_text("aes256-sha256"),)
    mode, lifetime = EncapsulationMode.TUNNEL, Lifetime(3_600)
    ((proposal,), profile) = (
        offer_esp(proposals, 0x1234, mode=mode, lifetime=lifetime, group=None).proposals,
        Profile(name="x", esp_proposals=proposals),
    )
    (plain,) = proposal.transforms
    extended = replace(plain, attributes=(*plain.attributes, Attribute(EspAttribute.EXTENDED_SEQUENCE_NUMBER, 1)))
    both = SecurityAssociation(proposals=(replace(proposal, transforms=(extended, replace(plain, number=2))),))
    assert choose_esp(both, profile, encapsulated=False, with_ke=False).transform.number == 2
    alone = SecurityAssociation(proposals=(replace(proposal, transforms=(extended,)),))
    with pytest.raises(NothingInCommon) as refused:
        choose_esp(alone, profile, encapsulated=False, with_ke=False)
    assert refused.value.offered == ("aes_cbc256-auth5 with extended sequence numbers",)

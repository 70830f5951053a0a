"""What is offered and what is chosen, in both phases (RFC 2409 section 5, RFC 2407 section 4.4 and 4.5).

The client's order decides, but what is weak comes last; the chosen transform goes back unchanged.
Attribute order, numbering from 0 or 1, lifetimes as TV or TLV and transforms that nobody knows must
not matter.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ike_engine.crypto.suites import Cipher, DhGroup, EspSuite, HashAlgorithm, Integrity
from ike_engine.errors import Malformed, NoProposalChosen
from ike_engine.ikev1.lifetimes import Lifetime, lifetime_of
from ike_engine.ikev1.numbers import (
    AuthenticationMethod,
    EncapsulationMode,
    EspAttribute,
    EspAuthentication,
    EspTransform,
    IsakmpTransform,
    LifeType,
    Phase1Attribute,
    Phase1Encryption,
    Phase1Hash,
    ProtocolId,
)
from ike_engine.ikev1.payloads import Proposal, SecurityAssociation, Transform
from ike_engine.policy import SMALL_GROUPS, Authentication, EspProposal, IkeProposal, Phase1Mode, Profile
from ike_engine.wire.attributes import Attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# quirk: vpnc 0.5.3 offers DES and cipher 0 (none) in both phases, always: what is not here is never taken.
IKE_CIPHERS: dict[tuple[int, int], Cipher] = {
    (Phase1Encryption.AES_CBC, 128): Cipher.AES_CBC_128,
    (Phase1Encryption.AES_CBC, 192): Cipher.AES_CBC_192,
    (Phase1Encryption.AES_CBC, 256): Cipher.AES_CBC_256,
    (Phase1Encryption.TRIPLE_DES_CBC, 0): Cipher.TRIPLE_DES_CBC,
}
IKE_HASHES: dict[int, HashAlgorithm] = {
    Phase1Hash.MD5: HashAlgorithm.MD5,
    Phase1Hash.SHA1: HashAlgorithm.SHA1,
    Phase1Hash.SHA2_256: HashAlgorithm.SHA2_256,
    Phase1Hash.SHA2_384: HashAlgorithm.SHA2_384,
    Phase1Hash.SHA2_512: HashAlgorithm.SHA2_512,
}
# A client that initiates offers the INIT numbers: the initiator is the one who is asked for a login.
METHODS: dict[int, Authentication] = {
    AuthenticationMethod.HYBRID_INIT_RSA: Authentication.HYBRID_RSA,
    AuthenticationMethod.XAUTH_INIT_PRE_SHARED: Authentication.XAUTH_PSK,
    AuthenticationMethod.XAUTH_INIT_RSA: Authentication.XAUTH_RSA,
}
ESP_CIPHERS: dict[tuple[int, int], Cipher] = {
    (EspTransform.AES_CBC, 128): Cipher.AES_CBC_128,
    (EspTransform.AES_CBC, 192): Cipher.AES_CBC_192,
    (EspTransform.AES_CBC, 256): Cipher.AES_CBC_256,
    (EspTransform.TRIPLE_DES, 0): Cipher.TRIPLE_DES_CBC,
    (EspTransform.AES_GCM_16, 128): Cipher.AES_GCM_128,
    (EspTransform.AES_GCM_16, 256): Cipher.AES_GCM_256,
}
ESP_INTEGRITIES: dict[int, Integrity] = {
    EspAuthentication.HMAC_MD5: Integrity.HMAC_MD5_96,
    EspAuthentication.HMAC_SHA1: Integrity.HMAC_SHA1_96,
    EspAuthentication.HMAC_SHA2_256: Integrity.HMAC_SHA2_256_128,
    EspAuthentication.HMAC_SHA2_384: Integrity.HMAC_SHA2_384_192,
    EspAuthentication.HMAC_SHA2_512: Integrity.HMAC_SHA2_512_256,
}
TUNNEL_MODES: dict[int, bool] = {
    EncapsulationMode.TUNNEL: False,
    EncapsulationMode.UDP_TUNNEL: True,
    EncapsulationMode.UDP_TUNNEL_DRAFT: True,
}

PUBLIC_OCTETS = {
    DhGroup.MODP_1024: 128,
    DhGroup.MODP_1536: 192,
    DhGroup.MODP_2048: 256,
    DhGroup.MODP_3072: 384,
    DhGroup.MODP_4096: 512,
    DhGroup.ECP_256: 64,
    DhGroup.ECP_384: 96,
    DhGroup.ECP_521: 132,
}


RESERVED_SPIS = 255
"""RFC 4303 section 2.1; in UDP, SPI 0 would even make IKE of an ESP packet."""


# ---- phase 1 --------------------------------------------------------------------------------------


def _chosen(of: Proposal, transform: Transform, spi: bytes = b"") -> SecurityAssociation:
    """The responder's SA payload: one proposal, one transform as it came, and our SPI."""
    return SecurityAssociation(
        proposals=(Proposal(number=of.number, protocol=of.protocol, spi=spi, transforms=(transform,)),)
    )


@dataclass(frozen=True, slots=True)
class Phase1Offer:
    """One phase 1 transform as understood; ``suite`` is ``None`` when some of it is unknown to us.

    Attributes:
        words: For the administrator.
    """

    transform: Transform
    method: int
    authentication: Authentication | None
    suite: IkeProposal | None
    lifetime: Lifetime
    words: str


@dataclass(frozen=True, slots=True)
class Phase1Choice:
    """What the responder takes."""

    profile: Profile
    offer: Phase1Offer
    suite: IkeProposal
    authentication: Authentication
    proposal: Proposal

    @property
    def answer(self) -> SecurityAssociation:
        """The SA payload that goes back."""
        return _chosen(self.proposal, self.offer.transform)


@functools.lru_cache(maxsize=512)
def understand_phase_1(transform: Transform) -> Phase1Offer:
    """Read one transform; remembered, since clients of one kind offer the same."""
    values = {attribute.type: attribute.number for attribute in transform.attributes if len(attribute.octets) <= 8}
    encryption, bits = values.get(Phase1Attribute.ENCRYPTION, 0), values.get(Phase1Attribute.KEY_LENGTH, 0)
    hashing, number = values.get(Phase1Attribute.HASH, 0), values.get(Phase1Attribute.GROUP_DESCRIPTION, 0)
    method = values.get(Phase1Attribute.AUTHENTICATION, 0)
    cipher = IKE_CIPHERS.get((encryption, bits))
    hash_algorithm = IKE_HASHES.get(hashing)
    group = DhGroup(number) if number in DhGroup._value2member_map_ else None
    # A prf is HMAC unless another was agreed (RFC 2409 section 4): whoever takes the attribute must know its number.
    another_prf = Phase1Attribute.PRF in values
    words = "-".join(
        (
            cipher.keyword if cipher else f"{Phase1Encryption(encryption).name.lower()}{bits or ''}",
            hash_algorithm.keyword if hash_algorithm else Phase1Hash(hashing).name.lower(),
            group.keyword if group else f"group{number}",
        )
    )
    return Phase1Offer(
        transform,
        method,
        METHODS.get(method),
        IkeProposal(cipher, hash_algorithm, group) if cipher and hash_algorithm and group and not another_prf else None,
        lifetime_of(transform.attributes, ProtocolId.ISAKMP),
        f"{words} with {AuthenticationMethod(method).name.lower().replace('_', '-')}",
    )


def phase_1_offers(sa: SecurityAssociation) -> Iterator[tuple[Proposal, Phase1Offer]]:
    """All transforms of an SA payload, in the client's order."""
    for proposal in sa.proposals:
        if proposal.protocol != ProtocolId.ISAKMP:
            continue
        for transform in proposal.transforms:
            if transform.id == IsakmpTransform.KEY_IKE:
                try:
                    # quirk: charon-cmd 5.9.8: its second transform has no cipher and no hash: skipped, not refused.
                    yield proposal, understand_phase_1(transform)
                except Malformed:  # a value that is no number: somebody else's transform
                    continue


def choose_phase_1(
    sa: SecurityAssociation,
    profiles: Sequence[Profile],
    mode: Phase1Mode,
    *,
    group: str | None = None,
    public_octets: int | None = None,
) -> Phase1Choice:
    """The first profile that accepts something of the offer, and the client's first that it accepts, weak ones last.

    Args:
        sa: The initiator's SA payload.
        profiles: In the order of preference.
        mode: Main or aggressive.
        group: Aggressive mode: the identity ("group name"); a profile that names groups serves only them,
            and goes before one that does not.
        public_octets: Aggressive mode: length of the KE that came along; its group is the only one possible.

    Raises:
        NoProposalChosen: with what was offered, what is accepted and what would let the client in.
    """
    candidates = [profile for profile in profiles if not profile.group_names or (group in profile.group_names)]
    if group is not None:
        candidates.sort(key=lambda profile: not profile.group_names)
    offers = list(phase_1_offers(sa))
    for profile in candidates:
        if mode not in profile.modes:
            continue
        acceptable = [
            Phase1Choice(profile, offer, offer.suite, offer.authentication, proposal)
            for proposal, offer in offers
            if offer.suite is not None
            and offer.authentication in profile.authentication
            and offer.suite in profile.ike_proposals
            and (public_octets is None or PUBLIC_OCTETS[offer.suite.group] == public_octets)
        ]
        if acceptable:
            return next((choice for choice in acceptable if not choice.suite.is_weak), acceptable[0])
    raise _no_phase_1([offer for _, offer in offers], profiles, candidates, mode, group)


class NothingInCommon(NoProposalChosen):
    """``NoProposalChosen`` with both sides' lists in words."""

    def __init__(self, reason: str, *, remedy: str, offered: tuple[str, ...], accepted: tuple[str, ...]) -> None:
        super().__init__(reason, remedy=remedy)
        self.offered = offered
        self.accepted = accepted


def _no_phase_1(
    offers: Sequence[Phase1Offer],
    profiles: Sequence[Profile],
    candidates: Sequence[Profile],
    mode: Phase1Mode,
    group: str | None,
) -> NothingInCommon:
    """Find the nearest miss and say which setting would let the client in."""
    offered = tuple(dict.fromkeys(offer.words for offer in offers))
    accepted = tuple(map(describe_profile, candidates or profiles))

    def because(reason: str, remedy: str) -> NothingInCommon:
        return NothingInCommon(reason, remedy=remedy, offered=offered, accepted=accepted)

    if not profiles:
        return because("no connection profile is enabled", "Create a connection profile.")
    if not candidates:
        return because(
            f"no profile serves the group {group!r}" if group else "every profile asks for a group name",
            "Correct the group name on the client, or add it to a profile's group names.",
        )
    methods = [offer for offer in offers if offer.authentication is not None]
    if not methods:
        return because(
            "the client offered no authentication method with Xauth",
            "Set the client to hybrid (mutual group), Xauth with a group key, or certificate with Xauth.",
        )
    matching = [p for p in candidates if any(offer.authentication in p.authentication for offer in methods)]
    if not matching:
        wanted = next(offer.authentication.value for offer in methods if offer.authentication)
        return because(
            f"the client wants {wanted}, which no profile allows",
            f"Allow the authentication method {wanted} in profile {candidates[0].name}.",
        )
    in_mode = [profile for profile in matching if mode in profile.modes]
    if not in_mode:
        return because(
            f"the client came in {mode.value} mode, which profile {matching[0].name} does not allow",
            f"Allow {mode.value} mode in profile {matching[0].name}.",
        )
    known = next((offer.suite for offer in methods if offer.suite is not None), None)
    if known is None:
        return because("the client offered only algorithms that are not supported", "")
    remedy = f"Add {known} to the IKE proposals of profile {in_mode[0].name} (the legacy preset holds the old suites)."
    if known.group in SMALL_GROUPS:
        remedy = f"Set a larger Diffie-Hellman group on the client (vpnc: IKE DH Group dh14). Or else: {remedy}"
    return because(f"no suite in common with profile {in_mode[0].name}", remedy)


def describe_profile(profile: Profile) -> str:
    """What a profile accepts in phase 1, in one line."""
    methods = ", ".join(sorted(method.value for method in profile.authentication))
    modes = ", ".join(sorted(mode.value for mode in profile.modes))
    suites = ", ".join(map(str, profile.ike_proposals))
    return f"profile {profile.name}: {methods} in {modes} mode with {suites}"


def offer_phase_1(profile: Profile) -> SecurityAssociation:
    """Our offer as initiator: a transform for each suite and method of ``profile``."""
    ciphers = {cipher: number for number, cipher in IKE_CIPHERS.items()}
    hashes = {hash_algorithm: number for number, hash_algorithm in IKE_HASHES.items()}
    methods = {method: number for number, method in METHODS.items()}
    transforms: list[Transform] = []
    for authentication in sorted(profile.authentication, key=lambda method: method.value):
        for suite in profile.ike_proposals:
            encryption, bits = ciphers[suite.cipher]
            attributes = [Attribute(Phase1Attribute.ENCRYPTION, encryption)]
            if bits:
                attributes.append(Attribute(Phase1Attribute.KEY_LENGTH, bits))
            attributes += (
                Attribute(Phase1Attribute.HASH, hashes[suite.hash_algorithm]),
                Attribute(Phase1Attribute.GROUP_DESCRIPTION, suite.group),
                Attribute(Phase1Attribute.AUTHENTICATION, methods[authentication]),
                Attribute(Phase1Attribute.LIFE_TYPE, LifeType.SECONDS),
                Attribute.of_number(Phase1Attribute.LIFE_DURATION, profile.isakmp_lifetime_seconds),
            )
            transforms.append(
                Transform(number=len(transforms) + 1, id=IsakmpTransform.KEY_IKE, attributes=tuple(attributes))
            )
    return SecurityAssociation(
        proposals=(Proposal(number=1, protocol=ProtocolId.ISAKMP, transforms=tuple(transforms)),)
    )


def accepted_phase_1(sa: SecurityAssociation, profile: Profile) -> Phase1Offer:
    """The responder's choice, checked to be one of ours.

    Raises:
        NoProposalChosen: it is not.
    """
    chosen = [offer for _, offer in phase_1_offers(sa)]
    if len(chosen) != 1 or chosen[0].suite not in profile.ike_proposals:
        raise NoProposalChosen("the gateway chose what was not offered")
    if chosen[0].authentication not in profile.authentication:
        raise NoProposalChosen("the gateway chose an authentication method that was not offered")
    return chosen[0]


# ---- quick mode -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EspOffer:
    """One ESP transform as understood; ``suite`` is ``None`` when some of it is unknown to us."""

    suite: EspSuite | None
    group: int
    mode: int
    lifetime: Lifetime
    words: str


@dataclass(frozen=True, slots=True)
class EspChoice:
    """What is agreed about a Child SA.

    Attributes:
        spi: The other side's inbound SPI.
        group: PFS group, or ``None``.
    """

    suite: EspSuite
    spi: int
    group: DhGroup | None
    encapsulated: bool
    lifetime: Lifetime
    proposal: Proposal
    transform: Transform

    def answer(self, spi: int) -> SecurityAssociation:
        """The responder's SA payload: the chosen transform unchanged, under our SPI."""
        return _chosen(self.proposal, self.transform, spi.to_bytes(4, "big"))


@functools.lru_cache(maxsize=512)
def understand_esp(transform: Transform) -> EspOffer:
    """Read one ESP transform."""
    values = {attribute.type: attribute.number for attribute in transform.attributes if len(attribute.octets) <= 8}
    bits, authentication = values.get(EspAttribute.KEY_LENGTH, 0), values.get(EspAttribute.AUTHENTICATION, 0)
    cipher = ESP_CIPHERS.get((transform.id, bits))
    integrity = ESP_INTEGRITIES.get(authentication)
    suite = None
    if cipher is not None and cipher.is_aead:
        suite = EspSuite(cipher)
    elif cipher is not None and integrity is not None:
        suite = EspSuite(cipher, integrity)
    # Not a wish but part of what is chosen (RFC 4304): the ICV would cover 32 bits more than ours does.
    extended = values.get(EspAttribute.EXTENDED_SEQUENCE_NUMBER, 0)
    if extended:
        suite = None
    group, mode = values.get(EspAttribute.GROUP_DESCRIPTION, 0), values.get(EspAttribute.ENCAPSULATION_MODE, 0)
    unknown = f"{EspTransform(transform.id).name.lower()}{bits or ''}-auth{authentication}"
    words = f"{suite or unknown}{' with extended sequence numbers' if extended else ''}"
    words += f" with PFS group {group}" if group else ""
    lifetime = lifetime_of(transform.attributes, ProtocolId.ESP)
    return EspOffer(suite, group, mode, lifetime, words)


def _esp_choices(sa: SecurityAssociation) -> Iterator[EspChoice]:
    for proposal in sa.proposals:  # quirk: vpnc 0.5.3: twelve proposals of one transform each, all with one SPI
        if proposal.protocol != ProtocolId.ESP or len(proposal.spi) != 4:
            continue
        for transform in proposal.transforms:
            try:
                offer = understand_esp(transform)
            except Malformed:
                continue
            if offer.suite is None or (offer.group and offer.group not in DhGroup._value2member_map_):
                continue
            group = DhGroup(offer.group) if offer.group else None
            encapsulated = TUNNEL_MODES.get(offer.mode)
            if encapsulated is None:
                continue
            spi = int.from_bytes(proposal.spi, "big")
            if spi <= RESERVED_SPIS:
                continue
            yield EspChoice(offer.suite, spi, group, encapsulated, offer.lifetime, proposal, transform)


def choose_esp(sa: SecurityAssociation, profile: Profile, *, encapsulated: bool, with_ke: bool) -> EspChoice:
    """The client's first acceptable ESP transform.

    Args:
        sa: The SA payload of quick mode message 1.
        profile: What is accepted.
        encapsulated: Whether ESP must travel in UDP (a NAT was found in phase 1) or must not.
        with_ke: Whether a KE payload came along: PFS.

    Raises:
        NothingInCommon: in words.
    """
    accepted = {proposal.suite for proposal in profile.esp_proposals}
    reason, remedy = "no ESP suite in common", ""
    for choice in _esp_choices(sa):
        if choice.suite not in accepted:
            remedy = remedy or f"Add {choice.suite} to the ESP proposals of profile {profile.name}."
        elif choice.encapsulated != encapsulated:
            reason = (
                "the client would not put ESP into UDP, which the NAT or the data plane needs"
                if encapsulated
                else "the client wants ESP in UDP, but no NAT was found"
            )
            remedy = "Switch NAT traversal on in the client." if encapsulated else ""
        elif (choice.group is not None) != with_ke:
            reason = "a PFS group without a KE payload, or a KE payload without a PFS group"
        elif choice.group is not None and choice.group not in profile.pfs_groups:
            reason = f"PFS group {choice.group.keyword} is not allowed"
            remedy = f"Add {choice.group.keyword} to the PFS groups of profile {profile.name}."
        elif choice.group is None and profile.require_pfs:
            reason = "the client offered no PFS, which the profile requires"
            remedy = f"Switch PFS on in the client, or stop requiring it in profile {profile.name}."
        else:
            if profile.truncate_sha256_to_96 and choice.suite.integrity is Integrity.HMAC_SHA2_256_128:
                suite = EspSuite(choice.suite.cipher, Integrity.HMAC_SHA2_256_96)
                return replace(choice, suite=suite)
            return choice
    raise NothingInCommon(
        reason,
        remedy=remedy,
        offered=tuple(dict.fromkeys(_esp_words(sa))),
        accepted=(f"profile {profile.name}: {', '.join(map(str, profile.esp_proposals))}",),
    )


def _esp_words(sa: SecurityAssociation) -> Iterator[str]:
    for proposal in sa.proposals:
        for transform in proposal.transforms:
            try:
                yield understand_esp(transform).words
            except Malformed:
                yield f"transform {transform.id}"


def offer_esp(
    proposals: Iterable[EspProposal],
    spi: int,
    *,
    mode: EncapsulationMode,
    lifetime: Lifetime,
    group: DhGroup | None,
) -> SecurityAssociation:
    """Our ESP offer as initiator: one proposal a cipher family would be one too many, so one with all transforms."""
    ciphers = {cipher: number for number, cipher in ESP_CIPHERS.items()}
    integrities = {integrity: number for number, integrity in ESP_INTEGRITIES.items()}
    transforms: list[Transform] = []
    for proposal in proposals:
        suite = proposal.suite
        transform, bits = ciphers[suite.cipher]
        attributes = [Attribute(EspAttribute.KEY_LENGTH, bits)] if bits else []
        if suite.integrity is not None:
            known = Integrity.HMAC_SHA2_256_128 if suite.integrity is Integrity.HMAC_SHA2_256_96 else suite.integrity
            attributes.append(Attribute(EspAttribute.AUTHENTICATION, integrities[known]))
        attributes += (
            Attribute(EspAttribute.ENCAPSULATION_MODE, mode),
            Attribute(EspAttribute.LIFE_TYPE, LifeType.SECONDS),
            Attribute.of_number(EspAttribute.LIFE_DURATION, lifetime.seconds),
        )
        if lifetime.kilobytes:
            attributes += (
                Attribute(EspAttribute.LIFE_TYPE, LifeType.KILOBYTES),
                Attribute.of_number(EspAttribute.LIFE_DURATION, lifetime.kilobytes),
            )
        if group is not None:
            attributes.append(Attribute(EspAttribute.GROUP_DESCRIPTION, group))
        transforms.append(Transform(number=len(transforms) + 1, id=transform, attributes=tuple(attributes)))
    return SecurityAssociation(
        proposals=(
            Proposal(number=1, protocol=ProtocolId.ESP, spi=spi.to_bytes(4, "big"), transforms=tuple(transforms)),
        )
    )

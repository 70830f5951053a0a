"""Named sets of proposals, and what is weak about a profile.

A preset is resolved when the gateway compiles its policy, so that it grows with the software.
"""

from collections.abc import Iterator
from typing import Final

from appliance.models import Preset, Profile
from ike_engine.crypto.suites import Cipher, DhGroup, EspSuite, HashAlgorithm, Integrity
from ike_engine.policy import (
    LEGACY_ESP_PROPOSALS,
    LEGACY_IKE_PROPOSALS,
    MODERN_ESP_PROPOSALS,
    MODERN_IKE_PROPOSALS,
    SMALL_GROUPS,
    Authentication,
    EspProposal,
    IkeProposal,
    Phase1Mode,
)

# What clients of the last fifteen years offer when they are set up well: AES, though with SHA-1. What is weak (groups
# below 2048 bits, 3DES, MD5) is in ``legacy`` alone: docs/decisions/0046-small-groups.md.
_OLDER_IKE_PROPOSALS: Final = tuple(
    IkeProposal(cipher, hash_algorithm, group)
    for cipher in (Cipher.AES_CBC_256, Cipher.AES_CBC_192, Cipher.AES_CBC_128)
    for hash_algorithm in (HashAlgorithm.SHA2_256, HashAlgorithm.SHA1)
    for group in (DhGroup.MODP_2048, DhGroup.MODP_3072, DhGroup.MODP_4096, DhGroup.ECP_256, DhGroup.ECP_384)
)
_OLDER_ESP_PROPOSALS: Final = tuple(
    EspProposal(EspSuite(cipher, Integrity.HMAC_SHA1_96))
    for cipher in (Cipher.AES_CBC_256, Cipher.AES_CBC_192, Cipher.AES_CBC_128)
)
_COMPATIBLE_IKE_PROPOSALS: Final = tuple(dict.fromkeys((*MODERN_IKE_PROPOSALS, *_OLDER_IKE_PROPOSALS)))
_COMPATIBLE_ESP_PROPOSALS: Final = (*MODERN_ESP_PROPOSALS, *_OLDER_ESP_PROPOSALS)

IKE_PROPOSALS: Final = {
    Preset.MODERN: MODERN_IKE_PROPOSALS,
    Preset.COMPATIBLE: _COMPATIBLE_IKE_PROPOSALS,
    Preset.LEGACY: tuple(dict.fromkeys((*_COMPATIBLE_IKE_PROPOSALS, *LEGACY_IKE_PROPOSALS))),
}
ESP_PROPOSALS: Final = {
    Preset.MODERN: MODERN_ESP_PROPOSALS,
    Preset.COMPATIBLE: _COMPATIBLE_ESP_PROPOSALS,
    Preset.LEGACY: tuple(dict.fromkeys((*_COMPATIBLE_ESP_PROPOSALS, *LEGACY_ESP_PROPOSALS))),
}


def ike_proposals(profile: Profile) -> tuple[IkeProposal, ...]:
    """Give what the profile accepts in phase 1.

    Raises:
        ValueError: a proposal of its own is not one.
    """
    if profile.preset is Preset.CUSTOM:
        return tuple(IkeProposal.from_text(text) for text in profile.ike_proposals)
    return IKE_PROPOSALS[profile.preset]


def esp_proposals(profile: Profile) -> tuple[EspProposal, ...]:
    """Give what the profile accepts in quick mode.

    Raises:
        ValueError: a proposal of its own is not one.
    """
    if profile.preset is Preset.CUSTOM:
        return tuple(EspProposal.from_text(text) for text in profile.esp_proposals)
    return ESP_PROPOSALS[profile.preset]


def weaknesses(profile: Profile) -> Iterator[str]:
    """Say what an attacker with means could break, for the mark that the panel puts on the profile."""
    ike, esp = ike_proposals(profile), esp_proposals(profile)
    if groups := sorted({proposal.group for proposal in ike if proposal.group in SMALL_GROUPS}):
        yield f"accepts {' and '.join(group.keyword for group in groups)}, groups that are too small"
    if any(proposal.cipher is Cipher.TRIPLE_DES_CBC for proposal in ike) or any(
        proposal.suite.cipher is Cipher.TRIPLE_DES_CBC for proposal in esp
    ):
        yield "accepts 3des, whose blocks are too short for large transfers"
    if any(proposal.hash_algorithm is HashAlgorithm.MD5 for proposal in ike) or any(
        proposal.suite.integrity is Integrity.HMAC_MD5_96 for proposal in esp
    ):
        yield "accepts md5"
    if Authentication.XAUTH_PSK.value in profile.authentication:
        yield "a group key is known to every client: each of them can pose as the gateway"
        if Phase1Mode.AGGRESSIVE.value in profile.modes:
            yield "aggressive mode lets anyone on the way try group keys offline"

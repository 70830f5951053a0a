"""Suites as administrators write them, and what the presets promise."""

from __future__ import annotations

import pytest

from ike_engine.crypto.suites import Cipher, DhGroup, EspSuite, HashAlgorithm, Integrity
from ike_engine.policy import (
    LEGACY_ESP_PROPOSALS,
    LEGACY_IKE_PROPOSALS,
    MODERN_ESP_PROPOSALS,
    MODERN_IKE_PROPOSALS,
    EspProposal,
    IkeProposal,
    Profile,
)

WEAK_GROUPS = {DhGroup.MODP_1024, DhGroup.MODP_1536}
IKE_CIPHERS = [cipher for cipher in Cipher if not cipher.is_aead]
ESP_SUITES = [EspSuite(cipher) for cipher in Cipher if cipher.is_aead] + [
    EspSuite(cipher, integrity) for cipher in IKE_CIPHERS for integrity in Integrity
]


@pytest.mark.parametrize("group", DhGroup)
@pytest.mark.parametrize("hash_algorithm", HashAlgorithm)
@pytest.mark.parametrize("cipher", IKE_CIPHERS)
def test_every_phase_1_suite_has_a_name(cipher: Cipher, hash_algorithm: HashAlgorithm, group: DhGroup) -> None:
    proposal = IkeProposal(cipher, hash_algorithm, group)
    assert IkeProposal.from_text(str(proposal)) == proposal
    assert IkeProposal.from_text(f" {proposal} ".upper()) == proposal


@pytest.mark.parametrize("suite", ESP_SUITES, ids=str)
def test_every_esp_suite_has_a_name(suite: EspSuite) -> None:
    assert EspProposal.from_text(str(EspProposal(suite))).suite == suite


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("aes256-sha256", "write cipher-hash-group"),
        ("aes256-sha256-modp2048-x", "write cipher-hash-group"),
        ("des-sha1-modp1024", "unknown cipher 'des'; known: aes128, aes192, aes256, 3des"),
        ("aes256-sha224-modp2048", "unknown hash 'sha224'; known: md5, sha1, sha256, sha384, sha512"),
        ("aes256-sha256-modp768", "unknown group 'modp768'; known: modp1024"),
        ("aes256gcm16-sha256-modp2048", "IKEv1 phase 1 has no AES-GCM"),
    ],
)
def test_a_wrong_phase_1_suite_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        IkeProposal.from_text(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("null-sha1", "unknown cipher"),
        ("aes256-crc", "unknown integrity"),
        ("aes256", "needs an integrity algorithm"),
        ("aes256gcm16-sha256", "stands alone"),
    ],
)
def test_a_wrong_esp_suite_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EspProposal.from_text(text)


def test_the_modern_preset_holds_nothing_weak() -> None:
    for proposal in MODERN_IKE_PROPOSALS:
        assert proposal.group not in WEAK_GROUPS
        assert proposal.hash_algorithm not in {HashAlgorithm.MD5, HashAlgorithm.SHA1}
        assert proposal.cipher is not Cipher.TRIPLE_DES_CBC
    for esp in MODERN_ESP_PROPOSALS:
        assert esp.suite.cipher is not Cipher.TRIPLE_DES_CBC
        assert esp.suite.integrity not in {Integrity.HMAC_MD5_96, Integrity.HMAC_SHA1_96, Integrity.HMAC_SHA2_256_96}


def test_a_profile_is_modern_and_hybrid_unless_somebody_says_otherwise() -> None:
    profile = Profile(name="staff")
    assert profile.ike_proposals == MODERN_IKE_PROPOSALS
    assert profile.esp_proposals == MODERN_ESP_PROPOSALS
    assert profile.reauthenticate_on_rekey
    assert profile.pre_shared_key is None


@pytest.mark.parametrize(
    "suite",
    # quirk: vpnc 0.5.3, Android up to 11, Cisco: SHA-1 or MD5 and, without more ado, MODP-1024.
    ["aes256-sha1-modp1024", "aes128-md5-modp1024", "3des-sha1-modp1024", "aes256-sha256-modp1024"],
)
def test_the_legacy_preset_lets_old_clients_in(suite: str) -> None:
    assert IkeProposal.from_text(suite) in LEGACY_IKE_PROPOSALS


@pytest.mark.parametrize("suite", ["aes256-sha1", "aes128-md5", "3des-sha1"])
def test_the_legacy_esp_preset_lets_old_clients_in(suite: str) -> None:
    assert EspProposal.from_text(suite) in LEGACY_ESP_PROPOSALS

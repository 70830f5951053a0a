"""What is configured: frozen values that the engine reads and nobody changes in place.

A new ``Policy`` replaces the old one whole (``Reconfigure`` in ``actions``); established SAs keep
the profile they were made with.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar

from ike_engine.crypto.suites import Cipher, DhGroup, EspSuite, HashAlgorithm, Integrity

if TYPE_CHECKING:
    from ike_engine.crypto.signatures import PrivateKey
    from ike_engine.identities import Identification
    from ike_engine.secret import Secret


class Authentication(enum.Enum):
    """How phase 1 and Xauth prove who is there, by the name of the IKEv1 method."""

    HYBRID_RSA = "hybrid-rsa"  # draft-ietf-ipsec-isakmp-hybrid-auth-05: gateway certificate, then Xauth
    XAUTH_PSK = "xauth-psk"  # draft-beaulieu-ike-xauth-02: group key, then Xauth
    XAUTH_RSA = "xauth-rsa"  # certificates on both sides, then Xauth


class Phase1Mode(enum.Enum):
    """The two exchanges of phase 1 (RFC 2409 section 5)."""

    MAIN = "main"
    AGGRESSIVE = "aggressive"


INITIATOR_REKEYS_AT = 0.8
RESPONDER_REKEYS_AT = 0.9
"""Parts of a Child SA's lifetime after which either side renews it: the initiator first, so that they do not cross."""

SMALL_GROUPS = frozenset({DhGroup.MODP_1024, DhGroup.MODP_1536})


@dataclass(frozen=True, slots=True)
class IkeProposal:
    """One acceptable phase 1 suite."""

    cipher: Cipher
    hash_algorithm: HashAlgorithm
    group: DhGroup

    def __str__(self) -> str:
        return f"{self.cipher.keyword}-{self.hash_algorithm.keyword}-{self.group.keyword}"

    @property
    def is_weak(self) -> bool:
        """Whether someone with means could break it: what a client gets only if it can do no better."""
        return (
            self.group in SMALL_GROUPS
            or self.cipher is Cipher.TRIPLE_DES_CBC
            or self.hash_algorithm is HashAlgorithm.MD5
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read ``aes256-sha256-modp2048``.

        Raises:
            ValueError: a word is unknown; the message lists the known ones.
        """
        words = text.strip().lower().split("-")
        if len(words) != 3:
            raise ValueError(f"{text!r}: write cipher-hash-group, for example aes256-sha256-modp2048")
        cipher = _named(Cipher, words[0], "cipher")
        if cipher.is_aead:
            raise ValueError(f"{text!r}: IKEv1 phase 1 has no AES-GCM; take aes256")
        return cls(cipher, _named(HashAlgorithm, words[1], "hash"), _named(DhGroup, words[2], "group"))


@dataclass(frozen=True, slots=True)
class EspProposal:
    """One acceptable ESP suite."""

    suite: EspSuite

    def __str__(self) -> str:
        return str(self.suite)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read ``aes256-sha256`` or ``aes128gcm16``.

        Raises:
            ValueError: a word is unknown; the message lists the known ones.
        """
        cipher_word, _, integrity_word = text.strip().lower().partition("-")
        cipher = _named(Cipher, cipher_word, "cipher")
        return cls(EspSuite(cipher, _named(Integrity, integrity_word, "integrity") if integrity_word else None))


_Named = TypeVar("_Named", Cipher, HashAlgorithm, DhGroup, Integrity)


def _named(kind: type[_Named], word: str, what: str) -> _Named:
    for member in kind:
        if member.keyword == word:
            return member
    raise ValueError(f"unknown {what} {word!r}; known: {', '.join(m.keyword for m in kind)}")


MODERN_IKE_PROPOSALS = tuple(
    IkeProposal(cipher, hash_algorithm, group)
    for cipher in (Cipher.AES_CBC_256, Cipher.AES_CBC_128)
    for hash_algorithm in (HashAlgorithm.SHA2_256, HashAlgorithm.SHA2_384, HashAlgorithm.SHA2_512)
    for group in (DhGroup.ECP_256, DhGroup.ECP_384, DhGroup.MODP_2048, DhGroup.MODP_3072, DhGroup.MODP_4096)
)
LEGACY_IKE_PROPOSALS = tuple(
    IkeProposal(cipher, hash_algorithm, group)
    for cipher in (Cipher.AES_CBC_256, Cipher.AES_CBC_192, Cipher.AES_CBC_128, Cipher.TRIPLE_DES_CBC)
    for hash_algorithm in (HashAlgorithm.SHA2_256, HashAlgorithm.SHA1, HashAlgorithm.MD5)
    for group in (DhGroup.MODP_2048, DhGroup.MODP_1536, DhGroup.MODP_1024)
)
MODERN_ESP_PROPOSALS = (
    EspProposal(EspSuite(Cipher.AES_GCM_256)),
    EspProposal(EspSuite(Cipher.AES_GCM_128)),
    *(
        EspProposal(EspSuite(cipher, integrity))
        for cipher in (Cipher.AES_CBC_256, Cipher.AES_CBC_128)
        for integrity in (Integrity.HMAC_SHA2_256_128, Integrity.HMAC_SHA2_384_192, Integrity.HMAC_SHA2_512_256)
    ),
)
LEGACY_ESP_PROPOSALS = tuple(
    EspProposal(EspSuite(cipher, integrity))
    for cipher in (Cipher.AES_CBC_256, Cipher.AES_CBC_192, Cipher.AES_CBC_128, Cipher.TRIPLE_DES_CBC)
    for integrity in (Integrity.HMAC_SHA1_96, Integrity.HMAC_MD5_96)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalIdentity:
    """Who we are: an identity, and the certificate and key that prove it.

    Attributes:
        identification: What travels in our ID payload; must be in the certificate.
        certificates: DER, leaf first, then intermediates.
        private_key: Key of the leaf.
    """

    identification: Identification
    certificates: tuple[bytes, ...] = ()
    private_key: PrivateKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A connection profile: what one kind of client may do.

    Attributes:
        name: As the administrator calls it; appears in events.
        authentication: Accepted methods.
        modes: Accepted phase 1 exchanges.
        group_names: Aggressive-mode identities ("group name") that select this profile; empty: any.
        identity: Our certificate identity; needed for hybrid and RSA.
        pre_shared_key: Group key for XAUTH_PSK.
        trust_anchors: DER certificates of authorities that clients' certificates must chain to (XAUTH_RSA).
        ike_proposals: Acceptable phase 1 suites; the client's order decides among them.
        esp_proposals: Acceptable ESP suites.
        pfs_groups: Groups allowed in quick mode.
        require_pfs: Refuse a quick mode without a KE payload.
        truncate_sha256_to_96: Install HMAC-SHA2-256 with a 96-bit ICV (Android up to 7, Linux PF_KEY).
        isakmp_lifetime_seconds: Our limit on an ISAKMP SA; a longer offer is accepted and answered
            with RESPONDER-LIFETIME.
        child_lifetime_seconds: The same for Child SAs.
        child_lifetime_kilobytes: Volume limit of a Child SA, or ``None``.
        configuration_push: We SET the configuration after Xauth instead of waiting for a REQUEST.
        reauthenticate_on_rekey: A new phase 1 from the same live client must log in again; otherwise it must only
            show the same certificate, or answer a probe under the old ISAKMP SA.
        xauth_prompts: The client can show prompts: challenges become further Xauth rounds.
        dpd_interval_seconds: Probe a peer that was silent for so long; 0 switches DPD off.
        dpd_timeout_seconds: Declare it dead after so long without an answer.
        fragment_octets: Largest IP datagram to send before IKE fragmentation, when the peer can reassemble.
        xauth_timeout_seconds: How long a user may take to type.
    """

    name: str
    authentication: frozenset[Authentication] = frozenset({Authentication.HYBRID_RSA})
    modes: frozenset[Phase1Mode] = frozenset({Phase1Mode.MAIN, Phase1Mode.AGGRESSIVE})
    group_names: tuple[str, ...] = ()
    identity: LocalIdentity | None = None
    pre_shared_key: Secret | None = None
    trust_anchors: tuple[bytes, ...] = ()
    ike_proposals: tuple[IkeProposal, ...] = MODERN_IKE_PROPOSALS
    esp_proposals: tuple[EspProposal, ...] = MODERN_ESP_PROPOSALS
    pfs_groups: tuple[DhGroup, ...] = tuple(DhGroup)
    require_pfs: bool = False
    truncate_sha256_to_96: bool = False
    isakmp_lifetime_seconds: int = 86_400
    child_lifetime_seconds: int = 28_800
    child_lifetime_kilobytes: int | None = None
    configuration_push: bool = False
    reauthenticate_on_rekey: bool = True
    xauth_prompts: bool = True
    dpd_interval_seconds: float = 30.0
    dpd_timeout_seconds: float = 120.0
    fragment_octets: int = 576
    xauth_timeout_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what strangers can make us hold, and users.

    Attributes:
        half_open: SAs in phase 1; when there are so many, the oldest that never answered makes way.
        logging_in: SAs whose phase 1 is done but whose user is not yet known.
        reassemblies: Messages of which fragments are missing; half of them for peers that have an SA.
        children_per_peer: Child SAs of one peer, replaced ones included.
        isakmp_sas_per_peer: ISAKMP SAs of one peer; when a new phase 1 makes one more, the oldest is deleted.
        exchanges_per_sa: Phase 2 exchanges of one ISAKMP SA, those that linger included.
    """

    half_open: int = 5_000
    half_open_per_source: int = 64
    logging_in: int = 20_000
    logging_in_per_source: int = 512
    exchange_seconds: float = 30.0
    reassembly_octets: int = 65_535
    reassembly_seconds: float = 10.0
    reassemblies: int = 1_024
    reassemblies_per_source: int = 64
    children_per_peer: int = 64
    isakmp_sas_per_peer: int = 8
    exchanges_per_sa: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that is configured.

    Attributes:
        profiles: In the order of preference; the first that accepts the client's offer serves it.
        force_encapsulation: Pretend a NAT so that ESP always travels in UDP (userspace data plane).
        limits: Resource bounds.
        retransmit_seconds: Waits before each retransmission of what we initiate.
    """

    profiles: tuple[Profile, ...] = ()
    force_encapsulation: bool = False
    limits: Limits = field(default_factory=Limits)
    retransmit_seconds: tuple[float, ...] = (1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 5.0, 6.0)

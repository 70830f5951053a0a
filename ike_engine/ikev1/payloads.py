"""The payloads of IKEv1, as their pictures stand in RFC 2408 section 3 and the texts that each names."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from ike_engine.errors import Malformed
from ike_engine.identities import Identification
from ike_engine.ikev1.numbers import CertificateEncoding, NotifyType, PayloadType, ProtocolId, TransactionType
from ike_engine.wire.attributes import Attribute, attribute_list, find
from ike_engine.wire.chain import Payload, Substructures
from ike_engine.wire.codec import Declared, OctetsList, Rest, octets, rest, u8, u16, u32, zero

if TYPE_CHECKING:
    from collections.abc import Mapping

IPSEC_DOI = 1
"""The domain of interpretation of all that we send (RFC 2407)."""

SIT_IDENTITY_ONLY = 1
"""The only situation that anyone uses (RFC 2407 section 4.2.1)."""

_MOST_PROPOSALS = 64
_MOST_TRANSFORMS = 255
_MOST_SPIS = 255
_REMEMBERED_TRANSFORMS = 1024  # the users of one client all offer the same few dozen


# ---- security association -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Transform(Declared):
    """One alternative of a proposal (RFC 2408 section 3.6). A chosen one goes back as it came.

    Attributes:
        number: As the initiator counts; from 0 or from 1.
        id: ``IsakmpTransform`` or ``EspTransform``, by the protocol of the proposal.
        attributes: In the initiator's order.
    """

    number: Annotated[int, u8]
    id: Annotated[int, u8]
    reserved2: ClassVar[Annotated[int, zero(2)]]
    attributes: Annotated[tuple[Attribute, ...], attribute_list] = ()

    def get(self, attribute: int) -> Attribute | None:
        """The first attribute of a type."""
        return find(self.attributes, attribute)


@dataclass(frozen=True, kw_only=True)
class Proposal(Declared):
    """A protocol and the alternatives for it (RFC 2408 section 3.5).

    Attributes:
        number: Proposals of one number belong together; from 0 or from 1.
        spi: Empty or anything in phase 1; the sender's inbound SPI in quick mode.
    """

    number: Annotated[int, u8]
    protocol: Annotated[int, u8, ProtocolId]
    spi_size: ClassVar[Annotated[int, u8]]
    transform_count: ClassVar[Annotated[int, u8]]
    spi: Annotated[bytes, octets("spi_size")] = b""
    transforms: Annotated[
        tuple[Transform, ...],
        Substructures(
            Transform,
            more=PayloadType.TRANSFORM,
            most=_MOST_TRANSFORMS,
            count="transform_count",
            remember=_REMEMBERED_TRANSFORMS,
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class SecurityAssociation(Payload, number=PayloadType.SECURITY_ASSOCIATION):
    """SA: what is offered, or what was chosen (RFC 2408 section 3.4, RFC 2407 section 4.6.1)."""

    doi: Annotated[int, u32] = IPSEC_DOI
    situation: Annotated[int, u32] = SIT_IDENTITY_ONLY
    proposals: Annotated[tuple[Proposal, ...], Substructures(Proposal, more=PayloadType.PROPOSAL, most=_MOST_PROPOSALS)]


# ---- octets that only cryptography understands --------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class KeyExchange(Payload, number=PayloadType.KEY_EXCHANGE):
    """KE: a Diffie-Hellman public value (RFC 2408 section 3.7)."""

    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class Hash(Payload, number=PayloadType.HASH):
    """HASH (RFC 2408 section 3.11)."""

    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class Signature(Payload, number=PayloadType.SIGNATURE):
    """SIG (RFC 2408 section 3.12)."""

    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class Nonce(Payload, number=PayloadType.NONCE):
    """Ni, Nr (RFC 2408 section 3.13); 8 to 256 octets (RFC 2409 section 5)."""

    data: Annotated[bytes, Rest(8, 256)]


# ---- who is there -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Identity(Payload, number=PayloadType.IDENTIFICATION):
    """ID: a name in phase 1, a traffic selector in quick mode (RFC 2407 section 4.6.2).

    Attributes:
        kind: ``identities.IdType``.
        protocol: IP protocol, 0 for any. In phase 1 only 0/0 and UDP/500 make sense (Cisco sends these).
        port: UDP or TCP port, 0 for any.
    """

    kind: Annotated[int, u8]
    protocol: Annotated[int, u8] = 0
    port: Annotated[int, u16] = 0
    data: Annotated[bytes, rest]

    @property
    def identification(self) -> Identification:
        """The identity without protocol and port."""
        return Identification(self.kind, self.data)

    @classmethod
    def of(cls, identification: Identification) -> Self:
        """The phase 1 ID payload of an identity."""
        return cls(kind=identification.kind, data=identification.data)


@dataclass(frozen=True, kw_only=True)
class Certificate(Payload, number=PayloadType.CERTIFICATE):
    """CERT: one certificate (RFC 2408 section 3.9)."""

    encoding: Annotated[int, u8, CertificateEncoding] = CertificateEncoding.X509_SIGNATURE
    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class CertificateRequest(Payload, number=PayloadType.CERTIFICATE_REQUEST):
    """CERTREQ (RFC 2408 section 3.10).

    Attributes:
        authority: DER name of an authority that would do; empty: any.
    """

    encoding: Annotated[int, u8, CertificateEncoding] = CertificateEncoding.X509_SIGNATURE
    authority: Annotated[bytes, rest] = b""


@dataclass(frozen=True, kw_only=True)
class VendorId(Payload, number=PayloadType.VENDOR_ID, anywhere=True):
    """VID: what the peer can do or who made it (RFC 2408 section 3.16); see ``wire.vendor_ids``."""

    data: Annotated[bytes, rest]


# ---- news ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Notification(Payload, number=PayloadType.NOTIFICATION, anywhere=True):
    """N: an error or a status (RFC 2408 section 3.14).

    Attributes:
        spi: Both cookies (16 octets) for ISAKMP, an SPI for ESP; may be empty.
    """

    doi: Annotated[int, u32] = IPSEC_DOI
    protocol: Annotated[int, u8, ProtocolId] = ProtocolId.ISAKMP
    spi_size: ClassVar[Annotated[int, u8]]
    type: Annotated[int, u16, NotifyType]
    spi: Annotated[bytes, octets("spi_size")] = b""
    data: Annotated[bytes, rest] = b""


@dataclass(frozen=True, kw_only=True)
class Delete(Payload, number=PayloadType.DELETE):
    """D: SAs that the sender has deleted (RFC 2408 section 3.15).

    Attributes:
        doi: # quirk: Cisco VPN client: 0 at disconnect; both are accepted.
        spis: The sender's inbound SPIs for ESP, both cookies together (16 octets) for ISAKMP.
    """

    doi: Annotated[int, u32] = IPSEC_DOI
    protocol: Annotated[int, u8, ProtocolId]
    spi_size: ClassVar[Annotated[int, u8]]
    spi_count: ClassVar[Annotated[int, u16]]
    spis: Annotated[tuple[bytes, ...], OctetsList("spi_size", "spi_count", _MOST_SPIS)]


# ---- Xauth and Mode Config ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Attributes(Payload, number=PayloadType.ATTRIBUTES):
    """ATTR: questions and answers of a transaction exchange (draft-dukes-ike-mode-cfg-02 section 3.2).

    Attributes:
        identifier: Chosen by who asks. Clients do not reliably return it.
    """

    type: Annotated[int, u8, TransactionType]
    reserved: ClassVar[Annotated[int, zero(1)]]
    identifier: Annotated[int, u16] = 0
    attributes: Annotated[tuple[Attribute, ...], attribute_list] = ()

    def get(self, attribute: int) -> Attribute | None:
        """The first attribute of a type."""
        return find(self.attributes, attribute)


# ---- NAT traversal and fragmentation ------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NatDetection(Payload, number=PayloadType.NAT_D):
    """NAT-D: hash of an address and port (RFC 3947 section 3.2)."""

    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class NatDetectionDraft(NatDetection, number=PayloadType.NAT_D_DRAFT):
    """NAT-D by the number of the drafts 00 to 03."""


@dataclass(frozen=True, kw_only=True)
class NatOriginalAddress(Payload, number=PayloadType.NAT_OA):
    """NAT-OA: an address before translation (RFC 3947 section 5.2).

    Attributes:
        kind: ``identities.IdType``, IPV4_ADDR or IPV6_ADDR.
        data: 4 or 16 octets.
    """

    kind: Annotated[int, u8]
    reserved: ClassVar[Annotated[int, zero(3)]]
    data: Annotated[bytes, rest]


@dataclass(frozen=True, kw_only=True)
class NatOriginalAddressDraft(NatOriginalAddress, number=PayloadType.NAT_OA_DRAFT):
    """NAT-OA by the number of the drafts."""


@dataclass(frozen=True, kw_only=True)
class Fragment(Payload, number=PayloadType.FRAGMENT):
    """A slice of a finished message, its own header included (Cisco IKE fragmentation; in no RFC).

    Attributes:
        identifier: The same for all fragments of a message; everyone sends 1.
        fragment_number: From 1.
        flags: Bit 0: the last one.
    """

    identifier: Annotated[int, u16] = 1
    fragment_number: Annotated[int, u8]
    flags: Annotated[int, u8] = 0
    data: Annotated[bytes, Rest(1)]

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """As ``Payload.parse``; there is no fragment 0."""
        fragment = super().parse(body)
        if not fragment.fragment_number:
            raise Malformed("fragment 0")
        return fragment

    @property
    def is_last(self) -> bool:
        """Whether its number is that of all fragments."""
        return bool(self.flags & 1)


IKEV1_PAYLOADS: Mapping[int, type[Payload]] = MappingProxyType(
    {
        kind.number: kind
        for kind in (
            SecurityAssociation,
            KeyExchange,
            Identity,
            Certificate,
            CertificateRequest,
            Hash,
            Signature,
            Nonce,
            Notification,
            Delete,
            VendorId,
            Attributes,
            NatDetection,
            NatOriginalAddress,
            NatDetectionDraft,
            NatOriginalAddressDraft,
            Fragment,
        )
    }
)
"""What ``wire.chain.parse_chain`` needs to parse an IKEv1 message."""

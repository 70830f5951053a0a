"""The lines of the RFC's diagrams: one class a message, its docstring the line, its annotations the rule.

The HASH payload of phase 2 messages is not here: it covers the octets of everything behind it and
so belongs to the ``envelope``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ike_engine.ikev1.payloads import (
    Attributes,
    Certificate,
    CertificateRequest,
    Delete,
    Hash,
    Identity,
    KeyExchange,
    NatDetection,
    NatOriginalAddress,
    Nonce,
    Notification,
    SecurityAssociation,
    Signature,
    VendorId,
)
from ike_engine.wire.shapes import Message


@dataclass(frozen=True, kw_only=True)
class Ikev1Message(Message):
    """Vendor IDs and notifications may ride in any message; what we do not know is kept and ignored.

    Attributes:
        encrypted: Whether it must be encrypted (True), must not be (False) or may be (None).
    """

    encrypted: ClassVar[bool | None] = True

    @property
    def vendor_ids(self) -> tuple[bytes, ...]:
        """The vendor IDs that ride in it."""
        return tuple(payload.data for payload in self.riding(VendorId))

    @property
    def notifications(self) -> tuple[Notification, ...]:
        """The notifications that ride in it."""
        return self.riding(Notification)


@dataclass(frozen=True, kw_only=True)
class MainMode1(Ikev1Message):
    """HDR, SA"""

    encrypted: ClassVar[bool | None] = False

    sa: SecurityAssociation


@dataclass(frozen=True, kw_only=True)
class MainMode2(MainMode1):
    """HDR, SA"""


@dataclass(frozen=True, kw_only=True)
class MainMode3(Ikev1Message):
    """HDR, KE, Ni, [ CERTREQ, ] [ NAT-D, NAT-D ]"""

    encrypted: ClassVar[bool | None] = False

    key_exchange: KeyExchange
    nonce: Nonce
    certificate_requests: tuple[CertificateRequest, ...] = ()
    nat_detections: tuple[NatDetection, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MainMode4(MainMode3):
    """HDR, KE, Nr, [ CERTREQ, ] [ NAT-D, NAT-D ]"""


@dataclass(frozen=True, kw_only=True)
class MainMode5(Ikev1Message):
    """HDR*, IDii, [ CERT, ] ( HASH_I | SIG_I ), [ CERTREQ ]"""

    identity: Identity
    certificates: tuple[Certificate, ...] = ()
    proof: Hash | Signature
    certificate_requests: tuple[CertificateRequest, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MainMode6(MainMode5):
    """HDR*, IDir, [ CERT, ] ( HASH_R | SIG_R ), [ CERTREQ ]"""


@dataclass(frozen=True, kw_only=True)
class AggressiveMode1(Ikev1Message):
    """HDR, SA, KE, Ni, IDii, [ CERTREQ ]"""

    encrypted: ClassVar[bool | None] = False

    sa: SecurityAssociation
    key_exchange: KeyExchange
    nonce: Nonce
    identity: Identity
    certificate_requests: tuple[CertificateRequest, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AggressiveMode2(Ikev1Message):
    """HDR, SA, KE, Nr, IDir, [ CERT, ] ( HASH_R | SIG_R ), [ CERTREQ, ] [ NAT-D, NAT-D ]"""

    encrypted: ClassVar[bool | None] = False

    sa: SecurityAssociation
    key_exchange: KeyExchange
    nonce: Nonce
    identity: Identity
    certificates: tuple[Certificate, ...] = ()
    proof: Hash | Signature
    certificate_requests: tuple[CertificateRequest, ...] = ()
    nat_detections: tuple[NatDetection, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AggressiveMode3(Ikev1Message):
    """HDR[*], [ CERT, ] ( HASH_I | SIG_I ), [ NAT-D, NAT-D ]"""

    encrypted: ClassVar[bool | None] = None

    certificates: tuple[Certificate, ...] = ()
    proof: Hash | Signature
    nat_detections: tuple[NatDetection, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Transaction(Ikev1Message):
    """HDR*, HASH, ATTR"""

    attributes: Attributes


@dataclass(frozen=True, kw_only=True)
class QuickMode1(Ikev1Message):
    """HDR*, HASH(1), SA, Ni, [ KE, ] [ IDci, IDcr, ] [ NAT-OAi, NAT-OAr ]"""

    sa: SecurityAssociation
    nonce: Nonce
    key_exchange: KeyExchange | None = None
    identities: tuple[Identity, ...] = ()
    nat_original_addresses: tuple[NatOriginalAddress, ...] = ()


@dataclass(frozen=True, kw_only=True)
class QuickMode2(QuickMode1):
    """HDR*, HASH(2), SA, Nr, [ KE, ] [ IDci, IDcr, ] [ NAT-OAi, NAT-OAr ]"""


@dataclass(frozen=True, kw_only=True)
class QuickMode3(Ikev1Message):
    """HDR*, HASH(3)"""


@dataclass(frozen=True, kw_only=True)
class Informational(Ikev1Message):
    """HDR*, HASH(1), N/D"""

    deletes: tuple[Delete, ...] = ()

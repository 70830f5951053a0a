"""Certificates: the authorities that we know, what they issued, and requests to outside authorities."""

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.master_key import Sealed
from appliance.models.columns import Base, BigNumber, Key, Line, Name, Word, now


class CertificatePurpose(enum.StrEnum):
    """What a certificate is for."""

    AUTHORITY = "authority"
    GATEWAY = "gateway"
    PANEL = "panel"
    SERVER = "server"
    USER = "user"


class RevocationReason(enum.StrEnum):
    """Why a certificate was revoked (RFC 5280 section 5.3.1); the values are those of ``x509.ReasonFlags``."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


class RevocationCheck(enum.StrEnum):
    """What an outside authority is asked about its clients' certificates.

    ``soft`` lets a client in when nobody can tell, ``hard`` refuses it then.
    """

    OFF = "off"
    SOFT = "soft"
    HARD = "hard"


class Authority(Base):
    """A certification authority: ours, or an outside one that we know.

    Its certificate is the one in ``certificates`` with purpose ``authority`` that is not retired.

    Attributes:
        issues: New certificates are issued by this one; at most one authority is it, and it has a private key.
        for_clients: Clients whose certificates it issued may use profiles that name no authority of their own.
        check: Of revocation; our own authorities' certificates are looked up in our tables instead.
        crl_url: Where its CRL is; empty: where certificates say.
        ocsp_url: Where its OCSP responder is; empty: where certificates say.
        crl: DER, the latest that we issued; ``None`` when it has no private key here, or before the first.
        crl_number: Of the latest (RFC 5280 section 5.2.3).
    """

    __tablename__ = "authorities"

    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    issues: Mapped[bool] = mapped_column(default=False)
    for_clients: Mapped[bool] = mapped_column(default=False)
    check: Mapped[RevocationCheck] = mapped_column("revocation_check", Word(RevocationCheck))
    crl_url: Mapped[Line] = mapped_column(default="")
    ocsp_url: Mapped[Line] = mapped_column(default="")
    crl: Mapped[bytes | None] = mapped_column(LargeBinary)
    crl_number: Mapped[int] = mapped_column(BigNumber, default=0)
    crl_issued_at: Mapped[datetime | None]
    crl_next_update_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Certificate(Base):
    """A certificate and, where we have it, its private key.

    Attributes:
        serial_number: Hexadecimal, as ``openssl x509 -serial`` prints it.
        fingerprint: SHA-256 in hexadecimal, upper case, without colons.
        names: Host names and addresses that it stands for (subjectAltName); of a user's, the login name first.
        owner: Login name of the user that it is for; empty: no user's.
        certificate: DER.
        chain: PEM of the intermediates between it and the root of an outside authority.
        private_key: PKCS#8 DER, sealed for ``certificates.private_key``; ``None``: somebody else has it.
        authority_id: Who issued it; of an authority's certificate, the authority itself. ``None``: an outside one.
        retired_at: When another took its place; ``None``: in use.
        revocation_reason: Only with ``revoked_at``.
    """

    __tablename__ = "certificates"
    __table_args__ = (Index("ix_certificates_in_use", "purpose", "retired_at"),)

    id: Mapped[Key]
    purpose: Mapped[CertificatePurpose] = mapped_column(Word(CertificatePurpose))
    subject: Mapped[Line]
    serial_number: Mapped[Name] = mapped_column(index=True)
    fingerprint: Mapped[Name] = mapped_column(unique=True)
    names: Mapped[tuple[str, ...]] = mapped_column(default=())
    owner: Mapped[Name] = mapped_column(default="", index=True)
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    chain: Mapped[str] = mapped_column(Text, default="")
    private_key: Mapped[Sealed | None]
    authority_id: Mapped[int | None] = mapped_column(ForeignKey("authorities.id", ondelete="RESTRICT"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    retired_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None] = mapped_column(index=True)
    revocation_reason: Mapped[RevocationReason | None] = mapped_column(Word(RevocationReason))


class NodeNames(Base):
    """What one machine is known by, for the certificates that all gateways of one database share.

    Attributes:
        node: ``settings.node_name``.
        purpose: Gateway or panel.
    """

    __tablename__ = "node_names"

    node: Mapped[Name] = mapped_column(primary_key=True)
    purpose: Mapped[CertificatePurpose] = mapped_column(Word(CertificatePurpose), primary_key=True)
    names: Mapped[tuple[str, ...]]
    seen_at: Mapped[datetime]


class CertificateRequest(Base):
    """A request (PKCS#10) that waits for an outside authority's answer.

    Attributes:
        purpose: What the certificate will be for.
        names: What was asked for.
        request: DER.
        private_key: PKCS#8 DER, sealed for ``certificates.private_key``.
    """

    __tablename__ = "certificate_requests"

    id: Mapped[Key]
    purpose: Mapped[CertificatePurpose] = mapped_column(Word(CertificatePurpose))
    subject: Mapped[Line]
    names: Mapped[tuple[str, ...]] = mapped_column(default=())
    request: Mapped[bytes] = mapped_column(LargeBinary)
    private_key: Mapped[Sealed]
    created_at: Mapped[datetime] = mapped_column(default=now)

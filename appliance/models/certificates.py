"""Certificates: the local CA and what it issued to this appliance."""

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from appliance.master_key import Sealed
from appliance.models.columns import Base, Key, Line, Name, Word, now


class CertificatePurpose(enum.StrEnum):
    """What a certificate is for."""

    AUTHORITY = "authority"
    GATEWAY = "gateway"
    PANEL = "panel"


class Certificate(Base):
    """A certificate and its private key.

    Attributes:
        serial_number: Hexadecimal, as ``openssl x509 -serial`` prints it.
        names: Host names and addresses that it stands for (subjectAltName).
        certificate: DER.
        private_key: PKCS#8 DER, sealed for ``certificates.private_key``.
        issuer_id: The authority's row; ``None``: signed by itself.
        retired_at: When another took its place; ``None``: in use.
    """

    __tablename__ = "certificates"
    __table_args__ = (Index("ix_certificates_in_use", "purpose", "retired_at"),)

    id: Mapped[Key]
    purpose: Mapped[CertificatePurpose] = mapped_column(Word(CertificatePurpose))
    subject: Mapped[Line]
    serial_number: Mapped[Name] = mapped_column(unique=True)
    names: Mapped[tuple[str, ...]] = mapped_column(default=())
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    private_key: Mapped[Sealed]
    issuer_id: Mapped[int | None] = mapped_column(ForeignKey("certificates.id", ondelete="RESTRICT"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    retired_at: Mapped[datetime | None]

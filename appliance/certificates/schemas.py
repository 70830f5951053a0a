"""Certificates as they are shown; private keys never are."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.models import CertificatePurpose
from appliance.schema import Schema


class CertificateView(Schema):
    """A certificate."""

    purpose: CertificatePurpose
    subject: str
    serial_number: str
    fingerprint: Annotated[str, Field(description="SHA-256")]
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    retired_at: datetime | None
    pem: str

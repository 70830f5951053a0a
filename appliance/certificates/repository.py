"""Queries on certificates."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import Certificate, CertificatePurpose


async def in_use(session: AsyncSession, purpose: CertificatePurpose) -> Certificate | None:
    """Give the certificate that now serves this purpose."""
    found: Certificate | None = await session.scalar(
        select(Certificate)
        .where(Certificate.purpose == purpose, Certificate.retired_at.is_(None))
        .order_by(Certificate.id.desc())
        .limit(1)
    )
    return found


async def all_certificates(session: AsyncSession) -> Sequence[Certificate]:
    """Give all certificates, those in use first."""
    return (
        await session.scalars(select(Certificate).order_by(Certificate.retired_at.is_not(None), Certificate.id))
    ).all()

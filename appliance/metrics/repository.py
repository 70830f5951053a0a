"""Queries on what is counted and belongs to no noun alone."""

from collections.abc import Sequence

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import Certificate, CertificatePurpose, Profile, Session


async def live_sessions(session: AsyncSession) -> Sequence[Row[str, str, str, int]]:
    """Count the live sessions by node, profile and what DPD knows of them."""
    kinds = (Session.node, Session.profile, Session.liveness)
    return (
        await session.execute(select(*kinds, func.count()).where(Session.ended_at.is_(None)).group_by(*kinds))
    ).all()


async def profile_names(session: AsyncSession) -> Sequence[str]:
    """Name all profiles."""
    return (await session.scalars(select(Profile.name).order_by(Profile.name))).all()


async def certificates(session: AsyncSession) -> Sequence[Certificate]:
    """Give the certificates that are in use, but for users': there are any number of them, and they name people."""
    wanted = (Certificate.retired_at.is_(None), Certificate.purpose != CertificatePurpose.USER)
    return (await session.scalars(select(Certificate).where(*wanted).order_by(Certificate.id))).all()

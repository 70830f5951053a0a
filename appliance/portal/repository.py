"""Queries on the portal's sign-ins."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import PortalSignIn, Realm, RealmKind, User


async def find(session: AsyncSession, cookie_hash: bytes) -> tuple[PortalSignIn, User] | None:
    """Give the sign-in that a cookie stands for, and whose it is."""
    row = (
        await session.execute(
            select(PortalSignIn, User)
            .join(User, User.id == PortalSignIn.user_id)
            .where(PortalSignIn.cookie_hash == cookie_hash)
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])


async def local_realm(session: AsyncSession) -> str | None:
    """Give the name of the realm of local users, if it may judge."""
    found: str | None = await session.scalar(
        select(Realm.name).where(Realm.kind == RealmKind.LOCAL, Realm.enabled).order_by(Realm.position).limit(1)
    )
    return found


async def remove_of(session: AsyncSession, user_id: int, *, but: bytes = b"") -> None:
    """Sign a user out everywhere, but for one cookie."""
    await session.execute(delete(PortalSignIn).where(PortalSignIn.user_id == user_id, PortalSignIn.cookie_hash != but))


async def remove_expired(session: AsyncSession, at: datetime, idle_since: datetime) -> None:
    """Forget sign-ins that are no longer good."""
    await session.execute(
        delete(PortalSignIn).where((PortalSignIn.expires_at < at) | (PortalSignIn.seen_at < idle_since))
    )

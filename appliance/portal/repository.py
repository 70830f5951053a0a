"""Queries on the portal's sign-ins."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import PortalSignIn, Realm, User


async def find(session: AsyncSession, cookie_hash: bytes) -> tuple[PortalSignIn, User | None] | None:
    """Give the sign-in that a cookie stands for, and the user if it is a local one."""
    row = (
        await session.execute(
            select(PortalSignIn, User)
            .outerjoin(User, User.id == PortalSignIn.user_id)
            .where(PortalSignIn.cookie_hash == cookie_hash)
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])


async def realms(session: AsyncSession) -> Sequence[Realm]:
    """Give the realms that may judge, in the order of asking."""
    return (await session.scalars(select(Realm).where(Realm.enabled).order_by(Realm.position, Realm.id))).all()


async def remove_of(session: AsyncSession, user_id: int, *, but: bytes = b"") -> None:
    """Sign a local user out everywhere, but for one cookie."""
    await session.execute(delete(PortalSignIn).where(PortalSignIn.user_id == user_id, PortalSignIn.cookie_hash != but))


async def remove_of_realm(session: AsyncSession, realm: str, user: str, *, but: bytes = b"") -> None:
    """Sign a user of any realm out everywhere, but for one cookie; the name in lower case."""
    theirs = (PortalSignIn.realm == realm, func.lower(PortalSignIn.user) == user, PortalSignIn.cookie_hash != but)
    await session.execute(delete(PortalSignIn).where(*theirs))


async def remove_expired(session: AsyncSession, at: datetime, idle_since: datetime) -> None:
    """Forget sign-ins that are no longer good."""
    await session.execute(
        delete(PortalSignIn).where((PortalSignIn.expires_at < at) | (PortalSignIn.seen_at < idle_since))
    )

"""Queries on users."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.models import DownloadLink, Group, User
from appliance.schema import Paging
from appliance.users.schemas import UserFilter


async def find(session: AsyncSession, name: str) -> User | None:
    """Give one user by canonical name."""
    found: User | None = await session.scalar(select(User).where(User.name == name))
    return found


async def page(session: AsyncSession, wanted: UserFilter, paging: Paging) -> tuple[Sequence[User], int]:
    """Give users, and how many there are."""
    return await listing.page(session, User, _matches(wanted), wanted.sort, paging)


async def names(session: AsyncSession, wanted: UserFilter) -> Sequence[str]:
    """Give the names of all users that match."""
    return (await session.scalars(select(User.name).where(*_matches(wanted)).order_by(User.name))).all()


def _matches(wanted: UserFilter) -> list[listing.Condition]:
    return [
        *listing.containing(wanted.text, User.name, User.full_name),
        *listing.equal(User.enabled, wanted.enabled),
        *([User.group_id.in_(select(Group.id).where(Group.name == wanted.group.lower()))] if wanted.group else []),
    ]


async def poor_passwords(session: AsyncSession, least_strength: int, set_before: datetime) -> Sequence[User]:
    """Give the users whose password is weak, was never judged, or is from before this moment."""
    poor = or_(
        User.password_strength.is_(None),
        User.password_strength < least_strength,
        User.password_changed_at < set_before,
    )
    return (await session.scalars(select(User).where(poor).order_by(User.name))).all()


async def keep_hash(session: AsyncSession, user_id: int, old: str, new: str) -> None:
    """Keep the same password hashed otherwise; nothing that anybody sees has changed, unless the password has."""
    await session.execute(
        update(User)
        .where(User.id == user_id, User.password_hash == old)
        .values(password_hash=new, changed_at=User.changed_at)
    )


async def remove_links_of(session: AsyncSession, name: str) -> None:
    """Have one-time links for a user give nothing any more; those that were used stay on record."""
    await session.execute(delete(DownloadLink).where(DownloadLink.user == name, DownloadLink.used_at.is_(None)))


async def count(session: AsyncSession) -> int:
    """Count all users."""
    return await session.scalar(select(func.count()).select_from(User)) or 0

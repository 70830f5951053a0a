"""Queries on what is said at each level."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import BasePolicy, Group, Pool, Profile, User

_THE_ONE = 1


async def base(session: AsyncSession) -> BasePolicy | None:
    """Give what is said for everybody, if anything is."""
    return await session.get(BasePolicy, _THE_ONE)


def new_base() -> BasePolicy:
    """Give the row for it."""
    return BasePolicy(id=_THE_ONE, policy={})


async def groups(session: AsyncSession) -> Sequence[Group]:
    """Give all groups by name."""
    return (await session.scalars(select(Group).order_by(Group.name))).all()


async def pools(session: AsyncSession) -> Sequence[Pool]:
    """Give all pools, the oldest first."""
    return (await session.scalars(select(Pool).order_by(Pool.id))).all()


async def profiles(session: AsyncSession) -> Sequence[Profile]:
    """Give all profiles in the order of preference."""
    return (await session.scalars(select(Profile).order_by(Profile.position, Profile.id))).all()


async def user(session: AsyncSession, name: str) -> User | None:
    """Give one user by canonical name."""
    found: User | None = await session.scalar(select(User).where(User.name == name))
    return found


async def said_of_users(session: AsyncSession) -> dict[str, dict[str, Any]]:
    """Give what is said for users, by name; those for whom nothing is are left out."""
    rows = await session.execute(select(User.name, User.policy))
    return {name: policy for name, policy in rows if policy}


async def naming_pool(session: AsyncSession, pool: str) -> list[str]:
    """Say whose policy names this pool: ``everybody``, ``group staff``, ``user alice``."""
    everybody = await base(session)
    said = {
        **({"everybody": everybody.policy} if everybody is not None else {}),
        **{f"group {group.name}": group.policy for group in await groups(session)},
        **{f"user {name}": policy for name, policy in (await said_of_users(session)).items()},
    }
    return [who for who, policy in said.items() if policy.get("pool") == pool]

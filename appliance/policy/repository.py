"""Queries on what is said at each level."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import String, cast, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import BasePolicy, Group, Pool, Profile, User

_THE_ONE = 1
_MOST_KEYS = 500


class UserNow(NamedTuple):
    """What a session must know of its local user."""

    enabled: bool
    policy: dict[str, Any]
    group: str


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
    rows = await session.execute(select(User.name, User.policy).where(cast(User.policy, String) != "{}"))
    return dict(rows.all())


async def of_accounts(session: AsyncSession, keys: Sequence[int]) -> dict[int, UserNow]:
    """Give what sessions must know of their users, by key; who was removed is left out."""
    found: dict[int, UserNow] = {}
    for start in range(0, len(keys), _MOST_KEYS):
        rows = await session.execute(
            select(User.id, User.enabled, User.policy, Group.name)
            .outerjoin_from(User, Group, User.group_id == Group.id)
            .where(User.id.in_(keys[start : start + _MOST_KEYS]))
        )
        found |= {key: UserNow(enabled, policy, group or "") for key, enabled, policy, group in rows}
    return found


async def naming_pool(session: AsyncSession, pool: str) -> list[str]:
    """Say whose policy names this pool: ``everybody``, ``group staff``, ``user alice``."""
    everybody = await base(session)
    said = {
        **({"everybody": everybody.policy} if everybody is not None else {}),
        **{f"group {group.name}": group.policy for group in await groups(session)},
        **{f"user {name}": policy for name, policy in (await said_of_users(session)).items()},
    }
    return [who for who, policy in said.items() if policy.get("pool") == pool]

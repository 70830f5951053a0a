"""Queries on second factors."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.models import Realm, RealmKind, SecondFactor
from appliance.schema import Paging
from appliance.second_factors.schemas import SecondFactorFilter


async def find(session: AsyncSession, realm: str, user: str, *, to_change: bool = False) -> SecondFactor | None:
    """Give the second factor of a user; ``to_change`` holds back others who want to change it."""
    wanted = select(SecondFactor).where(SecondFactor.realm == realm, SecondFactor.user == user)
    found: SecondFactor | None = await session.scalar(wanted.with_for_update() if to_change else wanted)
    return found


async def forget_local(session: AsyncSession, user: str) -> None:
    """Forget that of a local user who is removed: another may get the name one day."""
    local = select(Realm.name).where(Realm.kind == RealmKind.LOCAL)
    await session.execute(delete(SecondFactor).where(SecondFactor.user == user, SecondFactor.realm.in_(local)))


async def page(session: AsyncSession, wanted: SecondFactorFilter, paging: Paging) -> tuple[Sequence[SecondFactor], int]:
    """Give second factors, and how many there are."""
    confirmed = SecondFactor.confirmed_at.is_not(None)
    matches = [
        *listing.containing(wanted.text, SecondFactor.user, SecondFactor.realm),
        *listing.equal(SecondFactor.realm, wanted.realm),
        *([] if wanted.confirmed is None else [confirmed if wanted.confirmed else ~confirmed]),
    ]
    return await listing.page(session, SecondFactor, matches, wanted.sort, paging)

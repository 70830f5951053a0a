"""Queries on realms."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.models import Node, Profile, Realm
from appliance.realms.schemas import RealmFilter
from appliance.schema import Paging


async def find(session: AsyncSession, name: str) -> Realm | None:
    """Give one realm by name."""
    found: Realm | None = await session.scalar(select(Realm).where(Realm.name == name))
    return found


async def page(session: AsyncSession, wanted: RealmFilter, paging: Paging) -> tuple[Sequence[Realm], int]:
    """Give realms, and how many there are."""
    matches = [*listing.containing(wanted.text, Realm.name), *listing.equal(Realm.kind, wanted.kind)]
    return await listing.page(session, Realm, matches, wanted.sort, paging)


async def all_realms(session: AsyncSession) -> Sequence[Realm]:
    """Give all realms in the order of asking."""
    return (await session.scalars(select(Realm).order_by(Realm.position, Realm.id))).all()


async def profiles_by_realm(session: AsyncSession) -> dict[str, tuple[str, ...]]:
    """Give the names of the profiles that name a realm, by realm."""
    naming: dict[str, tuple[str, ...]] = {}
    for profile, realms in await session.execute(select(Profile.name, Profile.realms).order_by(Profile.name)):
        for realm in realms:
            naming[realm] = (*naming.get(realm, ()), profile)
    return naming


async def nodes(session: AsyncSession) -> Sequence[Node]:
    """Give all gateways, the one heard of last first."""
    return (await session.scalars(select(Node).order_by(Node.heartbeat_at.desc()))).all()

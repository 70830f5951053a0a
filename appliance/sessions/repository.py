"""Queries on sessions."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.models import Group, Node, Pool, Profile, Realm, RealmKind, Session
from appliance.schema import Paging
from appliance.sessions.schemas import SessionFilter, Which


async def find(session: AsyncSession, session_id: int) -> Session | None:
    """Give one session."""
    return await session.get(Session, session_id)


async def transcript(session: AsyncSession, session_id: int) -> dict[str, Any] | None:
    """Give what was said in a session that ended."""
    found: dict[str, Any] | None = await session.scalar(select(Session.transcript).where(Session.id == session_id))
    return found


async def page(session: AsyncSession, wanted: SessionFilter, paging: Paging) -> tuple[Sequence[Session], int]:
    """Give sessions, and how many there are."""
    return await listing.page(session, Session, _matches(wanted), wanted.sort, paging)


async def numbers(session: AsyncSession, wanted: SessionFilter) -> Sequence[int]:
    """Give the keys of all sessions that match."""
    return (await session.scalars(select(Session.id).where(*_matches(wanted)).order_by(Session.id))).all()


# Users of other realms may have the same names. What is from before sessions told their realm counts as well.
_OF_LOCAL_USERS: Final = or_(
    Session.realm.in_(select(Realm.name).where(Realm.kind == RealmKind.LOCAL)), Session.realm == ""
)


async def live_of_user(session: AsyncSession, user: str) -> Sequence[Session]:
    """Give the live sessions of one local user."""
    own = (Session.user == user, Session.ended_at.is_(None), _OF_LOCAL_USERS)
    return (await session.scalars(select(Session).where(*own))).all()


async def is_of_local_user(session: AsyncSession, session_id: int) -> bool:
    """Tell whether the user of a session is one of ours."""
    return await session.scalar(select(Session.id).where(Session.id == session_id, _OF_LOCAL_USERS)) is not None


async def rates(session: AsyncSession) -> tuple[float, float]:
    """Add up how fast all live sessions go: octets a second in and out."""
    found = await session.execute(
        select(func.sum(Session.rate_in), func.sum(Session.rate_out)).where(Session.ended_at.is_(None))
    )
    rate_in, rate_out = found.one()
    return float(rate_in or 0), float(rate_out or 0)


async def suites(session: AsyncSession, wanted: SessionFilter) -> tuple[dict[str, int], dict[str, int]]:
    """Count the sessions that match by the IKE suite and by the ESP suite that they agreed on."""
    counted: list[dict[str, int]] = []
    for column in (Session.ike_suite, Session.esp_suite):
        rows = await session.execute(
            select(column, func.count()).where(*_matches(wanted), column != "").group_by(column).order_by(column)
        )
        counted.append(dict(rows.all()))
    return counted[0], counted[1]


async def ever(session: AsyncSession) -> bool:
    """Tell whether anybody has ever been connected."""
    return await session.scalar(select(Session.id).limit(1)) is not None


async def choices(session: AsyncSession) -> dict[str, list[str]]:
    """Name what sessions can be told apart by: profiles, groups, pools, realms and gateways."""
    tables = {"profile": Profile.name, "group": Group.name, "pool": Pool.name, "realm": Realm.name, "node": Node.name}
    asked = union_all(*(select(literal(field), name) for field, name in tables.items()))
    found: dict[str, list[str]] = {field: [] for field in tables}
    for field, name in await session.execute(asked):
        found[field].append(name)
    return {field: sorted(names) for field, names in found.items()}


async def count_live(session: AsyncSession) -> int:
    """Count the live sessions."""
    return await session.scalar(select(func.count()).select_from(Session).where(Session.ended_at.is_(None))) or 0


async def count_live_by_user(session: AsyncSession, users: Sequence[str]) -> dict[str, int]:
    """Count the live sessions of each of these local users; who has none is left out."""
    rows = await session.execute(
        select(Session.user, func.count())
        .where(Session.user.in_(users), Session.ended_at.is_(None), _OF_LOCAL_USERS)
        .group_by(Session.user)
    )
    return dict(rows.all())


def _matches(wanted: SessionFilter) -> list[listing.Condition]:
    which = {
        Which.LIVE: [Session.ended_at.is_(None)],
        Which.ENDED: [Session.ended_at.is_not(None)],
        Which.ALL: [],
    }[wanted.which]
    searched = (Session.user, Session.profile, Session.peer_address, Session.virtual_ip, Session.client_software)
    return [
        *which,
        *([Session.user.in_({wanted.user, wanted.user.lower()})] if wanted.user else []),
        *listing.equal(Session.profile, wanted.profile),
        *listing.equal(Session.node, wanted.node),
        *listing.equal(Session.pool, wanted.pool),
        *listing.equal(Session.realm, wanted.realm),
        *listing.equal(Session.group, wanted.group),
        *listing.containing(wanted.text, *searched),
        *listing.between(Session.started_at, wanted.since, wanted.until),
    ]

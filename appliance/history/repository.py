"""Queries on events."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from appliance import listing
from appliance.history.schemas import EventFilter
from appliance.models import Event, EventKind, Session
from appliance.schema import Paging


async def find(session: AsyncSession, event_id: int) -> Event | None:
    """Give one event."""
    return await session.get(Event, event_id)


async def page(session: AsyncSession, wanted: EventFilter, paging: Paging) -> tuple[Sequence[Event], int]:
    """Give events, and how many there are."""
    searched = (Event.user, Event.peer_address, Event.virtual_ip, Event.client_software, Event.reason)
    matches = [
        *listing.containing(wanted.text, *searched),
        *listing.equal(Event.kind, wanted.kind),
        *listing.equal(Event.user, wanted.user),
        *listing.equal(Event.realm, wanted.realm),
        *listing.equal(Event.profile, wanted.profile),
        *listing.between(Event.at, wanted.since, wanted.until),
    ]
    return await listing.page(session, Event, matches, wanted.sort, paging)


async def sessions_of(session: AsyncSession, events: Sequence[Event]) -> dict[tuple[str, int | None], int]:
    """Give the keys of the sessions that these events are about, by node and the engine's handle there."""
    peers = {event.peer_id for event in events if event.peer_id is not None}
    if not peers:
        return {}
    rows = await session.execute(
        select(Session.node, Session.peer_id, Session.id).where(
            Session.node.in_({event.node for event in events}), Session.peer_id.in_(peers)
        )
    )
    return {(node, peer_id): key for node, peer_id, key in rows}


async def visits(session: AsyncSession, user: str, most: int) -> Sequence[Event]:
    """Give the latest visits, each by its last event: a login that was followed by a logout is left out."""
    later = aliased(Event)
    followed = (
        select(later.id)
        .where(later.node == Event.node, later.peer_id == Event.peer_id, later.kind == EventKind.LOGOUT)
        .exists()
    )
    matches = [*listing.equal(Event.user, user), (Event.kind != EventKind.LOGIN) | ~followed]
    rows = await session.scalars(select(Event).where(*matches).order_by(Event.at.desc(), Event.id.desc()).limit(most))
    return rows.all()


async def forget(session: AsyncSession, before: datetime) -> None:
    """Forget events, and sessions that ended, before this moment."""
    await session.execute(delete(Event).where(Event.at < before))
    await session.execute(delete(Session).where(Session.ended_at < before))

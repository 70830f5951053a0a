"""What may be asked of the history."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from appliance.errors import NotFound
from appliance.history import repository, service
from appliance.history.schemas import EventFilter
from appliance.models import Event, EventKind, Session
from appliance.models.columns import now
from appliance.schema import Paging

if TYPE_CHECKING:
    from appliance.installation import Transaction

NOON = now() - timedelta(hours=1)


def event(minutes: int, kind: EventKind, user: str, peer_id: int | None = None, **more: Any) -> Event:
    at = NOON + timedelta(minutes=minutes)
    return Event(
        at=at, kind=kind, node="gw", user=user, peer_id=peer_id, peer_address="192.0.2.7", peer_port=500, **more
    )


@pytest.fixture
async def eventful(work: Transaction) -> Transaction:
    """Alice came and went, came again and is here; Bob failed, and came to another gateway under the same number."""
    work.session.add_all(
        [
            event(0, EventKind.LOGIN, "alice", 1, realm="local"),
            event(5, EventKind.LOGOUT, "alice", 1, realm="local", began_at=NOON, octets_in=7, cause="dead-peer"),
            event(6, EventKind.FAILURE, "bob", reason="wrong password for 'bob'"),
            event(7, EventKind.LOGIN, "alice", 2, realm="staff"),
            event(8, EventKind.LOGIN, "bob", 3),
        ]
    )
    await work.session.flush()
    return work


async def test_events_come_the_latest_first_and_are_filtered(eventful: Transaction) -> None:
    page = await service.page(eventful, paging=Paging(limit=2))
    assert ([each.user for each in page.items], page.total) == (["bob", "alice"], 5)

    async def number(**wanted: Any) -> int:
        return (await service.page(eventful, EventFilter(**wanted))).total

    assert await number(kind=EventKind.LOGIN) == 3
    assert await number(user="alice") == 3
    assert await number(realm="staff") == 1
    assert await number(text="WRONG") == 1
    assert await number(since=NOON + timedelta(minutes=5), until=NOON + timedelta(minutes=7)) == 2


async def test_a_visit_is_told_once_by_the_latest_that_is_known_of_it(eventful: Transaction) -> None:
    visits = await service.visits(eventful)
    assert [(visit.event.user, visit.event.kind, visit.ended) for visit in visits] == [
        ("bob", EventKind.LOGIN, False),
        ("alice", EventKind.LOGIN, False),
        ("bob", EventKind.FAILURE, True),
        ("alice", EventKind.LOGOUT, True),
    ]
    assert visits[-1].event.duration_seconds == 300
    assert [visit.event.user for visit in await service.visits(eventful, "Bob", 1)] == ["bob"]


async def test_one_is_shown_or_is_not_there(eventful: Transaction) -> None:
    latest = (await service.page(eventful)).items[0]
    assert await service.show(eventful, latest.id) == latest
    with pytest.raises(NotFound, match="no event 999"):
        await service.show(eventful, 999)


async def test_what_is_older_than_is_kept_is_forgotten_and_no_live_session(eventful: Transaction) -> None:
    old = NOON - timedelta(days=400)
    for ended_at in (old, None, NOON):
        eventful.session.add(
            Session(
                node="gw",
                peer_id=9,
                user="alice",
                profile="default",
                authentication="hybrid-rsa",
                mode="main",
                peer_address="192.0.2.7",
                peer_port=500,
                started_at=old,
                ended_at=ended_at,
            )
        )
    await eventful.session.flush()
    await repository.forget(eventful.session, NOON + timedelta(minutes=6))
    assert (await service.page(eventful)).total == 3
    kept = (await eventful.session.scalars(Session.__table__.select())).all()
    assert len(kept) == 1

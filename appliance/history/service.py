"""What may be asked of the history: to see it. Gateways alone write it."""

from collections.abc import Sequence

from appliance.errors import NotFound
from appliance.history import repository
from appliance.history.schemas import EventFilter, EventView, Visit
from appliance.installation import Transaction
from appliance.models import Event, EventKind
from appliance.schema import EVERYTHING, Page, Paging


async def page(work: Transaction, wanted: EventFilter = EventFilter(), paging: Paging = EVERYTHING) -> Page[EventView]:
    """List events, by themselves the latest first."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=await _views(work, rows), total=total)


async def show(work: Transaction, event_id: int) -> EventView:
    """Show one event.

    Raises:
        NotFound: there is no such event.
    """
    event = await repository.find(work.session, event_id)
    if event is None:
        raise NotFound(f"there is no event {event_id}")
    return (await _views(work, [event]))[0]


async def visits(work: Transaction, user: str = "", most: int = 20) -> list[Visit]:
    """List stays and failed logins, the latest first, each once.

    Args:
        work: A transaction.
        user: Only of this one.
        most: At most so many.
    """
    rows = await repository.visits(work.session, user.strip().lower(), most)
    return [Visit(event=EventView.model_validate(row), ended=row.kind is not EventKind.LOGIN) for row in rows]


async def _views(work: Transaction, events: Sequence[Event]) -> list[EventView]:
    known = await repository.sessions_of(work.session, events)
    found = [EventView.model_validate(event) for event in events]
    return [view.model_copy(update={"session_id": known.get((view.node, view.peer_id))}) for view in found]

"""``/api/v1/events``: logins, logouts and failed logins."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Number, Reading
from appliance.history import service
from appliance.history.schemas import EventFilter, EventView, Visit, VisitFilter
from appliance.schema import Page, Paging

router = Noun("events")


class _Wanted(EventFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_events(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[EventView]:
    """List logins, logouts and failed logins, by themselves the latest first."""
    return await service.page(work, wanted, wanted)


@router.get("/visits")
async def list_visits(work: Reading, wanted: Annotated[VisitFilter, Query()]) -> list[Visit]:
    """List stays and failed logins, each once, the latest first: as ``last`` and ``lastb`` do it."""
    return await service.visits(work, wanted.user, wanted.last)


@router.get("/{event_id}")
async def show_event(work: Reading, event_id: Number) -> EventView:
    """Show one event."""
    return await service.show(work, event_id)

"""``/api/v1/samples``: what happened over time."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Reading
from appliance.samples import service
from appliance.samples.schemas import History, Span

router = Noun("samples")


@router.get("")
async def show_history(work: Reading, wanted: Annotated[Span, Query()]) -> History:
    """Show sessions, traffic, logins and refusals over time, in equal steps up to now."""
    return await service.history(work, wanted)

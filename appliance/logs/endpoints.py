"""``/api/v1/logs``: what the processes of this machine say."""

from typing import Annotated

from fastapi import Query

from appliance.api import failures
from appliance.api.dependencies import Noun, Reading
from appliance.logs import service
from appliance.logs.schemas import LogFilter, LogPage, LogPart

router = Noun("logs")


class _Wanted(LogFilter, LogPart):
    """Filter and part together, as query parameters."""


@router.get("", responses=failures.responses(404))
async def list_lines(work: Reading, wanted: Annotated[_Wanted, Query()]) -> LogPage:
    """List lines of the log, the latest first. To follow it, ask again with ``after`` set to ``newer``."""
    return await service.page(work, wanted, wanted)

"""Commands as they are shown."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from appliance.models import CommandOutcome, Verb
from appliance.schema import Filter, Schema, SortableBy


class CommandFilter(Filter):
    """Which orders to list, and in which order."""

    node: Annotated[str, Field(description="Only those for this gateway.")] = ""
    verb: Verb | None = None
    outcome: CommandOutcome | None = None
    sort: Annotated[str, SortableBy("created_at", "node", "finished_at")] = "-created_at"


class CommandView(Schema):
    """What a gateway was told, and what became of it."""

    id: int
    node: str
    verb: Verb
    session_id: int | None
    reason: str
    created_at: datetime
    created_by: str
    outcome: CommandOutcome
    message: str
    arguments: dict[str, Any]
    result: dict[str, Any] | None
    finished_at: datetime | None

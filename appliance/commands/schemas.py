"""Commands as they are shown."""

from datetime import datetime

from appliance.models import CommandOutcome, Verb
from appliance.schema import Schema


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
    finished_at: datetime | None

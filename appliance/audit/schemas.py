"""Audit entries as they are shown."""

from datetime import datetime
from typing import Any

from appliance.schema import Schema


class AuditEntryView(Schema):
    """One change: who, when, from where, before, after."""

    id: int
    at: datetime
    who: str
    source: str
    deed: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

"""Audit entries as they are shown."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from appliance.schema import Filter, Schema, Since, SortableBy, Until


class AuditFilter(Filter):
    """Which entries to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in who, deed, target or source.")] = ""
    who: Annotated[str, Field(description="Only what this one did, for example: token ci.")] = ""
    deed: Annotated[str, Field(description="Only deeds that begin so, for example: user. or user.remove.")] = ""
    target: Annotated[str, Field(description="Only what was done to the thing of this name.")] = ""
    since: Since = None
    until: Until = None
    sort: Annotated[str, SortableBy("at", "who", "deed", "target")] = "-at"


class FieldChange(Schema):
    """One field that differs."""

    field: Annotated[str, Field(description="Its name; one inside another after a dot: policy.dns.")]
    before: Any
    after: Any


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

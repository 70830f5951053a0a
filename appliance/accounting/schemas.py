"""Accounting records as they are shown."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from appliance.models import AccountingStatus
from appliance.schema import Filter, Schema, Since, SortableBy, Until


class AccountingFilter(Filter):
    """Which records to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in user or session.")] = ""
    realm: Annotated[str, Field(description="Only those for the servers of this realm.")] = ""
    status: AccountingStatus | None = None
    waiting: Annotated[bool | None, Field(description="Only those that no server took yet, or only the others.")] = None
    since: Since = None
    until: Until = None
    sort: Annotated[str, SortableBy("at", "user", "realm", "sent_at")] = "-at"


class AccountingRecordView(Schema):
    """A record, and what became of it."""

    id: int
    node: Annotated[str, Field(description="The gateway that sends it.")]
    realm: str
    session: Annotated[str, Field(description="Acct-Session-Id.")]
    status: AccountingStatus
    user: str
    at: Annotated[datetime, Field(description="When it happened.")]
    content: Annotated[dict[str, Any], Field(description="Addresses, totals, and why the session ended.")]
    sent_at: Annotated[datetime | None, Field(description="When a server took it; empty while it waits.")]
    server: Annotated[str, Field(description="Who took it.")]
    attempts: Annotated[int, Field(description="How often it was tried in vain.")]
    last_error: str


class WaitingRecords(Schema):
    """What waited for the servers of a realm, for the audit log."""

    records: int

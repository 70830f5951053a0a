"""Leases as they are shown."""

from datetime import datetime
from ipaddress import IPv4Address
from typing import Annotated

from pydantic import Field

from appliance.schema import Filter, Schema, SortableBy


class LeaseFilter(Filter):
    """Which addresses to list, and in which order."""

    pool: Annotated[str, Field(description="Only those of this pool.")] = ""
    user: Annotated[str, Field(description="Only those that this user has, or had last.")] = ""
    node: Annotated[str, Field(description="Only those that this gateway gave out.")] = ""
    taken: Annotated[
        bool | None, Field(description="true: those that clients have now; false: those that are free again.")
    ] = None
    sort: Annotated[str, SortableBy("address", "user", "taken_at", "free_since", "node")] = "address"


class LeaseView(Schema):
    """An address that is or was taken: who has it, or had it last."""

    address: IPv4Address
    pool: str
    user: str | None
    node: str | None
    session_id: Annotated[int | None, Field(description="The live session that has it.")]
    taken_at: datetime | None
    free_since: datetime | None

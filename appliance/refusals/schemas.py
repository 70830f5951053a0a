"""Refusals as they are shown."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.schema import Schema


class RefusalFilter(Schema):
    """Which refusals to list."""

    text: Annotated[str, Field(description="Only those with this in user name, identity, address or reason.")] = ""


class RefusalView(Schema):
    """One refused attempt, in words."""

    id: int
    at: datetime
    node: str
    peer_address: str
    peer_port: int
    local_address: str
    stage: Annotated[str, Field(description="How far the client came.")]
    reason: str
    remedy: Annotated[str, Field(description="Which setting would let it in; empty when none would.")]
    profile: str
    identity: str
    username: str
    offered: tuple[str, ...]
    accepted: tuple[str, ...]
    vendor_ids: tuple[str, ...]

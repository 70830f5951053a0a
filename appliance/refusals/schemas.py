"""Refusals as they are shown."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.schema import Filter, Schema, Since, SortableBy, Until
from appliance.transcripts.schemas import TranscriptView


class RefusalFilter(Filter):
    """Which refusals to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in user name, identity, address or reason.")] = ""
    user: Annotated[
        str, Field(description="Only those of this login, however it was written: ALICE, alice@realm, REALM\\alice.")
    ] = ""
    stage: Annotated[str, Field(description="Only those that came so far.")] = ""
    since: Since = None
    until: Until = None
    sort: Annotated[str, SortableBy("at", "peer_address", "username", "stage", "profile")] = "-at"


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
    realm: Annotated[str, Field(description="Which realm refused, or had accepted; empty: none said anything.")]
    offered: tuple[str, ...]
    accepted: tuple[str, ...]
    vendor_ids: tuple[str, ...]


class RefusalDetail(RefusalView):
    """One refused attempt, with what gateway and client said to each other."""

    isakmp_sa: Annotated[int, Field(description="What the gateway's log calls it; 0: not known.")]
    transcript: TranscriptView

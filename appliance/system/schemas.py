"""Status as it is shown."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from appliance.schema import Schema


class Problem(Schema):
    """Something that is off."""

    what: str
    remedy: Annotated[str, Field(description="How to switch it on.")]


class NodeView(Schema):
    """A gateway."""

    name: str
    version: str
    alive: Annotated[bool, Field(description="Its last heartbeat is recent.")]
    serving: Annotated[bool, Field(description="It answers IKE.")]
    data_plane: Annotated[str, Field(description="xfrm, userspace or none")]
    data_plane_reason: str
    ike_address: str
    ike_port: int
    natt_port: int
    started_at: datetime
    heartbeat_at: datetime
    realms: Annotated[dict[str, Any], Field(description="How each realm is, as it sees it.")]
    problems: list[Problem]
    counters: dict[str, Any]


class PoolUse(Schema):
    """How much of a pool is taken."""

    name: str
    addresses: int
    taken: int


class StatusView(Schema):
    """The appliance at a glance."""

    version: str
    nodes: list[NodeView]
    live_sessions: int
    users: int
    pools: list[PoolUse]
    gateway_names: Annotated[tuple[str, ...], Field(description="Names and addresses in the gateway's certificate.")]
    gateway_certificate_expires_at: datetime | None
    problems: list[Problem]


class FirstStep(Schema):
    """One of the things that an administrator does first."""

    name: Annotated[str, Field(description="password, name, pool, user or connect")]
    done: bool


class HealthView(Schema):
    """Whether this process can do its work."""

    status: str

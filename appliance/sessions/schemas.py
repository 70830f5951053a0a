"""Sessions as they are shown."""

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from appliance.policy.schemas import EffectiveValue
from appliance.schema import Filter, Schema, Since, SortableBy, Until
from appliance.transcripts.schemas import Probe


class Which(enum.StrEnum):
    """Which sessions are wanted."""

    LIVE = "live"
    ENDED = "ended"
    ALL = "all"


class SessionFilter(Filter):
    """Which sessions to list, and in which order."""

    which: Annotated[Which, Field(description="Live ones, ended ones, or all.")] = Which.LIVE
    user: Annotated[str, Field(description="Only this user's.")] = ""
    realm: Annotated[str, Field(description="Only those of users whom this realm let in.")] = ""
    profile: Annotated[str, Field(description="Only those of this profile.")] = ""
    node: Annotated[str, Field(description="Only those that this gateway holds.")] = ""
    pool: Annotated[str, Field(description="Only those with an address of this pool.")] = ""
    group: Annotated[str, Field(description="Only those for whom this group's policy holds.")] = ""
    text: Annotated[str, Field(description="Only those with this in user, profile, address or client software.")] = ""
    since: Annotated[Since, Field(description="Only those that began at this moment or later.")] = None
    until: Annotated[Until, Field(description="Only those that began before this moment.")] = None
    sort: Annotated[
        str,
        SortableBy(
            *("started_at", "ended_at", "user", "profile", "node", "virtual_ip", "peer_address", "client_software"),
            *("liveness", "last_heard_at", "round_trip_seconds", "octets_in", "octets_out", "rate_in", "rate_out"),
        ),
    ] = "-started_at"


class SessionView(Schema):
    """One user's stay."""

    id: int
    node: str
    user: str
    profile: str
    pool: str
    realm: Annotated[str, Field(description="Which realm let the user in.")]
    group: Annotated[str, Field(description="The group whose policy holds; empty: none.")]
    ends_at: Annotated[datetime | None, Field(description="When a limit will end it; null: none will.")]
    authentication: str
    mode: str
    identity: str
    peer_address: str
    peer_port: int
    local_address: str
    behind_nat: bool
    virtual_ip: str | None
    networks: Annotated[tuple[IPv4Network, ...], Field(description="Networks behind the client.")]
    hostname: str
    client_software: str
    vendor_ids: tuple[str, ...]
    ike_suite: str
    esp_suite: str
    liveness: Annotated[str, Field(description="alive, probing or dead (RFC 3706)")]
    dpd_probe: Annotated[int, Field(description="Unanswered probes; 0 when alive.")]
    dpd_probes: Annotated[int, Field(description="Probes that will be tried before the peer is declared dead.")]
    last_heard_at: datetime | None
    round_trip_seconds: Annotated[float | None, Field(description="Of the last answered probe.")]
    octets_in: Annotated[int, Field(description="Inner octets from the client.")]
    octets_out: Annotated[int, Field(description="Inner octets to the client.")]
    packets_in: int
    packets_out: int
    packets_blocked: Annotated[int, Field(description="Packets from the client to where it may not go.")]
    rate_in: Annotated[float, Field(description="Octets a second from the client, when it was last counted.")]
    rate_out: Annotated[float, Field(description="Octets a second to the client.")]
    started_at: datetime
    ended_at: datetime | None
    goodbye: str
    goodbye_reason: str
    details: dict[str, Any]


class Suites(Schema):
    """What live sessions agreed on, and how many did."""

    ike: dict[str, int]
    esp: dict[str, int]


class SessionPolicy(Schema):
    """What counts for a live session since its login, whatever was said for its user later."""

    values: list[EffectiveValue]


class IsakmpSaView(Schema):
    """What phase 1 agreed on, the last time that it was done."""

    initiator_spi: Annotated[str, Field(description="The initiator's cookie.")]
    responder_spi: Annotated[str, Field(description="The responder's cookie.")]
    suite: str
    mode: str
    lifetime_seconds: int
    established_at: datetime
    ends_at: Annotated[datetime, Field(description="Unless the client renews it.")]

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Self | None:
        """Read what the details of a session tell of it; ``None``: nothing yet."""
        told = details.get("isakmp_sa")
        if not told:
            return None
        ends_at = datetime.fromisoformat(told["established_at"]) + timedelta(seconds=told["lifetime_seconds"])
        return cls.model_validate(told | {"ends_at": ends_at}, extra="ignore")


class ChildSaState(enum.StrEnum):
    """What is going on with a Child SA."""

    INSTALLED = "installed"
    REKEYING = "rekeying"
    REPLACED = "replaced"


class ChildSaView(Schema):
    """A pair of ESP SAs, what it carried, and when it is renewed."""

    inbound_spi: str
    outbound_spi: str
    state: Annotated[ChildSaState, Field(description="replaced: another one carries the traffic; it ends in a moment.")]
    suite: Annotated[str, Field(description="Encryption and integrity, as profiles write them.")]
    local_networks: tuple[IPv4Network, ...]
    remote_networks: tuple[IPv4Network, ...]
    established_at: datetime
    lifetime_seconds: int
    rekeys_at: Annotated[
        datetime | None, Field(description="When we renew it unless the client does before; null: that was tried.")
    ]
    ends_at: datetime
    octets_in: Annotated[int, Field(description="Inner octets from the client.")]
    octets_out: Annotated[int, Field(description="Inner octets to the client.")]
    packets_in: int
    packets_out: int
    rate_in: Annotated[float, Field(description="Octets a second from the client, when it was last counted.")]
    rate_out: Annotated[float, Field(description="Octets a second to the client.")]
    integrity_failures: Annotated[int, Field(description="Packets whose integrity check failed; they were dropped.")]
    replays: Annotated[int, Field(description="Packets that came again or too late (anti-replay window); dropped.")]


class SessionAssociations(Schema):
    """The security associations of a live session, as its gateway and its data plane know them now."""

    taken_at: datetime
    isakmp_sa: IsakmpSaView | None
    child_sas: list[ChildSaView]


class DeadPeerDetection(Schema):
    """How the gateway made sure that the client is there (RFC 3706)."""

    complete: Annotated[bool, Field(description="Nothing more will come: the session has ended.")]
    probes: Annotated[list[Probe], Field(description="The latest 20, the last one first.")]


class Rates(Schema):
    """How fast all live sessions go together, in octets a second."""

    rate_in: float
    rate_out: float


class Disconnection(Schema):
    """Why a session is ended, for its record, and whether its user stays out."""

    reason: Annotated[str, Field(max_length=500)] = "disconnected by the administrator"
    block: Annotated[bool, Field(description="Also disable the user, which ends all its sessions.")] = False


class Disconnections(Disconnection):
    """Which sessions are ended, and why."""

    ids: Annotated[tuple[Annotated[int, Field(ge=1, le=2**63 - 1)], ...], Field(max_length=10_000)] = ()
    matching: Annotated[SessionFilter | None, Field(description="All live ones that match, instead of numbers.")] = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.ids) == (self.matching is not None):
            raise ValueError("name sessions by ids, or say which by matching")
        return self

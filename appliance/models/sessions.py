"""Sessions: one user's stay, live or ended. The gateway writes, everybody reads."""

from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from sqlalchemy import JSON, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, BigNumber, Key, Line, Name, now


class Session(Base):
    """One user's stay.

    Attributes:
        node: The gateway that holds its SAs.
        peer_id: The engine's handle on that gateway, unique while that gateway's process lives.
        realm: Which realm let the user in.
        group: The group whose policy holds; empty: none.
        ends_at: When a limit will end it; ``None``: none will.
        networks: What is behind the client.
        authentication: ``policy.Authentication`` value.
        mode: ``policy.Phase1Mode`` value.
        identity: The client's phase 1 identity in words.
        peer_address: Where the client (or its NAT) is.
        client_software: What the client says it is (APPLICATION_VERSION), else what its vendor IDs tell.
        liveness: ``events.Liveness`` value; probe n of m is ``dpd_probe`` of ``dpd_probes``.
        octets_in: Inner octets from the client, over all its Child SAs.
        octets_out: Inner octets to the client.
        packets_blocked: Packets from the client to where it may not go.
        rate_in: Octets a second from the client, when it was last counted.
        rate_out: Octets a second to the client.
        ended_at: ``None`` while it lives.
        goodbye: ``events.Goodbye`` value; empty while it lives.
        goodbye_reason: The same in words.
        transcript: Of a session that ended: what was said (``transcripts.stored``).
        details: What no column holds yet: traffic selectors, Child SAs with SPIs, lifetimes.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_peer", "node", "peer_id"),
        Index("ix_sessions_ended_at", "ended_at", "started_at"),
        Index("ix_sessions_user", "user", "ended_at"),
    )

    id: Mapped[Key]
    node: Mapped[Name]
    peer_id: Mapped[int] = mapped_column(BigNumber)
    user: Mapped[Name]
    profile: Mapped[Name]
    pool: Mapped[Name] = mapped_column(default="")
    realm: Mapped[Name] = mapped_column(default="")
    group: Mapped[Name] = mapped_column(default="")
    ends_at: Mapped[datetime | None]
    authentication: Mapped[Name]
    mode: Mapped[Name]
    identity: Mapped[Line] = mapped_column(default="")
    peer_address: Mapped[Name]
    peer_port: Mapped[int]
    local_address: Mapped[Name] = mapped_column(default="")
    behind_nat: Mapped[bool] = mapped_column(default=False)
    virtual_ip: Mapped[Name | None] = mapped_column(index=True)
    networks: Mapped[tuple[IPv4Network, ...]] = mapped_column(default=())
    hostname: Mapped[Line] = mapped_column(default="")
    client_software: Mapped[Line] = mapped_column(default="")
    vendor_ids: Mapped[tuple[str, ...]] = mapped_column(default=())
    ike_suite: Mapped[Name] = mapped_column(default="")
    esp_suite: Mapped[Name] = mapped_column(default="")
    liveness: Mapped[Name] = mapped_column(default="alive")
    dpd_probe: Mapped[int] = mapped_column(default=0)
    dpd_probes: Mapped[int] = mapped_column(default=0)
    last_heard_at: Mapped[datetime | None]
    round_trip_seconds: Mapped[float | None]
    octets_in: Mapped[int] = mapped_column(BigNumber, default=0)
    octets_out: Mapped[int] = mapped_column(BigNumber, default=0)
    packets_in: Mapped[int] = mapped_column(BigNumber, default=0)
    packets_out: Mapped[int] = mapped_column(BigNumber, default=0)
    packets_blocked: Mapped[int] = mapped_column(BigNumber, default=0)
    rate_in: Mapped[float] = mapped_column(default=0.0)
    rate_out: Mapped[float] = mapped_column(default=0.0)
    started_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]
    goodbye: Mapped[Name] = mapped_column(default="")
    goodbye_reason: Mapped[str] = mapped_column(Text, default="")
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    transcript: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)

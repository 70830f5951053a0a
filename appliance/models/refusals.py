"""Refusals: why a client was turned away, in words (``events.PeerRefused``)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, BigNumber, Key, Line, Name, now


class Refusal(Base):
    """One refused attempt.

    Attributes:
        stage: ``events.Stage`` value.
        realm: Which realm refused, or had accepted before; empty: none was asked, or none said anything.
        offered: What the client offered, one line each.
        accepted: What the profile accepts, one line each.
        remedy: Which setting would let it in; empty when none would.
        isakmp_sa: The engine's handle on that gateway, by which its log knows the attempt; 0: not known.
        transcript: What was said (``transcripts.stored``).
    """

    __tablename__ = "refusals"

    id: Mapped[Key]
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    node: Mapped[Name]
    peer_address: Mapped[Name]
    peer_port: Mapped[int]
    local_address: Mapped[Name] = mapped_column(default="")
    stage: Mapped[Name]
    reason: Mapped[str] = mapped_column(Text)
    remedy: Mapped[str] = mapped_column(Text, default="")
    profile: Mapped[Name] = mapped_column(default="")
    identity: Mapped[Line] = mapped_column(default="")
    username: Mapped[Line] = mapped_column(default="")
    realm: Mapped[Name] = mapped_column(default="")
    offered: Mapped[tuple[str, ...]] = mapped_column(default=())
    accepted: Mapped[tuple[str, ...]] = mapped_column(default=())
    vendor_ids: Mapped[tuple[str, ...]] = mapped_column(default=())
    isakmp_sa: Mapped[int] = mapped_column(BigNumber, default=0, server_default="0")
    transcript: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)

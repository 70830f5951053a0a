"""Nodes (gateways as the others see them) and the counters of configuration changes."""

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.master_key import Sealed
from appliance.models.columns import Base, BigNumber, Name, now


class Node(Base):
    """A gateway: what it is doing and whether it is still there.

    Attributes:
        heartbeat_at: Renewed every few seconds while the gateway lives.
        serving: Whether it answers IKE.
        data_plane: The one in use: xfrm, userspace, none; empty before the choice.
        data_plane_reason: Why that one, in words.
        problems: What is off and how to switch it on: ``{"what": ..., "remedy": ...}`` each.
        command_key: What passwords in commands are sealed to, itself sealed: ``commands.confidential``.
        realms: How each realm is, as this gateway sees it, by name: ``auth.realm.RealmHealth``.
        counters: Datagrams dropped by reason, logins by result and the like, since its start.
    """

    __tablename__ = "nodes"

    name: Mapped[Name] = mapped_column(primary_key=True)
    version: Mapped[Name] = mapped_column(default="")
    started_at: Mapped[datetime] = mapped_column(default=now)
    heartbeat_at: Mapped[datetime] = mapped_column(default=now)
    serving: Mapped[bool] = mapped_column(default=False)
    data_plane: Mapped[Name] = mapped_column(default="")
    data_plane_reason: Mapped[str] = mapped_column(Text, default="")
    ike_address: Mapped[Name] = mapped_column(default="")
    ike_port: Mapped[int] = mapped_column(default=500)
    natt_port: Mapped[int] = mapped_column(default=4500)
    problems: Mapped[list[dict[str, str]]] = mapped_column(default=list)
    command_key: Mapped[Sealed | None]
    realms: Mapped[dict[str, Any]] = mapped_column(default=dict)
    counters: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Revision(Base):
    """How often one kind of configuration changed (SQLite only; PostgreSQL notifies)."""

    __tablename__ = "revisions"

    topic: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(BigNumber, default=0)

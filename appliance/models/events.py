"""Events: who came, who went, who was turned away. Gateways write, everybody reads."""

import enum
from datetime import datetime

from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, BigNumber, Key, Line, Name, Word, now


class EventKind(enum.StrEnum):
    """What happened."""

    LOGIN = "login"
    LOGOUT = "logout"
    FAILURE = "failure"


class Event(Base):
    """One login, logout or failed login.

    Attributes:
        peer_id: The engine's handle: together with ``node`` it ties a logout to its login, and both to their
            session; ``None`` for a failure.
        user: Canonical name; of a failure what was typed.
        realm: That let the user in; empty for a failure.
        peer_address: Where the client (or its NAT) is.
        client_software: What the client says it is.
        octets_in: Of a logout: inner octets from the client in all its stay.
        octets_out: The same to the client.
        began_at: Of a logout: when the stay began.
        cause: Of a logout ``events.Goodbye``, of a failure ``events.Stage``.
        reason: The same in words, for the administrator.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_user", "user", "at"),
        Index("ix_events_peer", "node", "peer_id"),
    )

    id: Mapped[Key]
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    kind: Mapped[EventKind] = mapped_column(Word(EventKind))
    node: Mapped[Name]
    peer_id: Mapped[int | None] = mapped_column(BigNumber)
    user: Mapped[Name]
    realm: Mapped[Name] = mapped_column(default="")
    profile: Mapped[Name] = mapped_column(default="")
    peer_address: Mapped[Name]
    peer_port: Mapped[int]
    virtual_ip: Mapped[Name | None]
    client_software: Mapped[Line] = mapped_column(default="")
    octets_in: Mapped[int] = mapped_column(BigNumber, default=0)
    octets_out: Mapped[int] = mapped_column(BigNumber, default=0)
    began_at: Mapped[datetime | None]
    cause: Mapped[Name] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(Text, default="")

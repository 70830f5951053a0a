"""RADIUS accounting records: written with the session that they tell of, sent when a server takes them."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, BigNumber, Key, Line, Name, Word, now


class AccountingStatus(enum.StrEnum):
    """What a record tells (Acct-Status-Type, RFC 2866 section 5.1)."""

    START = "start"
    INTERIM = "interim"
    STOP = "stop"
    ON = "on"
    OFF = "off"


class AccountingRecord(Base):
    """One record, waiting or sent.

    Attributes:
        node: The gateway that sends it.
        realm: Whose servers get it.
        session: Acct-Session-Id, unique among all sessions of all gateways.
        peer_id: The session's in ``sessions``, with ``node``; ``None`` for on and off.
        at: When it happened.
        content: What the record says (``accounting.records.Content``).
        due_at: Not to be sent before: the last octets of a session are counted a moment after its end.
        sent_at: When a server acknowledged it; ``None`` while it waits.
        server: Who acknowledged it.
        attempts: How often it was tried in vain.
        last_error: Why, the last time.
    """

    __tablename__ = "accounting_records"
    __table_args__ = (
        Index("ix_accounting_records_waiting", "node", "sent_at", "due_at"),
        Index("ix_accounting_records_session", "session", "status"),
    )

    id: Mapped[Key]
    node: Mapped[Name]
    realm: Mapped[Name]
    session: Mapped[Name]
    peer_id: Mapped[int | None] = mapped_column(BigNumber)
    status: Mapped[AccountingStatus] = mapped_column(Word(AccountingStatus))
    user: Mapped[Name] = mapped_column(default="")
    at: Mapped[datetime] = mapped_column(default=now)
    content: Mapped[dict[str, Any]] = mapped_column(default=dict)
    due_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None]
    server: Mapped[Line] = mapped_column(default="")
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")

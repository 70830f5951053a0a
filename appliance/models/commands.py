"""Commands for gateways: a closed list of verbs, written by anyone, carried out by the node they name."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.master_key import Sealed
from appliance.models.columns import Base, Key, Name, Word, now


class Verb(enum.StrEnum):
    """What a gateway can be told to do."""

    DISCONNECT = "disconnect"
    REKEY = "rekey"
    RELOAD = "reload"
    DUMP_SAD = "dump-sad"
    TEST_REALM = "test-realm"
    JUDGE_LOGIN = "judge-login"
    TRANSCRIPT = "transcript"


class CommandOutcome(enum.StrEnum):
    """What became of a command."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class Command(Base):
    """One command for one gateway.

    Attributes:
        session_id: The session that ``disconnect``, ``rekey`` and ``transcript`` are about; ``None`` for the others.
        arguments: What else the verb needs to know.
        secret: A password that it needs, sealed to the gateway (``commands.confidential``) until it is carried out.
        reason: In words, for the session's goodbye.
        message: What the gateway has to say about the outcome.
        result: What it found out.
    """

    __tablename__ = "commands"
    __table_args__ = (Index("ix_commands_pending", "node", "outcome"),)

    id: Mapped[Key]
    node: Mapped[Name]
    verb: Mapped[Verb] = mapped_column(Word(Verb))
    session_id: Mapped[int | None] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    arguments: Mapped[dict[str, Any]] = mapped_column(default=dict)
    secret: Mapped[Sealed | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[Name]
    outcome: Mapped[CommandOutcome] = mapped_column(Word(CommandOutcome), default=CommandOutcome.PENDING)
    message: Mapped[str] = mapped_column(Text, default="")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    finished_at: Mapped[datetime | None]

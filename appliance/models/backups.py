"""Backups that the schedule asked for, and what became of each."""

from datetime import datetime

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, BigNumber, Key, Name, now


class BackupRun(Base):
    """One backup that was due.

    Attributes:
        due_at: The moment that the schedule named. Who writes the row first makes the backup: there is one for each.
        node: The machine that makes it.
        started_at: Of the last attempt.
        finished_at: ``None`` while it is being made, or when that was cut short.
        attempts: How often that was tried.
        succeeded: It lies where it should, and was restored on trial.
        message: Why it did not succeed, in words.
        remedy: What to do about that.
        name: Of the file.
        folder: Where it lies.
    """

    __tablename__ = "backup_runs"

    id: Mapped[Key]
    due_at: Mapped[datetime] = mapped_column(unique=True)
    node: Mapped[Name]
    attempts: Mapped[int] = mapped_column(default=1)
    started_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
    succeeded: Mapped[bool] = mapped_column(default=False)
    message: Mapped[str] = mapped_column(Text, default="")
    remedy: Mapped[str] = mapped_column(Text, default="")
    name: Mapped[Name] = mapped_column(default="")
    folder: Mapped[str] = mapped_column(Text, default="")
    octets: Mapped[int] = mapped_column(BigNumber, default=0)

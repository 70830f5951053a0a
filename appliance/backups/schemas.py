"""Backups as they are made and shown."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.schema import Password, Schema


class Passphrase(Schema):
    """What a backup is encrypted under. Whoever loses it has no backup."""

    passphrase: Password


class BackupView(Schema):
    """A backup that lies in the data directory, or where the schedule puts them."""

    name: str
    folder: str
    scheduled: Annotated[bool, Field(description="It was made by itself, and goes when newer ones are enough.")]
    octets: int
    version: Annotated[str, Field(description="Of the software that made it.")]
    made_at: datetime


class BackupRunView(Schema):
    """A backup that was due by the schedule, and what became of it."""

    due_at: datetime
    node: Annotated[str, Field(description="The machine that made it.")]
    attempts: Annotated[int, Field(description="How often that was tried.")]
    started_at: Annotated[datetime, Field(description="Of the last attempt.")]
    finished_at: Annotated[datetime | None, Field(description="null: it is being made, or was cut short.")]
    succeeded: Annotated[bool, Field(description="It lies where it should, and was restored on trial.")]
    message: Annotated[str, Field(description="Why not.")]
    remedy: Annotated[str, Field(description="What to do about it.")]
    name: str
    folder: str
    octets: int


class ScheduleView(Schema):
    """How backups are made by themselves, and how that goes. The settings ``backup_...`` say how it shall be."""

    every_hours: Annotated[int | None, Field(description="null: none is made by itself.")]
    hour: int
    folder: str
    keep: int
    passphrase: Annotated[bool, Field(description="There is one.")]
    next_at: datetime | None
    tried_again_at: Annotated[
        datetime | None, Field(description="When the one that was due last and failed is; null: it need not be.")
    ]
    last: BackupRunView | None
    last_success: BackupRunView | None


class BackupContent(Schema):
    """What a backup holds, as found by restoring it into a place that was thrown away."""

    version: Annotated[str, Field(description="Of the software that made it.")]
    made_at: datetime
    rows: Annotated[dict[str, int], Field(description="How many there are in each table.")]


class Replacement(Passphrase):
    """Which backup is to take the installation's place at the next start."""

    name: str


class ReplacementView(Schema):
    """A backup that takes the installation's place at the next start."""

    name: str
    prepared_at: datetime
    prepared_by: str
    content: BackupContent

"""Backups as they are made and shown."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, SecretStr

from appliance.schema import Schema


class Passphrase(Schema):
    """What a backup is encrypted under. Whoever loses it has no backup."""

    passphrase: SecretStr


class BackupView(Schema):
    """A backup that lies in the data directory."""

    name: str
    octets: int
    version: Annotated[str, Field(description="Of the software that made it.")]
    made_at: datetime


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

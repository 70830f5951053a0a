"""Runtime settings that are not at their default; boot settings are in ``appliance/settings.py``."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, now


class Setting(Base):
    """One setting.

    Attributes:
        name: A field of ``runtime_settings.schemas.RuntimeSettings``.
        value: As JSON; what is no value of that field any more counts as not set.
    """

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

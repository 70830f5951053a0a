"""Throttles: who fails to log in, at whichever door, and until when it must wait."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, now


class Throttle(Base):
    """Failed attempts of one subject.

    Attributes:
        subject: Whose attempts are counted: a ``lockouts.rules.Subject`` in text.
        failures: How many are not forgiven yet; 0: it was lifted, or the right password came.
        failed_at: When the latest of them was.
        blocked_until: When the next attempt is judged.
        changed_at: Gateways follow what is newer than what they know.
    """

    __tablename__ = "throttles"

    subject: Mapped[str] = mapped_column(String(256), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    failed_at: Mapped[datetime] = mapped_column(default=now)
    blocked_until: Mapped[datetime | None]
    changed_at: Mapped[datetime] = mapped_column(default=now, index=True)

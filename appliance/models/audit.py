"""The audit log: every change with who, when, from where, before and after."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, Key, Line, Name, now


class AuditEntry(Base):
    """One change.

    Attributes:
        who: ``administrator alice``, ``token ci``, ``root on the command line``.
        source: Network address that the change came from; empty on the command line.
        deed: What was done: ``user.add``, ``session.disconnect``.
        target: Name of the thing that it was done to.
        before: The thing before, as the API would show it, so without secrets; ``None`` if it is new.
        after: The thing after; ``None`` if it is gone.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_target", "deed", "target"),)

    id: Mapped[Key]
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    who: Mapped[Name]
    source: Mapped[Name] = mapped_column(default="")
    deed: Mapped[Name]
    target: Mapped[Line] = mapped_column(default="")
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

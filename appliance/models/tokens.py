"""API tokens: opaque, hashed, scoped, expiring."""

import enum
from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, Key, Name, now


class Scope(enum.StrEnum):
    """What one may do; each includes those before it.

    ``read`` sees everything but secrets. ``write`` runs the place: users, sessions, pools, profiles.
    ``own`` also decides whom to trust: administrators, tokens, authorities, realms, settings, backups.
    """

    READ = "read"
    WRITE = "write"
    OWN = "own"

    def includes(self, other: "Scope") -> bool:
        """Whether who has this one may do what the other allows."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


class Token(Base):
    """An API token ``coati_<handle>_<secret>``.

    Attributes:
        handle: The public part: it may be shown and logged.
        secret_hash: SHA-256 of the secret part (256 random bits need no slow hash).
        scopes: Values of ``Scope``.
        used_at: Last use, to the minute.
        used_from: Network address that it came from.
    """

    __tablename__ = "tokens"

    id: Mapped[Key]
    handle: Mapped[str] = mapped_column(String(16), unique=True)
    name: Mapped[Name] = mapped_column(unique=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    scopes: Mapped[tuple[str, ...]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[Name]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    used_from: Mapped[Name] = mapped_column(default="")
    revoked_at: Mapped[datetime | None]

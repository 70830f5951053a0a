"""Realms: the configured sources of users, in the order in which they are asked."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, Key, Name, Word, now


class RealmKind(enum.StrEnum):
    """Who knows the users of a realm."""

    LOCAL = "local"
    PAM = "pam"
    RADIUS = "radius"


class Realm(Base):
    r"""One source of users.

    Attributes:
        name: In lower case; ``user@name`` and ``NAME\user`` choose it.
        position: The lowest is asked first.
        settings: What its kind needs to know, secrets not among it.
        changed_at: Also touched when something that belongs to the realm changes (a server, say): gateways
            make a realm anew when it moved.
    """

    __tablename__ = "realms"

    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    kind: Mapped[RealmKind] = mapped_column(Word(RealmKind))
    enabled: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int] = mapped_column(default=100)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

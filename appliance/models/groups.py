"""Groups of users, and the policy that holds for everybody."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, Key, Line, Name, now


class Group(Base):
    """A group of users: local ones are put in, other realms name it at a login.

    Attributes:
        policy: ``policy.attributes.AccessPolicy``: only what the group says.
    """

    __tablename__ = "groups"

    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    description: Mapped[Line] = mapped_column(default="")
    policy: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class BasePolicy(Base):
    """The weakest level of policy, in the one row ``id`` 1; no row says nothing.

    Attributes:
        policy: ``policy.attributes.AccessPolicy``: only what is said for everybody.
    """

    __tablename__ = "base_policies"

    id: Mapped[Key]
    policy: Mapped[dict[str, Any]] = mapped_column(default=dict)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

"""Local users: who may log in over Xauth with a password that we hold."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, Key, Line, Name, now


class User(Base):
    """A local user.

    Attributes:
        name: Login name in lower case; sessions, leases and accounting go by it.
        full_name: For people; may be empty.
        password_hash: argon2id in PHC string form.
        password_strength: ``passwords.strength`` of the password when it was set; ``None``: set before that was asked.
        must_change_password: The next login is only accepted along with a new password.
        expires_at: From this moment on the user is refused; ``None``: never.
        group_id: The group whose policy holds, unless the realm names another.
        policy: ``policy.attributes.AccessPolicy``: only what is said for this user.
    """

    __tablename__ = "users"

    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    full_name: Mapped[Line] = mapped_column(default="")
    password_hash: Mapped[Line]
    password_strength: Mapped[int | None]
    must_change_password: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    expires_at: Mapped[datetime | None]
    group_id: Mapped[int | None] = mapped_column(ForeignKey("groups.id", ondelete="RESTRICT"), index=True)
    policy: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    password_changed_at: Mapped[datetime] = mapped_column(default=now)
    last_login_at: Mapped[datetime | None]

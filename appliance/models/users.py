"""Local users: who may log in over Xauth with a password that we hold."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, Key, Line, Name, now


class User(Base):
    """A local user.

    Attributes:
        name: Login name in lower case; sessions, leases and accounting go by it.
        full_name: For people; may be empty.
        password_hash: argon2id in PHC string form.
    """

    __tablename__ = "users"

    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    full_name: Mapped[Line] = mapped_column(default="")
    password_hash: Mapped[Line]
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    password_changed_at: Mapped[datetime] = mapped_column(default=now)
    last_login_at: Mapped[datetime | None]

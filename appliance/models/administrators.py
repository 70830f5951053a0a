"""Administrators, and their sign-ins to the panel."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, Key, Line, Name, now


class Administrator(Base):
    """Who may sign in to the panel."""

    __tablename__ = "administrators"

    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    password_hash: Mapped[Line]
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    password_changed_at: Mapped[datetime] = mapped_column(default=now)
    last_sign_in_at: Mapped[datetime | None]


class SignIn(Base):
    """One browser that is signed in.

    Attributes:
        cookie_hash: SHA-256 of the cookie's 256 random bits.
        seen_at: Last use, to the minute; idle expiry counts from here.
        expires_at: Absolute expiry.
    """

    __tablename__ = "sign_ins"

    id: Mapped[Key]
    cookie_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    administrator_id: Mapped[int] = mapped_column(ForeignKey("administrators.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    address: Mapped[Name]
    user_agent: Mapped[Line] = mapped_column(default="")

"""Sign-ins of VPN users on the portal; those of administrators are another table, and another cookie."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, Key, Line, Name, now


class PortalSignIn(Base):
    """A user who is signed in, of whichever realm.

    Attributes:
        user_id: Of a local user; ``None``: another realm knows the user.
        realm: Which one judged the password.
        user: Canonical name there.
        login: What the user types into a VPN client.
        asked: What the realm wants to know before it decides: ``portal.outside``; ``None``: nothing (any more).
        cookie_hash: SHA-256 of the cookie.
        complete: The second factor was shown as well, or there is none; until then nothing else may be done.
        address: Network address that it was begun from.
    """

    __tablename__ = "portal_sign_ins"

    id: Mapped[Key]
    cookie_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    realm: Mapped[Name]
    user: Mapped[Name]
    login: Mapped[Name]
    asked: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    complete: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    address: Mapped[Name] = mapped_column(default="")
    user_agent: Mapped[Line] = mapped_column(default="")

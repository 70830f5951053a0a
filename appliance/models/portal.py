"""Sign-ins of VPN users on the portal; those of administrators are another table, and another cookie."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, Key, Line, Name, now


class PortalSignIn(Base):
    """A local user who is signed in.

    Attributes:
        cookie_hash: SHA-256 of the cookie.
        complete: The second factor was shown as well, or there is none; until then nothing else may be done.
        address: Network address that it was begun from.
    """

    __tablename__ = "portal_sign_ins"

    id: Mapped[Key]
    cookie_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    complete: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    address: Mapped[Name] = mapped_column(default="")
    user_agent: Mapped[Line] = mapped_column(default="")

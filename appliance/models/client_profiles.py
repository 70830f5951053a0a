"""Links that give a client profile out once."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, Key, Line, Name, now


class DownloadLink(Base):
    """A one-time link. What it gives is made when it is used, so that nothing secret lies here.

    Attributes:
        token_hash: SHA-256 of what stands in the link.
        user: Login name that the profile is for.
        profile: Name of the connection profile.
        format: Value of ``client_profiles.target.ClientFormat``.
        with_secrets: The group key and the user's private key go along.
        used_at: When it was used up; ``None``: it still can be.
        used_from: Network address that it was used from.
    """

    __tablename__ = "download_links"

    id: Mapped[Key]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user: Mapped[Name] = mapped_column("user_name", index=True)
    profile: Mapped[Name]
    format: Mapped[Name]
    with_secrets: Mapped[bool]
    created_by: Mapped[Line]
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_from: Mapped[Name] = mapped_column(default="")

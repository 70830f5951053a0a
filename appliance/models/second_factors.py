"""Second factors: what gives a user's one-time codes (TOTP, RFC 6238)."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from appliance.master_key import Sealed
from appliance.models.columns import Base, BigNumber, Key, Name, now


class SecondFactor(Base):
    """The second factor of one user, of whichever realm.

    Attributes:
        realm: Name of the realm that judges the password.
        user: Canonical name there.
        seed: What codes are made from, sealed for ``second_factors.seed``.
        next_seed: That of another telephone, in place of ``seed`` once a code of it was confirmed; ``None``: none.
        confirmed_at: When its first code proved that the user has it; ``None``: it does not count yet.
        last_step: Time step of the latest code that was taken: none up to it is taken again.
        recovery_codes: SHA-256 of those that are left; each counts once.
        used_at: When a code was taken last.
    """

    __tablename__ = "second_factors"
    __table_args__ = (UniqueConstraint("realm", "user"),)

    id: Mapped[Key]
    realm: Mapped[Name]
    user: Mapped[Name]
    seed: Mapped[Sealed]
    next_seed: Mapped[Sealed | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(BigNumber, default=0)
    recovery_codes: Mapped[tuple[str, ...]] = mapped_column(default=())
    used_at: Mapped[datetime | None]

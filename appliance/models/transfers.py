"""How much users with a quota transferred, a row a day."""

from datetime import date

from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, BigNumber, Name


class Transfer(Base):
    """What one user transferred on one day, over all gateways.

    Attributes:
        realm: Which knows the user: namesakes of other realms are other people.
        user: Canonical name, in lower case.
        day: In UTC.
        octets: Inner octets, both directions together.
    """

    __tablename__ = "transfers"

    realm: Mapped[Name] = mapped_column(primary_key=True)
    user: Mapped[Name] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True, index=True)
    octets: Mapped[int] = mapped_column(BigNumber, default=0)

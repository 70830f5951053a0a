"""Stored stays: what a gateway that is started again needs to go on with its clients."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from appliance.master_key import Sealed
from appliance.models.columns import Base, BigNumber, Name, now


class StoredStay(Base):
    """The keys and the state of one live session; gone when it ends.

    Attributes:
        node: The gateway that holds its SAs.
        peer_id: As in ``sessions``.
        content: ISAKMP SAs, Child SAs and what the realm said, sealed for ``stored_stays.content``.
        stored_at: When it was last written.
    """

    __tablename__ = "stored_stays"

    node: Mapped[Name] = mapped_column(primary_key=True)
    peer_id: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=False)
    content: Mapped[Sealed]
    stored_at: Mapped[datetime] = mapped_column(default=now)

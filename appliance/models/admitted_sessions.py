"""Who was admitted among no more than so many sessions: how gateways count them together."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, BigNumber, Name


class AdmittedSession(Base):
    """One session of a user whose sessions are counted, from before its client has an address until it is gone.

    Attributes:
        node: The gateway that holds it.
        peer_id: As in ``sessions``.
        realm: Which knows the user: namesakes of other realms are other people.
        user: Canonical name, in lower case.
        at: When it was admitted.
        leaving: Another one was admitted in its place; its gateway is told to end it.
    """

    __tablename__ = "admitted_sessions"

    node: Mapped[Name] = mapped_column(primary_key=True)
    peer_id: Mapped[int] = mapped_column(BigNumber, primary_key=True, autoincrement=False)
    realm: Mapped[Name]
    user: Mapped[Name] = mapped_column(index=True)
    at: Mapped[datetime]
    leaving: Mapped[bool] = mapped_column(default=False)

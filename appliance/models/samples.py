"""Samples: what each gateway carried and let in, minute by minute, for charts."""

from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import Base, BigNumber, Key, Name


class Sample(Base):
    """One minute of one gateway; a minute in which nothing happened has none.

    Attributes:
        minute: Minutes since 1970 began (UTC), a number so that every database can divide it.
        sessions: The most there were at once.
        octets_in: Inner octets from clients.
        octets_out: Inner octets to clients.
        logins: Sessions that began.
        refusals: Clients that were turned away.
    """

    __tablename__ = "samples"

    id: Mapped[Key]
    node: Mapped[Name]
    minute: Mapped[int] = mapped_column(BigNumber, index=True)
    sessions: Mapped[int]
    octets_in: Mapped[int] = mapped_column(BigNumber)
    octets_out: Mapped[int] = mapped_column(BigNumber)
    logins: Mapped[int]
    refusals: Mapped[int]

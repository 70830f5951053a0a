"""Address pools and leases.

Every address of a pool is a row from the beginning: taking one is an indexed update that needs no
lock on the pool (``gateway.admission.shared_pools``), and what was never used comes before what was
used long ago.
"""

from datetime import datetime
from ipaddress import IPv4Address, IPv4Network

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from appliance.models.columns import NEVER, Base, Key, Line, Name, now


class Pool(Base):
    """Where virtual IPs come from, and what Mode Config tells a client with one.

    Attributes:
        networks: The addresses to give; a network's own and its broadcast address are left out.
        reachable: Networks behind the gateway that clients of this pool may reach.
        split_include: Networks to send through the tunnel; empty: everything.
        split_exclude: Networks to keep outside although everything goes through.
        save_password: The client may keep the password.
        masquerade: Hide virtual IPs behind the gateway's address towards its networks, so that
            these need no route back.
    """

    __tablename__ = "pools"

    id: Mapped[Key]
    name: Mapped[Name] = mapped_column(unique=True)
    networks: Mapped[tuple[IPv4Network, ...]]
    dns: Mapped[tuple[IPv4Address, ...]] = mapped_column(default=())
    wins: Mapped[tuple[IPv4Address, ...]] = mapped_column(default=())
    domain: Mapped[Line] = mapped_column(default="")
    split_include: Mapped[tuple[IPv4Network, ...]] = mapped_column(default=())
    split_exclude: Mapped[tuple[IPv4Network, ...]] = mapped_column(default=())
    split_dns: Mapped[tuple[str, ...]] = mapped_column(default=())
    reachable: Mapped[tuple[IPv4Network, ...]] = mapped_column(default=(IPv4Network("0.0.0.0/0"),))
    banner: Mapped[str] = mapped_column(Text, default="")
    save_password: Mapped[bool] = mapped_column(default=False)
    masquerade: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class Lease(Base):
    """One address of a pool, free or taken.

    Attributes:
        free_since: When it became free (``NEVER`` when it never was taken); ``None`` while taken.
        user: Who has it, or had it last: a user gets the same address again while it is free.
        node: The gateway that gave it out, while taken.
        taken_at: When it was last taken.
        networks: What is behind the client that has it: these are its own for as long as the address is.
    """

    __tablename__ = "leases"
    __table_args__ = (
        Index("ix_leases_free", "pool_id", "free_since", "address"),
        Index("ix_leases_user", "user", "pool_id"),
    )

    id: Mapped[Key]
    pool_id: Mapped[int] = mapped_column(ForeignKey("pools.id", ondelete="CASCADE"))
    address: Mapped[IPv4Address] = mapped_column(unique=True)
    free_since: Mapped[datetime | None] = mapped_column(default=NEVER)
    user: Mapped[Name | None]
    node: Mapped[Name | None]
    taken_at: Mapped[datetime | None]
    networks: Mapped[tuple[IPv4Network, ...]] = mapped_column(default=())

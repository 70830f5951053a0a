"""What a gateway asks of a data plane and what the data plane reports back.

A gateway and its data plane live in different processes (the keeper for ``xfrm``, the esp process
for ``userspace``) and talk over one ordered channel: orders one way, reports the other. Order is
meaning: an inbound SA is ordered before the message that lets the peer use it is sent.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ike_engine.dataplane.databases import Databases, DatabasesPart

if TYPE_CHECKING:
    from collections.abc import Callable

    from ike_engine.child_sa import ChildSa
    from ike_engine.path import Path


class Installing(enum.Flag):
    """Which half of a Child SA to install."""

    INBOUND = enum.auto()
    OUTBOUND = enum.auto()
    BOTH = INBOUND | OUTBOUND


# ---- orders ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Install:
    """Install one or both halves of ``child``.

    Outbound traffic of a peer takes the outbound SA installed last. Both halves together, or
    INBOUND first and OUTBOUND later; the policies come with the first half.
    """

    child: ChildSa
    installing: Installing


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove both halves of the Child SAs named by their inbound SPIs; unknown ones are ignored.

    The policies of a peer go with its last Child SA.
    """

    inbound_spis: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class UpdatePath:
    """The peer is now to be reached on another path (NAT rebinding proved by an authenticated IKE message)."""

    inbound_spis: tuple[int, ...]
    path: Path


@dataclass(frozen=True, slots=True)
class QueryCounters:
    """Ask for a ``Counters`` report on these Child SAs; an empty tuple means all.

    Attributes:
        number: Comes back in the answer; the channel draws it.
    """

    inbound_spis: tuple[int, ...] = ()
    number: int = 0


@dataclass(frozen=True, slots=True)
class QueryDatabases:
    """Ask for a part of what the data plane holds: a ``DatabasesPart`` with the same number.

    Attributes:
        number: Drawn by who asks; another one makes the data plane take stock anew.
        part: Which part of it, from 0 on, one after the other.
    """

    number: int
    part: int


Order = Install | Remove | UpdatePath | QueryCounters | QueryDatabases


# ---- reports --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InstallFailed:
    """An ``Install`` could not be carried out; nothing of it is left installed."""

    inbound_spi: int
    reason: str


@dataclass(frozen=True, slots=True)
class Expired:
    """A lifetime limit passed. ``hard``: the SA is gone already; else rekey it now."""

    inbound_spi: int
    hard: bool


@dataclass(frozen=True, slots=True)
class PathObserved:
    """An authenticated ESP packet of this Child SA came from a new address or port."""

    inbound_spi: int
    path: Path


@dataclass(frozen=True, slots=True)
class ChildCounters:
    """Inner octets and packets of one Child SA since its installation, and what was dropped.

    ``idle_seconds`` is the time since the last inbound packet, ``None`` when none came yet.
    """

    inbound_spi: int
    octets_in: int
    octets_out: int
    packets_in: int
    packets_out: int
    integrity_failures: int
    replays: int
    idle_seconds: float | None


@dataclass(frozen=True, slots=True)
class Counters:
    """Answer to ``QueryCounters``.

    Attributes:
        number: The query's.
        last: No more of the answer comes. The channel carries a long one in parts; who reads it gets it whole.
    """

    children: tuple[ChildCounters, ...]
    number: int = 0
    last: bool = True


Report = InstallFailed | Expired | PathObserved | Counters
"""What every subscriber is told."""

Told = Report | DatabasesPart
"""All that a data plane tells; a part of its databases is for who asked."""


class DataPlane(Protocol):
    """One end of the ordered channel, as the gateway holds it."""

    def submit(self, order: Order) -> None:
        """Hand over an order; never blocks. Effects and failures come back as reports."""

    def subscribe(self, receive: Callable[[Report], None]) -> None:
        """Have ``receive`` called, in the event loop, for every report."""

    async def counters(self, inbound_spis: tuple[int, ...] = ()) -> tuple[ChildCounters, ...]:
        """Ask for counters and wait for them (empty tuple: of all Child SAs)."""

    async def databases(self) -> Databases:
        """Ask for the SAD and the SPD as they are, and wait for them."""

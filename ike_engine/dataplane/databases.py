"""What a data plane really holds: its SAD and its SPD (RFC 4301 sections 4.4.1 and 4.4.2), for people to read.

No key is in it: none of these types has a place for one. A data plane takes stock once and hands it over in
parts, each asked for when the one before has arrived: a large stock neither fills the channel nor is lost.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from ipaddress import IPv4Network

    from ike_engine.path import Address

ENTRIES_PER_PART: Final = 200
"""Of each database at the most: such a part fits one datagram of the channel."""


class Owner(enum.Enum):
    """Whose an entry is.

    Attributes:
        PEER: A peer's, which the data plane knows.
        NOBODY: Looks like ours, but the data plane knows no peer of it: left behind.
        OTHERS: Of another program on this host.
    """

    PEER = enum.auto()
    NOBODY = enum.auto()
    OTHERS = enum.auto()


class Direction(enum.Enum):
    """Which packets: to this host, from it, or through it. ``UNKNOWN``: an SA of others may be for any."""

    IN = enum.auto()
    OUT = enum.auto()
    FORWARD = enum.auto()
    UNKNOWN = enum.auto()


class Action(enum.Enum):
    """What the SPD says of packets (RFC 4301 section 4.4.1)."""

    PROTECT = enum.auto()
    DISCARD = enum.auto()
    BYPASS = enum.auto()


@dataclass(frozen=True, slots=True)
class SadEntry:
    """One SA; two of them make a Child SA.

    Attributes:
        owner, peer_id: Whose it is; ``peer_id`` is 0 unless it is a peer's.
        inbound_spi: Of the Child SA it belongs to; 0 when not known.
        source, destination: Outer addresses, with UDP ports when ``encapsulated``, else port 0.
        algorithms: By our names (``aes128gcm16``), else by the kernel's.
        reqid, interface_id: What ties it to policies and to an XFRM interface; 0 where there is no such thing.
        sequence: The last number sent, or the highest received.
        replay_window: Packets; 0 for what is sent.
        octets, packets: Carried since it was made, of the inner packets.
        age_seconds: Since it was made.
        idle_seconds: Since it last carried something; ``None`` when it never did, or nobody knows.
        lifetime_seconds, lifetime_octets: Hard limits; 0: none.
    """

    owner: Owner
    peer_id: int
    direction: Direction
    spi: int
    inbound_spi: int
    source: Address
    destination: Address
    encapsulated: bool
    algorithms: str
    reqid: int
    interface_id: int
    sequence: int
    replay_window: int
    octets: int
    packets: int
    integrity_failures: int
    replays: int
    age_seconds: float
    idle_seconds: float | None
    lifetime_seconds: int
    lifetime_octets: int


@dataclass(frozen=True, slots=True)
class SpdEntry:
    """One policy: what happens to packets between two networks.

    Attributes:
        owner, peer_id: Whose it is; ``peer_id`` is 0 unless it is a peer's.
        source, destination: Of the inner packets.
        priority: Less is stronger; 0 where there is no such thing.
        reqid, interface_id: What ties it to SAs and to an XFRM interface; 0 where there is no such thing.
        tunnel_source, tunnel_destination: Outer addresses; ``0.0.0.0``: any.
    """

    owner: Owner
    peer_id: int
    direction: Direction
    action: Action
    source: IPv4Network
    destination: IPv4Network
    priority: int
    reqid: int
    interface_id: int
    tunnel_source: str
    tunnel_destination: str


@dataclass(frozen=True, slots=True)
class Databases:
    """Both databases of one moment."""

    sad: tuple[SadEntry, ...] = ()
    spd: tuple[SpdEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class DatabasesPart:
    """A part of an answer to ``QueryDatabases``; ``last``: there are no more."""

    number: int
    last: bool
    held: Databases


class Held(Protocol):
    """What a data plane holds: ``Databases``, or what puts them together only as they are read."""

    @property
    def sad(self) -> Iterable[SadEntry]:
        """The SAs."""

    @property
    def spd(self) -> Iterable[SpdEntry]:
        """The policies."""


class Stock:
    """Takes stock when the first part is asked for, and hands out part after part of it.

    Args:
        take: Gives what the data plane holds at the moment; it is read on with each part.
        entries_a_part: Of each database.
    """

    def __init__(
        self,
        take: Callable[[], Held],
        entries_a_part: int = ENTRIES_PER_PART,
    ) -> None:
        self._take = take
        self._most = entries_a_part
        self._next: tuple[int, int] | None = None  # number and part
        self._sad: Iterator[SadEntry] = iter(())
        self._spd: Iterator[SpdEntry] = iter(())

    def part(self, number: int, part: int) -> DatabasesPart:
        """Give one part, counted from 0, of the stock with this number; another number begins another stock."""
        skipped = 0
        if self._next != (number, part):
            held = self._take()
            self._sad, self._spd = iter(held.sad), iter(held.spd)
            skipped = part * self._most
        end = skipped + self._most
        given = Databases(tuple(islice(self._sad, skipped, end)), tuple(islice(self._spd, skipped, end)))
        last = max(len(given.sad), len(given.spd)) < self._most
        if last:
            self._next, self._sad, self._spd = None, iter(()), iter(())
        else:
            self._next = number, part + 1
        return DatabasesPart(number, last, given)

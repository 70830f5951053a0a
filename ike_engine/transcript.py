"""What an endpoint and one peer said to each other, as it is told to the outside: no secret is in it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class What(enum.Enum):
    """What a line of a transcript tells of."""

    MESSAGE = "message"
    REPEATED = "repeated"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"
    PROBES = "probes"
    OMITTED = "omitted"


@dataclass(frozen=True, slots=True)
class Probe:
    """One question of dead peer detection and what came of it (RFC 3706).

    Attributes:
        at: When it was asked for the first time.
        tries: How often it was asked.
        answered_at: When its answer came; ``None``: none did.
    """

    at: float
    tries: int
    answered_at: float | None


class TranscriptLine(NamedTuple):
    """A message, or what became of one.

    Attributes:
        at: On the endpoint's clock; of ``PROBES`` the first.
        until: When it happened for the last time, if it did more than once.
        sent: By us; otherwise by the peer.
        exchange: As its RFC names it: ``main mode``, ``Xauth``; empty where nobody knows.
        number: Of the message within its exchange, from 1.
        protected: Encrypted and authenticated by the keys of the ISAKMP SA.
        payloads: Names of the payloads in their order, as the RFCs abbreviate them.
        octets: Of the message, as long as it was before it was cut into ``fragments``.
        fragments: How many datagrams it took; 1: it was not cut. Of a message received only that there were several.
        says: Notifications, what is deleted, offered, chosen or asked for, in words; or why it was dropped.
        times: How often; of ``OMITTED`` how many lines are not there any more.
        probes: Of ``PROBES``: ours, as far back as they are kept one by one.
    """

    at: float
    what: What = What.MESSAGE
    until: float | None = None
    sent: bool = False
    exchange: str = ""
    number: int = 0
    protected: bool = False
    payloads: tuple[str, ...] = ()
    octets: int = 0
    fragments: int = 1
    says: str = ""
    times: int = 1
    probes: tuple[Probe, ...] = ()


Transcript = Callable[[], tuple[TranscriptLine, ...]]
"""What a peer's transcript holds at the moment of the call; put into words only then."""


def nothing_said() -> tuple[TranscriptLine, ...]:
    """The transcript of a peer of whom none is kept."""
    return ()

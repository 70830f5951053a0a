"""What the firewall turned away; ``firewall`` counts it, and who is told need not load what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class Blocked:
    """Packets that were turned away since the last time that somebody asked.

    Attributes:
        by_source: Those to where their sender may not go; not of every sender when there are very many, which are told
            the next time.
        strays: Those that came by another way than the tunnel under an address of a client.
    """

    by_source: Mapping[IPv4Address, int]
    strays: int

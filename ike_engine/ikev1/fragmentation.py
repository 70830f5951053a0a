"""The vendor IKE fragmentation that every IKEv1 remote-access client of the last twenty years knows (payload 132).

A fragment is an ISAKMP header whose next payload is 132, then one payload with a slice of the
*finished* message, header and all. No RFC describes it; the layout is in ``payloads.Fragment``.
The outer header's exchange type, flags and message id differ from client to client and mean
nothing: look at next payload 132 before anything else, and never decrypt such a datagram.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ike_engine.errors import Malformed
from ike_engine.ikev1.numbers import PayloadType
from ike_engine.ikev1.payloads import Fragment
from ike_engine.wire.chain import encode_chain
from ike_engine.wire.header import HEADER_OCTETS, Header, encode_message

if TYPE_CHECKING:
    from ike_engine.path import Path
    from ike_engine.policy import Limits

Key = tuple[bytes, bytes, "Path", int]
"""Both cookies, the way and the identifier: what the fragments of one message have in common."""

OVERHEAD = 20 + 8 + 4 + HEADER_OCTETS + 8
"""IPv4, UDP, non-ESP marker, ISAKMP header, fragment header."""

LAST_NUMBER = 16
"""libreswan refuses fragment numbers above 16, so nobody may cut finer."""


def split(message: bytes, datagram_octets: int) -> list[bytes]:
    """Cut a finished message into fragments whose IP datagrams are at most ``datagram_octets`` long.

    A message that fits is returned as it is.
    """
    if len(message) + 20 + 8 + 4 <= datagram_octets:
        return [message]
    size = max(datagram_octets - OVERHEAD, -(-len(message) // LAST_NUMBER))
    header = Header.parse(message)
    outer = Header(
        initiator_spi=header.initiator_spi,
        responder_spi=header.responder_spi,
        next_payload=PayloadType.FRAGMENT,
        exchange_type=header.exchange_type,
        flags=0,
        message_id=header.message_id,
    )
    slices = [message[start : start + size] for start in range(0, len(message), size)]
    return [
        encode_message(
            outer,
            encode_chain([Fragment(identifier=1, fragment_number=number, flags=int(number == len(slices)), data=data)])[
                1
            ],
        )
        for number, data in enumerate(slices, 1)
    ]


@dataclass(slots=True)
class Reassembly:
    """Fragments of one message of one sender.

    Duplicates are dropped silently and the old one is kept. A second, different "last" fragment and a
    number beyond the last are refused.
    """

    started: float
    pieces: dict[int, bytes] = field(default_factory=dict)
    last: int = 0

    @property
    def octets(self) -> int:
        """How much is held."""
        return sum(map(len, self.pieces.values()))

    def add(self, fragment: Fragment, limit_octets: int) -> bytes | None:
        """Add a fragment; gives the whole message once nothing is missing.

        Raises:
            Malformed: the fragment contradicts earlier ones, or the whole would be too long.
        """
        if self.last and fragment.fragment_number > self.last:
            raise Malformed(f"fragment {fragment.fragment_number} after the last, {self.last}")
        if fragment.is_last:
            if (self.last and fragment.fragment_number != self.last) or any(
                n > fragment.fragment_number for n in self.pieces
            ):
                raise Malformed(
                    f"a second last fragment, {fragment.fragment_number} after {self.last or max(self.pieces)}"
                )
            self.last = fragment.fragment_number
        if fragment.fragment_number not in self.pieces:
            if self.octets + len(fragment.data) > limit_octets:
                raise Malformed(f"fragments of more than {limit_octets} octets")
            self.pieces[fragment.fragment_number] = fragment.data
        if not self.last or len(self.pieces) < self.last:
            return None
        return b"".join(self.pieces[number] for number in range(1, self.last + 1))


class Reassemblies:
    """All messages in reassembly. Fragments may come before there is any state for their cookies.

    What is held is bounded in octets, seconds and number, in all and per source; half of the room is for
    peers that have an SA.
    """

    def __init__(self) -> None:
        self._reassemblies: dict[Key, tuple[str, Reassembly]] = {}  # the oldest first
        self._sources: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._reassemblies)

    def add(
        self, key: Key, source: str, fragment: Fragment, now: float, limits: Limits, *, known: bool
    ) -> bytes | None:
        """Add a fragment to its message; gives the whole message once nothing is missing.

        Args:
            source: Address that it came from.
            known: There is an SA of these cookies with that address.

        Raises:
            Malformed: the fragment contradicts earlier ones, or there is no room.
        """
        self._forget_before(now - limits.reassembly_seconds)
        entry = self._reassemblies.get(key)
        if entry is None:
            room = limits.reassemblies if known else limits.reassemblies // 2
            if len(self) >= room or self._sources[source] >= limits.reassemblies_per_source:
                raise Malformed("too many messages in reassembly")
            self._sources[source] += 1
            entry = self._reassemblies[key] = (source, Reassembly(now))
        whole = entry[1].add(fragment, limits.reassembly_octets)
        if whole is not None:
            self._forget(key)
        return whole

    def _forget_before(self, moment: float) -> None:
        while self._reassemblies:
            key, (_, oldest) = next(iter(self._reassemblies.items()))
            if oldest.started >= moment:
                return
            self._forget(key)

    def _forget(self, key: Key) -> None:
        source, _ = self._reassemblies.pop(key)
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]

"""The ISAKMP SA: the result of phase 1 (RFC 2408 section 2.4), plain data.

Exchanges read and write it; what happens when is in the role that owns it (``gateway``,
``client``).
"""

from __future__ import annotations

import bisect
import functools
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ike_engine.ikev1.nat_traversal import NatSituation, NatTraversal
from ike_engine.policy import Authentication, IkeProposal, Phase1Mode, Profile
from ike_engine.wire import vendor_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from ike_engine.exchange import Exchange
    from ike_engine.identities import Identification
    from ike_engine.ikev1.keys import IsakmpKeys
    from ike_engine.ikev1.transcript import Transcript
    from ike_engine.path import Path
    from ike_engine.peer import Peer
    from ike_engine.timers import Timer

MOST_MESSAGE_IDS = 1 << 20
"""More phase 2 exchanges than an honest peer begins in the lifetime of an ISAKMP SA (DPD for half a year)."""


class MessageIds:
    """Message ids of phase 2 that were used, 4 octets each: one forgotten could be replayed as if it were new."""

    __slots__ = ("_in_order",)

    def __init__(self) -> None:
        self._in_order = array("I")

    def __len__(self) -> int:
        return len(self._in_order)

    def __contains__(self, message_id: int) -> bool:
        at = bisect.bisect_left(self._in_order, message_id)
        return at < len(self._in_order) and self._in_order[at] == message_id

    def add(self, message_id: int) -> None:
        """Remember one."""
        bisect.insort_left(self._in_order, message_id)


@functools.lru_cache(maxsize=512)
def _announced(received: tuple[bytes, ...], known: bytes) -> bool:
    """Remembered: clients of one kind send the same vendor IDs, and it is asked a dozen times a login."""
    return any(vendor_ids.matches(value, known) for value in received)


@dataclass(slots=True, eq=False)
class IsakmpSa:
    """One ISAKMP SA, from its first message on.

    Attributes:
        number: Our handle, unique while the process lives.
        initiator: We sent message 1.
        cky_i: The initiator's cookie.
        cky_r: The responder's cookie; zeros until it is known.
        path: Where the last message that we believed came from; answers go there.
        first_path: Where message 1 travelled; NAT-D of aggressive mode covers it.
        nat_t_path: Initiator only: where to float to when a NAT is found.
        keys: Present once the Diffie-Hellman exchange is done.
        iv: Last cipher block of phase 1 so far; the base of all later IVs once phase 1 is done.
        established: Phase 1 is done.
        authorized: Xauth is done (or was carried over): Mode Config and quick mode are open.
        exchanges: Running and lingering phase 2 exchanges by message id.
        used_message_ids: Of phase 2, so that a replay is recognized.
        transcript: What was said under it; a later ISAKMP SA of the same peer goes on with it.
        dpd_guessing: An earlier process counted the probes: which number is next is not known for sure.
        complaint: What an unauthenticated notify of the peer said: believed by nobody, told to the administrator.
        parked: Datagrams that overtook the message they depend on.
    """

    number: int
    initiator: bool
    cky_i: bytes
    cky_r: bytes
    path: Path
    first_path: Path
    created: float
    transcript: Transcript
    mode: Phase1Mode | None = None
    profile: Profile | None = None
    proposal: IkeProposal | None = None
    authentication: Authentication | None = None
    lifetime_seconds: int = 0
    keys: IsakmpKeys | None = None
    iv: bytes = b""
    nat_t_path: Path | None = None
    nat_traversal: NatTraversal | None = None
    nat: NatSituation = field(default_factory=NatSituation)
    vendor_ids: tuple[bytes, ...] = ()
    identity: Identification | None = None
    certificate: bytes | None = None
    issuers: tuple[bytes, ...] = ()
    initial_contact: bool = False
    vpnc: bool = False
    established: bool = False
    authorized: bool = False
    closing: bool = False
    peer: Peer | None = None
    phase_1: Exchange | None = None
    exchanges: dict[int, Exchange] = field(default_factory=dict)
    used_message_ids: MessageIds = field(default_factory=MessageIds)
    parked: list[tuple[bytes, Path]] = field(default_factory=list)
    timers: dict[str, Timer] = field(default_factory=dict)
    dpd_sequence: int = 0
    dpd_received: int = -1
    dpd_sent_at: float = 0.0
    dpd_unanswered: int = 0
    dpd_guessing: bool = False
    dpd_challenge: Callable[[], None] | None = None
    xauth_username: str = ""
    complaint: str = ""
    refused: bool = False

    @property
    def agreed(self) -> IkeProposal:
        """The suite; only after message 2."""
        if self.proposal is None:
            raise RuntimeError("no suite is agreed yet")
        return self.proposal

    @property
    def secrets(self) -> IsakmpKeys:
        """The keys; only after the Diffie-Hellman exchange."""
        if self.keys is None:
            raise RuntimeError("no keys are agreed yet")
        return self.keys

    @property
    def served_by(self) -> Profile:
        """The profile; only after message 2."""
        if self.profile is None:
            raise RuntimeError("no profile is chosen yet")
        return self.profile

    def announced(self, known: bytes) -> bool:
        """Whether the peer sent this vendor ID (by the matching rules of ``vendor_ids``)."""
        return _announced(self.vendor_ids, known)

    @property
    def peer_reassembles(self) -> bool:
        """Whether the peer announced vendor IKE fragmentation."""
        return self.announced(vendor_ids.FRAGMENTATION)

    @property
    def takes_one_certificate_only(self) -> bool:
        """Whether a certificate chain would break the peer.

        # quirk: vpnc 0.5.3: verifies SIG with the last certificate that it gets, so it needs the leaf alone. Before
        # message 3 it is told from other Cisco-like clients by the fragmentation vendor ID, which it does not send.
        """
        return (
            self.mode is Phase1Mode.AGGRESSIVE
            and self.announced(vendor_ids.CISCO_UNITY)
            and not self.announced(vendor_ids.FRAGMENTATION)
        )

    @property
    def encapsulated(self) -> bool:
        """Whether ESP travels in UDP: a NAT was found."""
        return self.nat.found and self.nat_traversal is not None

    def takes_message_id(self, message_id: int) -> bool:
        """Whether the peer may begin an exchange under it: it is new, and there were not too many.

        # quirk: vpnc 0.5.3: message ids below 256 for its DELETEs: any number will do.
        """
        return message_id not in self.used_message_ids and len(self.used_message_ids) < MOST_MESSAGE_IDS

    def claim_message_id(self, message_id: int) -> bool:
        """Remember a phase 2 message id; ``False`` when it was used before."""
        if message_id in self.used_message_ids:
            return False
        self.used_message_ids.add(message_id)
        return True

    def stop_timers(self) -> None:
        """Forget every moment of this SA."""
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()

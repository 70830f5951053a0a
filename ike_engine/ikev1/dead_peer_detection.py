"""Dead peer detection (RFC 3706).

       A                                  B
    HDR*, HASH, N(R-U-THERE, seq)     -->
                                      <--  HDR*, HASH, N(R-U-THERE-ACK, seq)

We probe a peer that was silent for the interval (no authenticated IKE message, no ESP packet) and
declare it dead when nothing came for the timeout after the first probe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ike_engine.events import Liveness
from ike_engine.ikev1 import informational
from ike_engine.ikev1.messages import Informational
from ike_engine.ikev1.numbers import NotifyType
from ike_engine.wire import vendor_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from ike_engine.exchange import Host
    from ike_engine.ikev1.isakmp_sa import IsakmpSa
    from ike_engine.ikev1.payloads import Notification
    from ike_engine.peer import Peer, Peers

PROBES = 5
"""Probes within the timeout, evenly spread."""

CHALLENGE_SECONDS = 4.0
CHALLENGE_AGAIN_SECONDS = 1.0
"""A client that is making a new phase 1 is awake: it answers at once or not at all."""


class DeadPeerDetection:
    """Probes the peers of one endpoint, each on its newest ISAKMP SA."""

    def __init__(self, host: Host, peers: Peers, entropy: Callable[[int], bytes], dead: Callable[[Peer], None]) -> None:
        self._host, self._peers, self._entropy, self._dead = host, peers, entropy, dead

    def watch(self, sa: IsakmpSa) -> None:
        """Begin, if the profile wants it and the peer can."""
        interval = sa.served_by.dpd_interval_seconds
        if interval > 0 and sa.announced(vendor_ids.DPD):
            sa.dpd_sequence = int.from_bytes(self._entropy(4), "big") >> 1
            self._wait(sa, self._host.now + interval)

    def resume(self, sa: IsakmpSa, sequence: int, received: int) -> None:
        """Go on under an SA that an earlier process made.

        # quirk: strongSwan 5.9.8 answers the sequence number that follows the last one and no other. The last that
        was written down need not be the last that was sent, so each probe counts on until one is answered.
        """
        interval = sa.served_by.dpd_interval_seconds
        if interval > 0 and sa.announced(vendor_ids.DPD):
            sa.dpd_sequence, sa.dpd_received, sa.dpd_guessing = sequence, received, True
            self._wait(sa, self._host.now + interval)

    def _wait(self, sa: IsakmpSa, until: float) -> None:
        sa.timers["dpd"] = self._host.schedule(until, lambda: self._look(sa))

    def _look(self, sa: IsakmpSa) -> None:
        peer = sa.peer
        if peer is None or peer.gone or sa.closing:
            return
        profile = sa.served_by
        if peer.ike_sas[-1] is not sa:  # a newer one is probed; should it fail, this one is the newest again
            self._wait(sa, self._host.now + profile.dpd_interval_seconds)
            return
        quiet_until = peer.last_heard + profile.dpd_interval_seconds
        if sa.dpd_unanswered and peer.last_heard > sa.dpd_sent_at:
            self._alive(sa, peer)
        if not sa.dpd_unanswered and quiet_until > self._host.now:
            self._wait(sa, quiet_until)
        elif sa.dpd_unanswered >= PROBES:
            self._peers.liveness(peer, Liveness.DEAD, PROBES, PROBES)
            self._dead(peer)
        else:
            self._probe(sa, peer)
            self._wait(sa, self._host.now + profile.dpd_timeout_seconds / PROBES)

    def _probe(self, sa: IsakmpSa, peer: Peer) -> None:
        if not sa.dpd_unanswered or sa.dpd_guessing:
            sa.dpd_sequence += 1
        sa.dpd_unanswered += 1
        sa.dpd_sent_at = self._host.now
        self._say(sa, NotifyType.R_U_THERE, sa.dpd_sequence)
        if sa.dpd_unanswered > 1:  # one probe under way is no news
            self._peers.liveness(peer, Liveness.PROBING, sa.dpd_unanswered, PROBES)

    def hasten(self, sa: IsakmpSa) -> None:
        """Probe now: there is a reason to doubt (the same user came again from the same address)."""
        if "dpd" in sa.timers and sa.peer is not None and not sa.dpd_unanswered:
            sa.timers.pop("dpd").cancel()
            self._probe(sa, sa.peer)
            self._wait(sa, self._host.now + sa.served_by.dpd_timeout_seconds / PROBES)

    def challenge(self, sa: IsakmpSa, *, passed: Callable[[], None], failed: Callable[[], None]) -> None:
        """Find out whether somebody at the end of the path holds the keys of ``sa`` now; one of the two is called.

        A probe under these keys is repeated for ``CHALLENGE_SECONDS``. Who does not do DPD fails at once.
        """
        if sa.dpd_challenge is not None or not sa.announced(vendor_ids.DPD):
            failed()
            return
        sa.dpd_sequence += 1
        sa.dpd_challenge = passed
        give_up_at = self._host.now + CHALLENGE_SECONDS

        def again() -> None:  # no timer of the SA: it may go meanwhile, and then the answer is due all the same
            if sa.dpd_challenge is not passed:
                return
            if sa.closing or self._host.now >= give_up_at:
                sa.dpd_challenge = None
                failed()
                return
            self._say(sa, NotifyType.R_U_THERE, sa.dpd_sequence)
            self._host.schedule(self._host.now + CHALLENGE_AGAIN_SECONDS, again)

        again()

    def _say(self, sa: IsakmpSa, kind: NotifyType, sequence: int) -> None:
        notification = informational.notify(kind, sa, sequence.to_bytes(4, "big"))
        informational.send(self._host, sa, self._entropy, Informational(everywhere=(notification,)))

    def received(self, sa: IsakmpSa, notification: Notification) -> None:
        """An authentic R-U-THERE or ACK came.

        # quirk: vpnc 0.5.3 repeats a sequence number three times before it counts on; an equal one is answered.
        """
        if len(notification.data) != 4:
            return
        sequence = int.from_bytes(notification.data, "big")
        if notification.type == NotifyType.R_U_THERE:
            if sequence >= sa.dpd_received:
                sa.dpd_received = sequence
                self._say(sa, NotifyType.R_U_THERE_ACK, sequence)
            return
        if sa.dpd_guessing and sa.dpd_sequence - PROBES < sequence <= sa.dpd_sequence:
            sa.dpd_sequence, sa.dpd_guessing = sequence, False
        if sequence == sa.dpd_sequence and sa.dpd_challenge is not None:
            passed, sa.dpd_challenge = sa.dpd_challenge, None
            passed()
        if sa.dpd_unanswered and sequence == sa.dpd_sequence and sa.peer is not None:
            if sa.dpd_unanswered == 1:  # of a repeated probe nobody knows which was answered
                sa.peer.round_trip_seconds = self._host.now - sa.dpd_sent_at
            self._alive(sa, sa.peer)

    def _alive(self, sa: IsakmpSa, peer: Peer) -> None:
        sa.dpd_unanswered = 0
        self._peers.liveness(peer, Liveness.ALIVE, 0, PROBES)

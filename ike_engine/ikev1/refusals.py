"""Who is turned away, in words for the administrator, and not more often than somebody can read.

A client that cannot believe us mostly falls silent. What it said unprotected, or what of it could not be read, tells
why; it proves nothing, so it ends no exchange, but it need not wait for the exchange's deadline to be on record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ike_engine.errors import AuthenticationFailed, IkeError, TimedOut
from ike_engine.events import PeerRefused, Stage
from ike_engine.ikev1.proposals import NothingInCommon
from ike_engine.policy import Authentication, Phase1Mode
from ike_engine.wire import vendor_ids

if TYPE_CHECKING:
    from ike_engine.exchange import Host
    from ike_engine.ikev1.isakmp_sa import IsakmpSa

DOUBT_SECONDS = 2.0
"""How long a client that was not understood may take to say it better before it is on record."""

STRANGERS_AT_ONCE = 50
STRANGERS_A_SECOND = 5.0
"""How many are told of, and answered, who sent one datagram and may not be where it says that it came from."""


class Refusals:
    """Tells of the clients that one gateway turns away."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._room = float(STRANGERS_AT_ONCE)
        self._counted_at = host.now

    def tell(self, sa: IsakmpSa, stage: Stage, error: IkeError, claim: Any = None) -> None:  # noqa: ANN401  opaque
        """Report it; ``claim`` is the verdict's that refused."""
        sa.refused = True
        offered: tuple[str, ...] = ()
        accepted: tuple[str, ...] = ()
        if isinstance(error, NothingInCommon):
            offered, accepted = error.offered, error.accepted
        self._host.emit(
            PeerRefused(
                path=sa.path,
                stage=stage,
                reason=str(error),
                profile=sa.profile.name if sa.profile else "",
                identity=str(sa.identity or ""),
                username=sa.peer.user if sa.peer else sa.xauth_username,
                offered=offered,
                accepted=accepted,
                remedy=error.remedy,
                vendor_ids=tuple(dict.fromkeys(map(vendor_ids.names, sa.vendor_ids))),
                claim=sa.peer.claim if sa.peer else claim,
                isakmp_sa=sa.number,
                transcript=sa.transcript.lines,
            )
        )

    def room_for_a_stranger(self) -> bool:
        """Whether one more who showed nothing but a first datagram is told of; counts it."""
        earned = (self._host.now - self._counted_at) * STRANGERS_A_SECOND
        self._counted_at = self._host.now
        self._room = min(self._room + earned, STRANGERS_AT_ONCE)
        if self._room < 1.0:
            return False
        self._room -= 1.0
        return True

    def doubt(self, sa: IsakmpSa) -> None:
        """Something that was to be message 3 or 5 was not believed, or the client complained in clear."""
        if sa.keys is not None and not sa.established and not sa.refused and "doubt" not in sa.timers:
            sa.timers["doubt"] = self._host.schedule(self._host.now + DOUBT_SECONDS, lambda: self._still_in_doubt(sa))

    def _still_in_doubt(self, sa: IsakmpSa) -> None:
        if not sa.established and not sa.refused:
            self.tell(sa, Stage.PHASE_1, self.why_silent(sa, TimedOut("phase 1 is not done")))

    @staticmethod
    def why_silent(sa: IsakmpSa, error: TimedOut) -> IkeError:
        """What a client that does not go on with phase 1 probably thought, by how far it came."""
        exchange = sa.phase_1
        if sa.complaint:
            return AuthenticationFailed(
                f"the client gave up with {sa.complaint}",
                remedy=f"Make the pre-shared key of profile {sa.served_by.name} and of the client the same."
                if sa.authentication is Authentication.XAUTH_PSK
                else "Check CA certificate and gateway name on the client.",
            )
        if sa.keys is None:
            return TimedOut("")  # it looked at our first answer and went away: a probe, not a login
        if exchange is not None and exchange.last_drop is not None:
            if sa.authentication is Authentication.XAUTH_PSK:
                return AuthenticationFailed(
                    f"the client's next message cannot be read ({exchange.last_drop}): the group keys differ",
                    remedy=f"Make the pre-shared key of profile {sa.served_by.name} and of the client the same.",
                )
            return AuthenticationFailed(f"the client's next message was not believed: {exchange.last_drop}")
        if sa.mode is Phase1Mode.AGGRESSIVE:
            return TimedOut(
                "the client did not answer message 2: it does not accept our certificate or key, or it got lost",
                remedy="Check the CA certificate, gateway name and group key on the client, and whether its network "
                "drops large datagrams.",
            )
        return error

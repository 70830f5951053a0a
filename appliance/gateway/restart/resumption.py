"""Goes on with the sessions of an earlier process of this gateway, as if nothing had happened.

    data plane -> Child SAs that are carried still
    database   -> stored stays (keys), sessions
    both       -> engine, leases, terms, accounting

A session that cannot go on (its profile is gone, its address is no pool's any more) ends as others do, with a reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from ike_engine.events import Goodbye, PeerGone
from ike_engine.ikev1.storage import CannotResume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from appliance.gateway.admission.terms import Admission
    from appliance.gateway.record.stay import Stay
    from appliance.gateway.restart.stored_stays import Found
    from ike_engine.actions import PeerDescription
    from ike_engine.endpoint import Endpoint
    from ike_engine.events import Event

logger = structlog.get_logger(__name__)


async def go_on(
    found: Sequence[Found],
    *,
    admission: Admission,
    engine: Endpoint,
    resumed: Callable[[Stay, PeerDescription], None],
    on_event: Callable[[Event], None],
    at: datetime,
    now: float,
) -> set[int]:
    """Go on with these sessions.

    Args:
        found: From ``StoredStays.find``.
        admission: Gives each its address again, on the terms of today.
        engine: Takes their SAs.
        resumed: Is told of each that goes on.
        on_event: Is told of the end of those that cannot.
        at, now: The time, as a date and on the engine's clock.

    Returns:
        The inbound SPIs that belong to somebody again.
    """
    carried: set[int] = set()
    for each in found:
        stay, peer = each.stay, each.peer
        try:
            engine.resume(peer, stay.claim, await admission.resume(stay, at), now)
        except CannotResume as obstacle:
            logger.warning("a session cannot go on", user=stay.user, why=str(obstacle))
            reason = f"the gateway was started again: {obstacle}"
            on_event(PeerGone(peer_id=stay.peer_id, user=stay.user, goodbye=Goodbye.FAILED, reason=reason))
        else:
            carried |= peer.inbound_spis
            resumed(stay, peer.description)
    if carried:
        logger.info("sessions go on that an earlier process of this gateway left behind", child_sas=len(carried))
    return carried

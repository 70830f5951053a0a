"""Ends sessions when their limits say so: how long, how long idle, until which hour, how much.

The terms were fixed at the login (``admission``); here is only looked, every few seconds, at the sessions
that have any. An idle session is one whose data plane has counted nothing from the client.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from appliance.gateway.record.observers import Bystander
from appliance.wording import octets
from ike_engine.events import Goodbye

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from appliance.gateway.admission.transfers import Transfers
    from appliance.gateway.record.stay import Stay, Whose


class Limits(Bystander):
    """Watches over live sessions (``observers.SessionObserver``).

    Args:
        transfers: Knows what was transferred.
        disconnect: Ends the session of a peer, with a reason for the record.
    """

    def __init__(self, transfers: Transfers, disconnect: Callable[[int, str, Goodbye], None]) -> None:
        self._transfers = transfers
        self._disconnect = disconnect
        self._limited: dict[int, Stay] = {}

    def look(self, now: datetime) -> None:
        """End what is over."""
        for peer_id, stay in list(self._limited.items()):
            if (over := self._over(stay, now)) is not None:
                goodbye, reason = over
                del self._limited[peer_id]
                self._disconnect(peer_id, reason, goodbye)

    def with_quotas(self) -> frozenset[Whose]:
        """Give the users with a live session that has a quota."""
        return frozenset(
            stay.whose
            for stay in self._limited.values()
            if stay.terms is not None and stay.terms.effective.policy.quota_octets
        )

    def _over(self, stay: Stay, now: datetime) -> tuple[Goodbye, str] | None:
        terms = stay.terms
        if terms is None:
            return None
        if terms.end is not None and now >= terms.end.at:
            return terms.end.goodbye, terms.end.reason
        policy = terms.effective.policy
        if policy.idle_limit_seconds and now - stay.heard_traffic_at >= timedelta(seconds=policy.idle_limit_seconds):
            return Goodbye.IDLE_LIMIT, f"nothing came from the client for {policy.idle_limit_seconds} s"
        if (used := self._transfers.used_up(stay.whose, policy, now)) is not None:
            allowed = octets(policy.quota_octets or 0)
            return Goodbye.QUOTA, f"{octets(used)} of {allowed} are used up this {policy.quota_period}"
        return None

    # ---- SessionObserver ----

    def began(self, stay: Stay) -> None:
        """Watch it if it has limits."""
        if stay.terms is None:
            return
        policy = stay.terms.effective.policy
        if stay.terms.end is not None or policy.idle_limit_seconds or policy.quota_octets:
            self._limited[stay.peer_id] = stay

    def resumed(self, stay: Stay) -> None:
        """Its limits go on."""
        self.began(stay)

    def ended(self, stay: Stay) -> None:
        """Watch it no more."""
        self._limited.pop(stay.peer_id, None)

"""A session as a gateway would have written it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from appliance import models
from appliance.installation import Actor
from appliance.models.columns import now

if TYPE_CHECKING:
    import httpx2


async def a_session(browser: httpx2.AsyncClient, user: str = "alice") -> int:
    async with browser.installation.transaction(Actor("a test")) as work:
        live = models.Session(
            node="here",
            peer_id=1,
            user=user,
            profile="default",
            authentication="hybrid-rsa",
            mode="main",
            peer_address="198.51.100.7",
            peer_port=4500,
            virtual_ip="10.99.0.1",
            client_software="strongSwan <5.9>",
            liveness="probing",
            dpd_probe=2,
            dpd_probes=5,
            last_heard_at=now() - timedelta(minutes=2, seconds=5),
        )
        work.session.add(live)
        await work.session.flush()
        return live.id

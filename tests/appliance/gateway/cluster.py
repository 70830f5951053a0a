"""Two gateways of one PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from appliance import models
from appliance.installation import Actor
from appliance.models.columns import now
from appliance.policy.attributes import AccessPolicy, WhenTooMany
from appliance.users import service as users
from appliance.users.schemas import UserChange
from ike_engine.events import PeerConnected, PeerRefused
from tests.appliance.gateway.recording import eventually

if TYPE_CHECKING:
    from appliance.installation import Installation
    from tests.appliance.gateway.loopback import Client, Served

HERE = Actor("administrator bob")
PASSWORD = "correct donkey battery"


def node(name: str) -> models.Node:
    return models.Node(
        name=name,
        version="1",
        started_at=now(),
        heartbeat_at=now(),
        serving=True,
        data_plane="none",
        data_plane_reason="",
        ike_address="127.0.0.1",
        ike_port=500,
        natt_port=4500,
        problems=[],
        counters={},
    )


@dataclass
class Cluster:
    """Two gateways, a place for clients at each, and what the database says."""

    installation: Installation
    gateways: tuple[Served, Served]
    clients: tuple[Client, Client]

    async def limit(self, most: int, when_too_many: WhenTooMany = WhenTooMany.REFUSE, **more: Any) -> None:
        said = AccessPolicy(simultaneous_sessions=most, when_too_many=when_too_many, **more)
        async with self.installation.transaction(HERE) as work:
            await users.change(work, "alice", UserChange(policy=said))

    async def sessions(self) -> list[models.Session]:
        async with self.installation.snapshot() as work:
            return list(await work.session.scalars(select(models.Session).order_by(models.Session.started_at)))

    async def live(self) -> list[models.Session]:
        return [session for session in await self.sessions() if session.ended_at is None]

    async def comes_to(self, live: int) -> None:
        async def there() -> bool:
            return len(await self.live()) == live

        await eventually(there)

    async def nobody_is_counted(self) -> None:
        async def there() -> bool:
            async with self.installation.snapshot() as work:
                return not (await work.session.scalars(select(models.AdmittedSession))).all()

        await eventually(there)

    async def refusals(self) -> list[str]:
        async with self.installation.snapshot() as work:
            return [refusal.reason for refusal in await work.session.scalars(select(models.Refusal))]


async def outcome(client: Client) -> PeerConnected | PeerRefused:
    """Log in, and wait for what comes of it."""
    client.connect("alice", PASSWORD)
    async with asyncio.timeout(60):
        while True:
            for event in client.events:
                if isinstance(event, PeerConnected | PeerRefused):
                    return event
            await asyncio.sleep(0.02)

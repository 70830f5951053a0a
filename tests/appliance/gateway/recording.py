"""What a gateway writes down, put together as in production, and the engine's events to feed it with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from appliance import models
from appliance.auth.verdicts import Claim
from appliance.gateway.record.rows import read_leases
from ike_engine.events import (
    ChildSaEstablished,
    ChildSaRemoved,
    Event,
    Goodbye,
    IsakmpSaEstablished,
    PeerConnected,
    PeerGone,
    PeerRefused,
    Stage,
)
from ike_engine.path import Address, Path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from appliance.database import Database
    from appliance.gateway.admission.leases import LeaseRow, Leases
    from appliance.gateway.record.database_thread import DatabaseThread
    from appliance.gateway.record.group_commit import GroupCommit
    from appliance.gateway.record.projector import Projector, Status

NODE = "gw1"
PATH = Path(Address("192.0.2.1", 4500), Address("198.51.100.7", 61001), nat_t=True)


class Time:
    """A clock that only the test moves: aware time and monotonic seconds."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, tzinfo=UTC)
        self.seconds = 1000.0

    def wall(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass
class Recorder:
    """What writes down: leases, projector and group commit on a real database."""

    database: Database
    leases: Leases
    projector: Projector
    group_commit: GroupCommit
    writer: DatabaseThread
    noted: asyncio.Event
    time: Time
    queried: list[tuple[int, ...]]
    status: list[Status]

    def tell(self, *events: Event) -> None:
        for event in events:
            self.projector.on_event(event)

    async def flush(self) -> None:
        assert await self.group_commit.flush()

    async def rows(self, model: type[Any]) -> list[Any]:
        async with self.database.snapshot() as session:
            return list((await session.scalars(select(model).order_by(*model.__mapper__.primary_key))).all())

    async def taken(self) -> list[Any]:
        return [row for row in await self.rows(models.Lease) if row.free_since is None]

    async def live(self) -> list[Any]:
        return [row for row in await self.rows(models.Session) if row.ended_at is None]

    def connect(self, peer_id: int, user: str = "alice", **more: Any) -> None:
        """Let a client come in as the engine tells of it."""
        kept = {"hostname": more.pop("hostname", ""), "terms": more.pop("terms", None)}
        lease = self.leases.take(1, user, peer_id, self.time.wall(), **kept)
        assert lease is not None
        self.tell(*coming_in(peer_id, user, lease.address, **more))


def isakmp_sa(peer_id: int, **more: Any) -> IsakmpSaEstablished:
    return replace(
        IsakmpSaEstablished(
            isakmp_sa=peer_id,
            peer_id=peer_id,
            initiator_spi=bytes(8),
            responder_spi=peer_id.to_bytes(8, "big"),
            suite="aes256-sha256-modp2048",
            authentication="hybrid-rsa",
            mode="main",
            lifetime_seconds=86_400,
            carried_over=False,
        ),
        **more,
    )


def child_sa(peer_id: int, spi: int, **more: Any) -> ChildSaEstablished:
    return replace(
        ChildSaEstablished(
            peer_id=peer_id,
            inbound_spi=spi,
            outbound_spi=spi + 1,
            suite="aes128gcm16",
            local_networks=(IPv4Network("0.0.0.0/0"),),
            remote_networks=(IPv4Network("10.9.0.1/32"),),
            lifetime_seconds=3600,
            replaces=None,
        ),
        **more,
    )


def coming_in(peer_id: int, user: str, address: IPv4Address, **more: Any) -> Iterator[Event]:
    yield isakmp_sa(peer_id)
    yield child_sa(peer_id, spi(peer_id))
    yield replace(
        PeerConnected(
            peer_id=peer_id,
            user=user,
            claim=Claim(realm="local", account=None),
            profile="default",
            authentication="hybrid-rsa",
            mode="main",
            identity=user,
            virtual_ip=address,
            path=PATH,
            behind_nat=True,
            ike_suite="aes256-sha256-modp2048",
            esp_suite="aes128gcm16",
            application_version="",
            vendor_ids=("XAUTH", "strongSwan"),
        ),
        **more,
    )


def leaving(peer_id: int, user: str = "alice", goodbye: Goodbye = Goodbye.PEER_DELETED) -> Iterator[Event]:
    reason = "the client disconnected"
    yield ChildSaRemoved(peer_id=peer_id, inbound_spi=spi(peer_id), reason=reason)
    yield PeerGone(peer_id=peer_id, user=user, goodbye=goodbye, reason=reason)


def spi(peer_id: int) -> int:
    """Give the inbound SPI of a peer's first Child SA."""
    return 0xC000_0000 + peer_id


async def lease_rows(database: Database) -> list[LeaseRow]:
    async with database.snapshot() as session:
        return await session.run_sync(lambda sync: read_leases(sync.connection()))


async def eventually(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until it does."""
    async with asyncio.timeout(60):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


def refused(**more: Any) -> PeerRefused:
    """A client that was turned away."""
    return replace(PeerRefused(path=PATH, stage=Stage.XAUTH, reason="wrong password for 'alice'"), **more)

"""Sessions that come and go on a real database, and what accounting makes of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from appliance.accounting.recorder import Recorder
from appliance.accounting.sender import Sender
from appliance.auth.radius.group import ServerGroup
from appliance.auth.radius.realm import Accounted
from appliance.auth.radius.requests import Nas
from appliance.auth.verdicts import Claim
from appliance.gateway.admission.leases import Leases
from appliance.gateway.admission.terms import Terms
from appliance.gateway.record.database_thread import DatabaseThread
from appliance.gateway.record.group_commit import GroupCommit
from appliance.gateway.record.projector import Projector, Status
from appliance.models import AccountingRecord
from appliance.policy.attributes import AccessPolicy
from appliance.policy.effective import Policies
from ike_engine.dataplane.interface import ChildCounters, Counters
from tests.appliance.gateway.recording import NODE, Time, coming_in, leaving, spi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import SecretStr

    from appliance.auth.radius.server import Server
    from appliance.database import Database
    from ike_engine.events import Goodbye


@dataclass
class Books:
    """A gateway's sessions, their rows, and the accounting beside them.

    Attributes:
        servers: Whom records go to; empty: nobody takes them.
    """

    database: Database
    time: Time
    projector: Projector
    recorder: Recorder
    group_commit: GroupCommit
    reader: DatabaseThread
    writer: DatabaseThread
    servers: list[Server] = field(default_factory=list)
    groups: list[ServerGroup] = field(default_factory=list)

    def connect(
        self, peer_id: int, user: str = "alice", *, interim_seconds: int | None = None, behind: tuple[str, ...] = ()
    ) -> None:
        accounted = Accounted(session_id=f"session{peer_id}", user=user, classes=(b"OU=staff;", b"\xff\0"))
        attributes = AccessPolicy(interim_interval_seconds=interim_seconds)
        claim = Claim(realm="corp", accounting=accounted, attributes=attributes)
        effective = Policies().resolve("default", login=attributes)
        terms = Terms(profile="default", claim=claim, effective=effective, end=None)
        for event in coming_in(peer_id, user, IPv4Address(f"10.9.0.{peer_id}"), claim=claim):
            self.projector.on_event(event)
        self.projector.altered(peer_id, terms)
        self.projector.live[peer_id].columns["networks"] = tuple(map(IPv4Network, behind))

    def disconnect(self, peer_id: int, goodbye: Goodbye | None = None) -> None:
        for event in leaving(peer_id):
            changed = replace(event, goodbye=goodbye) if goodbye is not None and hasattr(event, "goodbye") else event
            self.projector.on_event(changed)

    def count(self, peer_id: int, *, octets_in: int, octets_out: int = 0) -> None:
        counted = ChildCounters(
            inbound_spi=spi(peer_id),
            octets_in=octets_in,
            octets_out=octets_out,
            packets_in=octets_in // 100,
            packets_out=octets_out // 100,
            integrity_failures=0,
            replays=0,
            idle_seconds=0.0,
        )
        self.projector.on_report(Counters(children=(counted,)))

    async def flush(self) -> None:
        assert await self.group_commit.flush()

    async def records(self) -> list[AccountingRecord]:
        await self.flush()
        async with self.database.snapshot() as session:
            return list((await session.scalars(select(AccountingRecord).order_by(AccountingRecord.id))).all())

    async def told(self) -> list[tuple[str, str]]:
        return [(record.session, record.status.value) for record in await self.records()]

    def sender(self, *servers: Server, realm: str = "corp") -> Sender:
        group = ServerGroup.for_accounting(servers)
        self.groups.append(group)
        found: Any = {realm: (group, Nas(identifier="gw1"))}
        return Sender(NODE, self.reader, self.writer, found.get, wall_clock=self.time.wall, clock=self.time.monotonic)


@pytest.fixture
async def books(database: Database, empty_database_url: SecretStr) -> AsyncIterator[Books]:
    time, noted = Time(), asyncio.Event()
    writer = DatabaseThread(empty_database_url, "test-writer", writes=True)
    reader = DatabaseThread(empty_database_url, "test-reader", writes=False)
    recorder = Recorder(
        NODE, takes=lambda realm: realm == "corp", wake=noted.set, wall_clock=time.wall, clock=time.monotonic
    )
    projector = Projector(
        NODE,
        Leases(),
        pool_name=str,
        wake=noted.set,
        query_counters=lambda _: None,
        status=Status,
        observers=[recorder],
        wall_clock=time.wall,
        clock=time.monotonic,
    )
    made = Books(database, time, projector, recorder, GroupCommit(writer, projector.collect, noted), reader, writer)
    yield made
    for group in made.groups:
        group.retire()
    await asyncio.sleep(0)
    await writer.close()
    await reader.close()

"""A gateway's database side on a real database."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from sqlalchemy import insert

from appliance import first_start, models, passwords
from appliance.gateway.admission.leases import Leases
from appliance.gateway.record.database_thread import DatabaseThread
from appliance.gateway.record.group_commit import GroupCommit
from appliance.gateway.record.projector import Projector, Status
from appliance.installation import Installation
from appliance.master_key import MasterKey
from appliance.models.columns import NEVER
from appliance.pools import service as pools
from appliance.pools.schemas import PoolChange
from appliance.settings import Settings
from appliance.users import service as users
from appliance.users.schemas import NewUser
from tests.appliance.gateway.cluster import HERE, PASSWORD, Cluster
from tests.appliance.gateway.loopback import Client, authority, serving
from tests.appliance.gateway.recording import NODE, Recorder, Time, lease_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path as FilePath

    from appliance.database import Database


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def add_pool(database: Database) -> Callable[..., Awaitable[int]]:
    """Add a pool and its addresses; gives its key."""

    async def add(network: str = "10.9.0.0/24", name: str = "office") -> int:
        networks = (IPv4Network(network),)
        async with database.transaction() as session:
            session.add(pool := models.Pool(name=name, networks=networks, dns=(IPv4Address("10.0.0.53"),)))
            await session.flush()
            rows = [{"pool_id": pool.id, "address": address, "free_since": NEVER} for address in networks[0].hosts()]
            await session.execute(insert(models.Lease), rows)
            return pool.id

    return add


@pytest.fixture
async def recorder(
    database: Database, empty_database_url: SecretStr, add_pool: Callable[..., Awaitable[int]], time: Time
) -> AsyncIterator[Recorder]:
    assert await add_pool() == 1
    leases = Leases()
    leases.load(await lease_rows(database))
    writer = DatabaseThread(empty_database_url, "test-writer", writes=True)
    noted = asyncio.Event()
    queried: list[tuple[int, ...]] = []
    status = [Status()]
    projector = Projector(
        NODE,
        leases,
        pool_name={1: "office"}.__getitem__,
        wake=noted.set,
        query_counters=queried.append,
        status=lambda: status[-1],
        wall_clock=time.wall,
        clock=time.monotonic,
    )
    group_commit = GroupCommit(writer, projector.collect, noted)
    yield Recorder(database, leases, projector, group_commit, writer, noted, time, queried, status)
    await writer.close()


@pytest.fixture
async def installation(
    database: Database,
    empty_database_url: SecretStr,
    tmp_path: FilePath,
    monkeypatch: pytest.MonkeyPatch,
) -> Installation:
    """An appliance as the first start makes it: authority, certificate, pool, profile; its passwords cost little."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    settings = Settings(
        data_dir=tmp_path, database_url=empty_database_url, public_name="vpn.example.org", node_name=NODE
    )
    opened = Installation(settings, database, MasterKey.load_or_create(settings.master_key_file))
    await first_start.ensure(opened)
    return opened


@pytest.fixture
async def cluster(installation: Installation) -> AsyncIterator[Cluster]:
    async with installation.transaction(HERE) as work:
        await users.add(work, NewUser(name="alice", password=SecretStr(PASSWORD)))
        await pools.change(work, "default", PoolChange(networks=(IPv4Network("10.9.0.0/26"),)))
    settings = installation.settings.model_copy(update={"node_name": "gw2"})
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving(installation))
        second = await stack.enter_async_context(serving(replace(installation, settings=settings)))
        anchor = await authority(installation)
        clients = [
            await stack.enter_async_context(Client(gateway, anchor, ip))
            for gateway, ip in ((first, "127.0.0.2"), (second, "127.0.0.3"))
        ]
        yield Cluster(installation, (first, second), (clients[0], clients[1]))

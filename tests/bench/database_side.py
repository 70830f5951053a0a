"""What a login and its logout cost the database side of a gateway: ``python -m tests.bench.database_side``.

Eight workers log in and out without a pause, as the bench beside charon does. The cryptography of a login is stood in
for by as much CPU time spent in the event loop, so that logins come as fast as they could and no faster; the same run
without the database side is subtracted. Argon2 is not in it: a password that was right is remembered.
"""

# ruff: noqa: T201 - a report is what it is for

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from pydantic import SecretStr
from sqlalchemy import insert

from appliance import models
from appliance.auth.verdicts import Claim
from appliance.database import Database
from appliance.gateway.admission.leases import Leases
from appliance.gateway.authentication.accounts import StoredAccounts
from appliance.gateway.record.database_thread import DatabaseThread
from appliance.gateway.record.group_commit import GroupCommit
from appliance.gateway.record.projector import Projector, Status
from appliance.installation import Installation
from appliance.master_key import MasterKey
from appliance.models.columns import NEVER, now
from appliance.settings import Settings
from ike_engine.secret import Secret
from tests.appliance.gateway.recording import coming_in, lease_rows, leaving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WORKERS = 8
LOGINS_OF_A_WORKER = 60
ROUNDS = 5
REST_OF_A_LOGIN_SECONDS = 0.0035


def spend(seconds: float) -> None:
    """Use the processor as cryptography does."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def cpu_microseconds(login: Callable[[int], Awaitable[None]], numbers: count[int]) -> float:
    """CPU time of the process for one login, in the mean."""

    async def worker() -> None:
        for _ in range(LOGINS_OF_A_WORKER):
            spend(REST_OF_A_LOGIN_SECONDS)
            await asyncio.sleep(0)
            await login(next(numbers))

    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(WORKERS)))
    return (time.process_time() - before) / (WORKERS * LOGINS_OF_A_WORKER) * 1e6


async def main() -> None:
    """Measure, print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        url = SecretStr(f"sqlite+aiosqlite:///{Path(folder) / 'coati.db'}")
        database = Database.open(url)
        await database.migrate()
        async with database.transaction() as session:
            session.add(pool := models.Pool(name="bench", networks=()))
            session.add_all(models.User(name=f"user{number}", password_hash="x" * 97) for number in range(2_000))
            await session.flush()
            addresses = [{"pool_id": pool.id, "address": 0x0A09_0000 + n, "free_since": NEVER} for n in range(4_000)]
            await session.execute(insert(models.Lease), addresses)
        installation = Installation(Settings(data_dir=Path(folder)), database, MasterKey(Secret(bytes(32))))
        leases = Leases()
        leases.load(await lease_rows(database))
        reader, writer = DatabaseThread(url, "reader", writes=False), DatabaseThread(url, "writer", writes=True)
        noted = asyncio.Event()
        projector = Projector(
            "bench",
            leases,
            pool_name=lambda _: "bench",
            wake=noted.set,
            query_counters=lambda _: None,
            status=Status,
        )
        group_commit = GroupCommit(writer, projector.collect, noted)
        writing = asyncio.create_task(group_commit.run())
        login = partial(log_in_and_out, StoredAccounts(reader, installation), leases, projector)
        numbers = count(1)
        best, nothing = float("inf"), float("inf")
        for _ in range(ROUNDS):
            transactions, seconds = writer.transactions, reader.cpu_seconds + writer.cpu_seconds
            best = min(best, await cpu_microseconds(login, numbers))
            await group_commit.flush()
            transactions = writer.transactions - transactions
            seconds = reader.cpu_seconds + writer.cpu_seconds - seconds
            nothing = min(nothing, await cpu_microseconds(wait, numbers))
        logins = WORKERS * LOGINS_OF_A_WORKER
        print(f"login and logout, database side   {best - nothing:5.0f} µs of CPU, best of {ROUNDS} rounds")
        print(f"  of this in the two threads      {seconds / logins * 1e6:5.0f} µs, last round")
        print(f"transactions for {logins} logins     {transactions:5}, last round")
        writing.cancel()
        await reader.close()
        await writer.close()
        await database.close()


async def log_in_and_out(accounts: StoredAccounts, leases: Leases, projector: Projector, number: int) -> None:
    """Do what the answers to a client's questions and the events of its stay have done."""
    account = await accounts.find(f"user{number % 2_000}")
    assert account is not None
    lease = leases.take(1, account.name, number, now())
    assert lease is not None
    claim = Claim(realm="local", account=account.key)
    for event in coming_in(number, account.name, lease.address, claim=claim):
        projector.on_event(event)
    await asyncio.sleep(0.001)
    for event in leaving(number, account.name):
        projector.on_event(event)


async def wait(_number: int) -> None:
    """Do nothing for as long."""
    await asyncio.sleep(0.001)


if __name__ == "__main__":
    asyncio.run(main())

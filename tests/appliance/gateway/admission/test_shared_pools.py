"""Two gateways that give of the same pools: no address twice, and each user the one of last time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

from appliance import models
from appliance.auth.verdicts import Claim
from appliance.gateway.admission.leases import Lease, Leases
from appliance.gateway.admission.shared_pools import SILENT, BehindAnother, DatabaseAway, SharedPools
from appliance.gateway.admission.terms import Terms
from appliance.gateway.record.database_thread import DatabaseThread
from appliance.gateway.record.notes import Noted, Notes
from appliance.models.columns import now
from appliance.policy.attributes import AccessPolicy, WhenTooMany
from appliance.policy.effective import Policies
from appliance.pools import service as pools
from appliance.pools.schemas import PoolChange
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange
from ike_engine.events import PeerConnected, PeerGone, PeerRefused
from tests.appliance.gateway.cluster import HERE, PASSWORD, Cluster, node, outcome
from tests.appliance.gateway.loopback import Client
from tests.appliance.gateway.recording import eventually, lease_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from appliance.database import Database

pytestmark = pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)

FIRST, SECOND = IPv4Address("10.9.0.1"), IPv4Address("10.9.0.2")
TERMS = Terms(profile="p", claim=Claim(realm="local", account=1), effective=Policies().resolve("p"), end=None)


@dataclass
class Giver:
    """What one gateway has of it: its leases, and a thread that writes them."""

    name: str
    database: Database
    writer: DatabaseThread
    at: datetime = field(default_factory=now)

    def __post_init__(self) -> None:
        self.leases = Leases()
        self.pools = SharedPools(self.name, self.leases, self.writer)

    async def load(self) -> None:
        self.leases.load(await lease_rows(self.database))

    async def take(self, user: str, peer_id: int, wanted: IPv4Address | None = None) -> IPv4Address | None:
        lease = await self.lease(user, peer_id, wanted)
        return lease.address if lease is not None else None

    async def lease(self, user: str, peer_id: int, wanted: IPv4Address | None = None, *behind: str) -> Lease | None:
        self.at += timedelta(seconds=1)
        terms = replace(TERMS, networks=tuple(map(IPv4Network, behind)))
        return await self.pools.take(1, user, peer_id, self.at, hostname="", terms=terms, wanted=wanted)

    def release(self, peer_id: int) -> None:
        self.at += timedelta(seconds=1)
        self.leases.release(peer_id, self.at)

    def noted(self) -> Noted:
        """What is to be written, on its way."""
        return Noted(Notes(leases=self.leases.take_changes()), self.name, None, put_back=lambda _: None)

    async def write(self) -> None:
        await self.writer.run(self.noted().write)


@pytest.fixture
async def givers(
    database: Database, empty_database_url: SecretStr, add_pool: Callable[..., Awaitable[int]]
) -> AsyncIterator[tuple[Giver, Giver]]:
    """Two gateways with a pool of two addresses, both alive."""
    assert await add_pool("10.9.0.0/30") == 1
    async with database.transaction() as session:
        session.add_all([node("gw1"), node("gw2")])
    one, other = (
        Giver(name, database, DatabaseThread(empty_database_url, name, writes=True)) for name in ("gw1", "gw2")
    )
    for giver in (one, other):
        await giver.load()
    yield one, other
    for giver in (one, other):
        await giver.writer.close()


async def rows(database: Database) -> list[tuple[IPv4Address, str | None, str | None, bool]]:
    async with database.snapshot() as session:
        found = await session.scalars(select(models.Lease).order_by(models.Lease.address))
        return [(row.address, row.user, row.node, row.free_since is None) for row in found]


async def test_no_address_is_given_twice(givers: tuple[Giver, Giver], database: Database) -> None:
    one, other = givers
    assert [await one.take("alice", 1), await other.take("bob", 1)] == [FIRST, SECOND]
    assert await one.take("carol", 2) is None
    assert await other.take("carol", 2) is None
    assert await rows(database) == [(FIRST, "alice", "gw1", True), (SECOND, "bob", "gw2", True)]


async def test_who_asks_again_has_it_already(givers: tuple[Giver, Giver]) -> None:
    one, _ = givers
    assert await one.take("alice", 1) == await one.take("alice", 1) == FIRST
    assert await one.take("bob", 2) == SECOND


async def test_whoever_has_a_row_in_hand_is_passed_by(givers: tuple[Giver, Giver], database: Database) -> None:
    one, _ = givers
    async with database.transaction() as session:
        await session.scalar(select(models.Lease).where(models.Lease.address == FIRST).with_for_update())
        assert await asyncio.wait_for(one.take("alice", 1), 60) == SECOND


async def test_a_user_gets_the_address_of_last_time_at_any_gateway(givers: tuple[Giver, Giver]) -> None:
    one, other = givers
    assert [await one.take("alice", 1), await one.take("bob", 2)] == [FIRST, SECOND]
    one.release(1)
    one.release(2)
    await one.write()
    assert await other.take("bob", 1) == SECOND
    assert await other.take("alice", 2) == FIRST


async def test_who_comes_again_before_the_leaving_is_written_gets_it_again(
    givers: tuple[Giver, Giver], database: Database
) -> None:
    one, other = givers
    await one.take("alice", 1)
    await one.write()
    one.release(1)
    assert await one.take("alice", 2) == FIRST
    await one.write()
    assert await rows(database) == [(FIRST, "alice", "gw1", True), (SECOND, None, None, False)]
    # Of two who come at the same moment one gets it.
    one.release(2)
    assert set(await asyncio.gather(one.take("alice", 3), one.take("alice", 4))) == {FIRST, SECOND}
    assert await other.take("alice", 1) is None


async def test_a_leaving_that_is_written_late_frees_nothing_that_was_given_anew(
    givers: tuple[Giver, Giver], database: Database
) -> None:
    one, _ = givers
    await one.take("alice", 1)
    await one.write()
    one.release(1)
    assert await one.take("alice", 2) == FIRST
    late = Giver("gw1", database, one.writer)
    late.leases.free(1, "alice", taken_at=one.at - timedelta(seconds=2), at=one.at)
    await late.write()
    assert (await rows(database))[0] == (FIRST, "alice", "gw1", True)


async def test_nor_does_a_gateway_free_what_another_has(givers: tuple[Giver, Giver], database: Database) -> None:
    one, other = givers
    await other.take("bob", 1)
    one.leases.free(1, "alice", taken_at=other.at + timedelta(hours=1), at=other.at)
    await one.write()
    assert (await rows(database))[0] == (FIRST, "bob", "gw2", True)


async def test_a_particular_address(givers: tuple[Giver, Giver]) -> None:
    one, other = givers
    assert await one.take("alice", 1, SECOND) == SECOND
    assert await other.take("bob", 1, SECOND) is None
    one.release(1)
    await one.write()
    assert await other.take("bob", 1, SECOND) == SECOND


async def test_addresses_that_are_kept_for_users_stay_theirs(givers: tuple[Giver, Giver]) -> None:
    one, _ = givers
    one.leases.reserve({FIRST: "carol"})
    assert await one.take("alice", 1) == SECOND
    assert await one.take("bob", 2) is None
    namesake = replace(TERMS, claim=Claim(realm="staff"))
    assert await one.pools.take(1, "carol", 3, one.at, hostname="", terms=namesake) is None
    assert await one.take("carol", 4) == FIRST


async def test_a_client_that_is_gone_before_the_answer_leaves_nothing_taken(
    givers: tuple[Giver, Giver], database: Database
) -> None:
    one, _ = givers

    async def waits_for_the_row() -> bool:
        waiting = text("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        async with database.snapshot() as session:
            return await session.scalar(waiting) is not None

    async with database.transaction() as session:
        await session.scalar(select(models.Lease).where(models.Lease.address == SECOND).with_for_update())
        taking = asyncio.create_task(one.take("alice", 1, SECOND))
        await eventually(waits_for_the_row)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking

    async def given_back() -> bool:
        return bool(one.leases.released())

    await eventually(given_back)
    await one.write()
    assert [taken for *_, taken in await rows(database)] == [False, False]
    assert len(one.leases) == 0


async def test_addresses_of_a_gateway_that_is_silent_for_long_are_given_last(
    givers: tuple[Giver, Giver], database: Database
) -> None:
    one, other = givers
    await other.take("bob", 1)

    async def last_heard(ago: timedelta) -> None:
        async with database.transaction() as session:
            heard = update(models.Node).where(models.Node.name == "gw2").values(heartbeat_at=one.at - ago)
            await session.execute(heard)

    await last_heard(SILENT - timedelta(minutes=1))
    assert await one.take("alice", 1) == SECOND
    assert await one.take("carol", 2) is None
    await last_heard(SILENT + timedelta(minutes=1))
    assert await one.take("carol", 2) == FIRST
    # And when it speaks again, it frees nothing.
    other.release(1)
    await other.write()
    assert (await rows(database))[0] == (FIRST, "carol", "gw1", True)


# ---- networks behind clients ----------------------------------------------------------------------


@pytest.mark.parametrize("other", ["172.20.1.0/24", "172.20.1.128/25", "172.20.0.0/16"])
async def test_a_network_is_behind_one_client_of_all_gateways(
    givers: tuple[Giver, Giver], database: Database, other: str
) -> None:
    one, another = givers
    await one.lease("alice", 1, None, "172.21.0.0/16", "172.20.1.0/24")
    with pytest.raises(BehindAnother, match=r"172\.20\.1\.0/24.* is behind user 'alice' at gateway gw1 since 2") as why:
        await another.lease("bob", 1, None, "172.22.0.0/16", other)
    assert why.value.user == "alice"
    assert await rows(database) == [(FIRST, "alice", "gw1", True), (SECOND, None, None, False)]
    await another.lease("bob", 2, None, "172.22.0.0/16", "172.20.2.0/24")
    one.release(1)
    await one.write()
    another.release(2)
    assert await another.lease("bob", 3, None, other)


async def test_of_two_gateways_that_take_it_at_the_same_moment_one_gets_it(givers: tuple[Giver, Giver]) -> None:
    outcomes = await asyncio.gather(
        *(giver.lease(giver.name, 1, None, "172.20.1.0/24") for giver in givers), return_exceptions=True
    )
    assert {type(each) for each in outcomes} == {BehindAnother, Lease}


async def test_what_is_written_behind_says_the_networks_as_well(
    givers: tuple[Giver, Giver], database: Database
) -> None:
    one, another = givers
    await one.lease("alice", 1, None, "172.20.1.0/24")
    async with database.transaction() as session:  # as if the database had crashed and lost what no disk was waited for
        await session.execute(update(models.Lease).values(networks=(), node=None, free_since=now()))
    await one.write()
    with pytest.raises(BehindAnother):
        await another.lease("bob", 1, None, "172.20.1.0/24")


async def test_a_gateways_own_clients_are_known_without_the_table(givers: tuple[Giver, Giver]) -> None:
    one, _ = givers
    await one.lease("alice", 1, None, "172.20.1.0/24")
    assert await one.lease("alice", 2, None, "172.20.1.0/24"), "the old one is being replaced, and not yet written so"


async def test_networks_of_a_gateway_that_is_silent_for_long_are_free(
    givers: tuple[Giver, Giver], database: Database
) -> None:
    one, another = givers
    await another.lease("bob", 1, None, "172.20.1.0/24")
    async with database.transaction() as session:
        heard = one.at - SILENT - timedelta(minutes=1)
        await session.execute(update(models.Node).where(models.Node.name == "gw2").values(heartbeat_at=heard))
    assert await one.lease("alice", 1, None, "172.20.1.0/24")


async def test_a_branch_comes_in_at_one_gateway_of_two(cluster: Cluster) -> None:
    one, other = cluster.clients
    async with cluster.installation.transaction(HERE) as work:
        said = AccessPolicy(routes=(IPv4Network("172.20.0.0/16"),))
        await users.add(work, NewUser(name="bob", password=SecretStr(PASSWORD), policy=said))
        said = AccessPolicy(routes=(IPv4Network("172.20.1.0/24"),))
        await users.change(work, "alice", UserChange(policy=said))
    branch = await one.log_in("alice", PASSWORD)
    await cluster.comes_to(1)
    other.connect("bob", PASSWORD)
    await other.next(PeerRefused)

    async def on_record() -> bool:
        return bool(await cluster.refusals())

    await eventually(on_record)
    (words,) = await cluster.refusals()
    assert words.startswith(
        "a network behind user 'bob' (said for this user) is somewhere else already: "
        "172.20.0.0/16 (within or around 172.20.1.0/24) is behind user 'alice' at gateway gw1 since "
    )
    one.log_out(branch)
    await cluster.comes_to(0)
    await other.log_in("bob", PASSWORD)


async def test_a_branch_that_may_replace_itself_takes_its_networks_to_another_gateway(cluster: Cluster) -> None:
    one, other = cluster.clients
    await cluster.limit(1, WhenTooMany.REPLACE, routes=(IPv4Network("172.20.1.0/24"),))
    await one.log_in("alice", PASSWORD)
    await cluster.comes_to(1)
    await other.log_in("alice", PASSWORD)
    await one.next(PeerGone)


async def test_without_the_database_nobody_can_tell(
    givers: tuple[Giver, Giver], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = givers

    async def away(_work: Any) -> Any:
        raise OperationalError("SELECT", None, ConnectionError("no answer"))

    monkeypatch.setattr(one.writer, "run", away)
    with pytest.raises(DatabaseAway, match="no answer"):
        await one.take("alice", 1)
    assert len(one.leases) == 0


async def test_two_gateways_give_their_clients_different_addresses_until_none_is_left(cluster: Cluster) -> None:
    async with cluster.installation.transaction(HERE) as work:
        await pools.change(work, "default", PoolChange(networks=(IPv4Network("10.9.0.0/29"),)))  # six addresses
    async with AsyncExitStack() as stack:
        devices = [
            await stack.enter_async_context(Client(gateway, cluster.clients[0].anchor, f"127.0.{number}.{place}"))
            for number, gateway in enumerate(cluster.gateways, 1)
            for place in range(1, 5)
        ]
        events = await asyncio.gather(*map(outcome, devices))
        addresses = [event.virtual_ip for event in events if isinstance(event, PeerConnected)]
        assert len(addresses) == len(set(addresses)) == 6
        assert len([event for event in events if isinstance(event, PeerRefused)]) == 2
        await cluster.comes_to(6)
        live = await cluster.live()
        assert {session.node for session in live} == {"gw1", "gw2"}
        assert len({session.virtual_ip for session in live}) == 6

    async def on_record() -> bool:
        return len(await cluster.refusals()) == 2

    await eventually(on_record)
    assert all(words.startswith("pool 'default' is exhausted") for words in await cluster.refusals())


async def test_a_user_who_changes_gateways_keeps_the_address(cluster: Cluster) -> None:
    one, other = cluster.clients
    async with cluster.installation.transaction(HERE) as work:
        await users.add(work, NewUser(name="bob", password=SecretStr(PASSWORD)))
    first = await one.log_in("bob", PASSWORD)
    connected = await one.log_in("alice", PASSWORD)
    await cluster.comes_to(2)
    one.log_out(first)
    one.log_out(connected)
    await cluster.comes_to(0)
    assert connected.virtual_ip != first.virtual_ip
    assert (await other.log_in("alice", PASSWORD)).virtual_ip == connected.virtual_ip

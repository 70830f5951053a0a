"""A gateway from the datagram to the row, with a real client and a real database."""

from __future__ import annotations

import asyncio
import json
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update
from structlog.testing import capture_logs

from appliance import models
from appliance.installation import Actor, Installation
from appliance.pools import service as pools
from appliance.pools.schemas import PoolChange
from appliance.refusals import service as refusals
from appliance.sessions import service as sessions
from appliance.sessions.told import associations, dead_peer_detection, policy, transcript
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange
from ike_engine.dataplane.interface import ChildCounters, Counters, Order, QueryCounters, Remove, Report
from ike_engine.dataplane.none import NoDataPlane
from ike_engine.events import PeerGone, PeerRefused
from ike_engine.transcript import What
from tests.appliance.gateway.loopback import Client, Served, authority, serving
from tests.appliance.gateway.recording import NODE, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path as FilePath


ADMINISTRATOR = Actor("administrator bob")
PASSWORD = "correct donkey battery"
WRONG = "wrong-but-memorable"


class Table:
    """What the database says now."""

    def __init__(self, installation: Installation) -> None:
        self._database = installation.database

    async def rows(self, model: type[Any]) -> list[Any]:
        async with self._database.snapshot() as session:
            return list((await session.scalars(select(model).order_by(*model.__mapper__.primary_key))).all())

    async def live(self) -> list[Any]:
        return [row for row in await self.rows(models.Session) if row.ended_at is None]

    async def taken(self) -> list[Any]:
        return [row for row in await self.rows(models.Lease) if row.free_since is None]

    async def comes_to(self, look: Callable[[], Any], number: int) -> list[Any]:
        found: list[Any] = []

        async def there() -> bool:
            found[:] = await look()
            return len(found) == number

        await eventually(there)
        return found

    async def refusal(self) -> Any:
        (row,) = await self.comes_to(lambda: self.rows(models.Refusal), 1)
        return row


@pytest.fixture
async def appliance(installation: Installation) -> Installation:
    """With three users and room for two clients."""
    async with installation.transaction(ADMINISTRATOR) as work:
        for name in ("alice", "bob", "carol"):
            await users.add(work, NewUser(name=name, password=SecretStr(PASSWORD)))
        await pools.change(work, "default", PoolChange(networks=(IPv4Network("10.9.0.0/30"),)))
    return installation


@pytest.fixture
def table(appliance: Installation) -> Table:
    return Table(appliance)


@pytest.fixture
async def gateway(appliance: Installation) -> AsyncIterator[Served]:
    async with serving(appliance) as surroundings:
        yield surroundings


@pytest.fixture
async def client(appliance: Installation, gateway: Served) -> AsyncIterator[Client]:
    async with Client(gateway, await authority(appliance)) as client:
        yield client


async def test_a_login_is_a_session_with_an_address_and_a_logout_ends_it(client: Client, table: Table) -> None:
    connected = await client.log_in("Alice", PASSWORD)
    assert connected.virtual_ip == IPv4Address("10.9.0.1")
    (session,) = await table.comes_to(table.live, 1)
    assert (session.user, session.virtual_ip, session.profile, session.pool) == (
        "alice",
        "10.9.0.1",
        "default",
        "default",
    )
    assert (session.peer_address, session.ike_suite, session.esp_suite) == (
        "127.0.0.2",
        "aes256-sha256-ecp256",
        "aes128gcm16",
    )
    assert (session.hostname, session.client_software) == ("laptop", "Coati")
    assert [lease.user for lease in await table.taken()] == ["alice"]
    user = next(row for row in await table.rows(models.User) if row.name == "alice")
    assert user.last_login_at == session.started_at
    client.log_out(connected)
    await table.comes_to(table.live, 0)
    (session,) = await table.rows(models.Session)
    assert session.goodbye == "client-disconnected"
    assert await table.taken() == []


async def test_what_was_said_can_be_asked_for_and_stays_on_record(
    appliance: Installation, client: Client, table: Table
) -> None:
    connected = await client.log_in("alice", PASSWORD)
    (session,) = await table.comes_to(table.live, 1)
    async with appliance.snapshot(ADMINISTRATOR) as work:
        said = await transcript(work, session.id)
        counts = {each.attribute: (each.value, each.level) for each in (await policy(work, session.id)).values}
        held = await associations(work, session.id)
        detection = await dead_peer_detection(work, session.id)
    assert counts["simultaneous_sessions"][1] == "default"
    assert held.isakmp_sa is not None
    assert held.isakmp_sa.suite == session.ike_suite
    (child,) = held.child_sas
    assert child.suite == session.esp_suite
    assert child.rekeys_at is not None
    assert child.established_at < child.rekeys_at < child.ends_at
    assert (child.octets_in, child.replays, child.state.value) == (0, 0, "installed")
    assert (detection.probes, detection.complete) == ([], False)
    assert not said.complete
    exchanges = [line.exchange for line in said.lines if line.what is What.MESSAGE]
    assert list(dict.fromkeys(exchanges)) == ["main mode", "Xauth", "Mode Config", "quick mode"]
    assert abs((said.lines[0].at - session.started_at).total_seconds()) < 60
    client.log_out(connected)
    await table.comes_to(table.live, 0)
    async with appliance.snapshot(ADMINISTRATOR) as work:
        record = await transcript(work, session.id)
    assert record.complete
    assert [line.says for line in record.lines[: len(said.lines)]] == [line.says for line in said.lines]
    assert record.lines[-1].says == "deletes the ISAKMP SA"


async def test_devices_of_one_user_have_an_address_each(gateway: Served, client: Client, table: Table) -> None:
    async with Client(gateway, client.anchor, "127.0.0.3") as other:
        first, second = await client.log_in("alice", PASSWORD), await other.log_in("alice", PASSWORD)
    assert first.virtual_ip != second.virtual_ip
    assert len(await table.comes_to(table.live, 2)) == 2


@pytest.mark.parametrize(
    ("user", "password", "words"),
    [
        ("alice", WRONG, "wrong password"),
        ("mallory", PASSWORD, "unknown user"),
        ("bob", PASSWORD, "disabled"),
    ],
)
async def test_who_is_refused_leaves_nothing_but_the_reason(
    appliance: Installation, client: Client, table: Table, user: str, password: str, words: str
) -> None:
    async with appliance.transaction(ADMINISTRATOR) as work:
        await users.change(work, "bob", UserChange(enabled=False))
    client.connect(user, password)
    told = await client.next(PeerRefused)
    row = await table.refusal()
    assert words in row.reason
    assert (row.stage, row.username, row.profile) == ("Xauth", user, "default")
    assert row.remedy
    async with appliance.snapshot(ADMINISTRATOR) as work:
        said = (await refusals.show(work, row.id)).transcript.lines
    assert [line.number for line in said if line.exchange == "main mode"] == [1, 2, 3, 4, 5, 6]
    assert "status FAIL" in [line.says for line in said if line.exchange == "Xauth"]
    assert await table.rows(models.Session) == []
    assert await table.taken() == []
    # The client hears the same, whatever the reason.
    assert not {"wrong", "unknown", "disabled"} & set(told.reason.lower().split())


async def test_the_client_cannot_tell_refusals_apart(appliance: Installation, client: Client, table: Table) -> None:
    async with appliance.transaction(ADMINISTRATOR) as work:
        await users.change(work, "bob", UserChange(enabled=False))
    told = set()
    for user, password in (("alice", WRONG), ("mallory", PASSWORD), ("bob", PASSWORD)):
        client.connect(user, password)
        told.add((await client.next(PeerRefused)).reason)
    assert len(told) == 1
    await table.comes_to(lambda: table.rows(models.Refusal), 3)


async def test_a_pool_that_is_exhausted_refuses_in_words_and_leaks_nothing(client: Client, table: Table) -> None:
    for user in ("alice", "bob"):
        await client.log_in(user, PASSWORD)
    client.connect("carol", PASSWORD)
    row = await table.refusal()
    assert row.stage == "Mode Config"
    assert row.reason == "pool 'default' is exhausted: all of its 2 addresses are taken"
    assert row.username == "carol"
    assert "network" in row.remedy
    assert [session.user for session in await table.comes_to(table.live, 2)] == ["alice", "bob"]
    assert [lease.user for lease in await table.taken()] == ["alice", "bob"]


def files_with(text: str, folder: FilePath) -> list[FilePath]:
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


async def test_passwords_reach_neither_database_nor_log(
    appliance: Installation, client: Client, table: Table, tmp_path: FilePath
) -> None:
    with capture_logs() as lines:
        connected = await client.log_in("alice", PASSWORD)
        client.connect("bob", WRONG)
        await table.refusal()
        client.log_out(connected)
        await table.comes_to(table.live, 0)
    assert {line["event"] for line in lines} >= {"login", "client refused", "logout"}
    for secret in (PASSWORD, WRONG):
        assert secret not in json.dumps(lines, default=repr)
        async with appliance.database.snapshot() as session:
            for each in models.Base.metadata.sorted_tables:
                assert not [row for row in await session.execute(select(each)) if secret in repr(row)]
        assert files_with(secret, tmp_path) == []


async def test_a_user_who_is_disabled_is_disconnected(appliance: Installation, client: Client, table: Table) -> None:
    await client.log_in("alice", PASSWORD)
    await client.log_in("bob", PASSWORD)
    await table.comes_to(table.live, 2)
    async with appliance.transaction(ADMINISTRATOR) as work:
        await users.change(work, "alice", UserChange(enabled=False))
    await client.next(PeerGone)
    (left,) = await table.comes_to(table.live, 1)
    assert left.user == "bob"
    ended = next(row for row in await table.rows(models.Session) if row.user == "alice")
    assert (ended.goodbye, ended.goodbye_reason) == ("administrator", "user 'alice' was disabled")


async def test_a_user_who_vanishes_from_the_table_is_disconnected_too(
    appliance: Installation, client: Client, table: Table
) -> None:
    """Whoever changes the table, and whether or not a command came with it."""
    await client.log_in("alice", PASSWORD)
    await table.comes_to(table.live, 1)
    async with appliance.database.transaction() as session:
        await session.delete(await session.scalar(select(models.User).where(models.User.name == "alice")))
    await client.next(PeerGone)
    await table.comes_to(table.live, 0)
    (row,) = await table.rows(models.Session)
    assert row.goodbye_reason == "user 'alice' was removed"


async def test_a_new_password_counts_at_once(appliance: Installation, client: Client, table: Table) -> None:
    client.log_out(await client.log_in("alice", PASSWORD))
    async with appliance.transaction(ADMINISTRATOR) as work:
        await users.change(work, "alice", UserChange(password=SecretStr("another long secret")))
    client.connect("alice", PASSWORD)
    await client.next(PeerRefused)
    assert "wrong password" in (await table.refusal()).reason
    assert await client.log_in("alice", "another long secret")


async def test_an_administrator_ends_a_session(appliance: Installation, client: Client, table: Table) -> None:
    await client.log_in("alice", PASSWORD)
    (live,) = await table.comes_to(table.live, 1)
    async with appliance.transaction(ADMINISTRATOR) as work:
        await sessions.disconnect(work, live.id, "maintenance at noon")
    await client.next(PeerGone)
    await table.comes_to(table.live, 0)
    (session,) = await table.rows(models.Session)
    (command,) = await table.rows(models.Command)
    assert (session.goodbye, session.goodbye_reason) == ("administrator", "maintenance at noon")
    assert (command.outcome, command.message) == ("done", "disconnected")


async def test_a_change_of_the_configuration_is_followed(appliance: Installation, client: Client, table: Table) -> None:
    async with appliance.database.transaction() as session:
        await session.execute(update(models.Profile).values(enabled=False))

    async def told() -> bool:
        return any(node.problems for node in await table.rows(models.Node))

    await eventually(told)
    client.connect("alice", PASSWORD)
    await client.next(PeerRefused)
    assert (await table.refusal()).stage == "phase 1"
    async with appliance.database.transaction() as session:
        await session.execute(update(models.Profile).values(enabled=True))

    async def mended() -> bool:
        return not await told()

    await eventually(mended)
    assert await client.log_in("alice", PASSWORD)


async def test_a_gateway_that_is_stopped_says_goodbye_to_everybody(appliance: Installation, table: Table) -> None:
    async with serving(appliance) as surroundings, Client(surroundings, await authority(appliance)) as client:
        await client.log_in("alice", PASSWORD)
        await client.log_in("bob", PASSWORD)

        async def serves() -> bool:
            return [row.serving for row in await table.rows(models.Node)] == [True]

        await eventually(serves)
        await table.comes_to(table.live, 2)  # the client is connected before the gateway has heard its last message
        surroundings.stop.set()
        for _ in range(2):
            await client.next(PeerGone)
    assert await table.live() == await table.taken() == []
    assert {row.goodbye for row in await table.rows(models.Session)} == {"gateway-shutdown"}
    (node,) = await table.rows(models.Node)
    assert (node.name, node.data_plane, node.data_plane_reason) == (NODE, "none", "this is a test")
    assert not node.serving
    assert node.counters["logins"] == 2


async def test_a_gateway_that_starts_after_a_crash_finds_everything_free(appliance: Installation, table: Table) -> None:
    async with appliance.database.transaction() as session:
        await session.execute(update(models.Lease).values(free_since=None, node=NODE, user="ghost"))
    async with serving(appliance) as surroundings, Client(surroundings, await authority(appliance)) as client:
        assert await client.log_in("alice", PASSWORD)
        await table.comes_to(table.taken, 1)


class CountingDataPlane(NoDataPlane):
    """Carries nothing but says that each Child SA has carried a thousand octets."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[Order] = []
        self._receivers: list[Callable[[Report], None]] = []

    def subscribe(self, receive: Callable[[Report], None]) -> None:
        self._receivers.append(receive)

    def submit(self, order: Order) -> None:
        self.orders.append(order)
        if isinstance(order, QueryCounters):
            children = tuple(ChildCounters(spi, 1000, 2000, 10, 20, 0, 0, 0.5) for spi in order.inbound_spis)
            asyncio.get_running_loop().call_soon(self._report, Counters(children))

    def _report(self, report: Report) -> None:
        for receive in self._receivers:
            receive(report)


async def test_what_a_session_carried_to_the_last_is_on_record(appliance: Installation, table: Table) -> None:
    plane = CountingDataPlane()
    async with (
        serving(appliance, plane) as surroundings,
        Client(surroundings, await authority(appliance)) as client,
    ):
        client.log_out(await client.log_in("alice", PASSWORD))

        async def counted() -> bool:
            return [row.octets_in for row in await table.rows(models.Session) if row.ended_at] == [1000]

        await eventually(counted)
    (session,) = await table.rows(models.Session)
    assert (session.octets_out, session.packets_in, session.packets_out) == (2000, 10, 20)
    (removal,) = (order for order in plane.orders if isinstance(order, Remove))
    asked = QueryCounters(removal.inbound_spis)
    assert plane.orders.index(asked) < plane.orders.index(removal)

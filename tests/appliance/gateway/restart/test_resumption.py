"""The gateway's process dies on the spot, another goes on with its clients: the same sessions, addresses and limits."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, select, update

from appliance import models
from appliance.gateway.restart.stored_stays import PURPOSE
from appliance.gateway.service import Gateway
from appliance.installation import Actor, Installation
from appliance.master_key import MasterKey
from appliance.models import EventKind
from appliance.pools import service as pools
from appliance.pools.schemas import PoolChange
from appliance.sessions import service as sessions
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange
from ike_engine.actions import Disconnect
from ike_engine.dataplane.interface import ChildCounters, Counters
from ike_engine.dataplane.none import NoDataPlane
from ike_engine.events import Goodbye, PeerConnected, PeerGone
from ike_engine.secret import Secret
from tests.appliance.gateway.loopback import Client, Served, authority, serving
from tests.appliance.gateway.recording import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


ADMINISTRATOR = Actor("administrator bob")
PASSWORD = "correct donkey battery"


class DataPlane(NoDataPlane):
    """Goes on when the gateway's process dies, and has carried something."""

    octets = 0

    def _counters(self, spis: tuple[int, ...]) -> tuple[ChildCounters, ...]:
        return tuple(
            ChildCounters(child.inbound_spi, self.octets, 2 * self.octets, 1, 1, 0, 0, 1.0)
            for child in super()._counters(spis)
        )

    def forget(self) -> None:
        self._inbound_spis.clear()


class Office:
    """One gateway after the other in one place."""

    def __init__(self, installation: Installation, data_plane: DataPlane) -> None:
        self.installation = installation
        self.data_plane = data_plane
        self.ports = (0, 0)

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Served]:
        async with serving(self.installation, self.data_plane, ports=self.ports) as served:
            self.ports = served.plain.port, served.nat_t.port
            yield served

    @asynccontextmanager
    async def gateway_that_crashes(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
        """Ends without a word to anybody, as by SIGKILL."""

        async def die(gateway: Gateway) -> None:
            await gateway._shard.close()
            self.data_plane._subscribers.clear()
            await gateway._reader.close()
            await gateway._writer.close()

        with monkeypatch.context() as patch:
            patch.setattr(Gateway, "_end", die)
            async with self.gateway() as served:
                yield served

    @asynccontextmanager
    async def second_gateway(self) -> AsyncIterator[Served]:
        """Another process in its place, when it serves."""
        (before,) = await self.rows(models.Node)
        async with self.gateway() as served:

            async def serves() -> bool:
                (node,) = await self.rows(models.Node)
                return bool(node.serving and node.started_at > before.started_at)

            await eventually(serves)
            yield served

    async def rows(self, model: type[Any]) -> list[Any]:
        async with self.installation.database.snapshot() as session:
            return list((await session.scalars(select(model).order_by(*model.__mapper__.primary_key))).all())

    async def live(self) -> list[Any]:
        return [row for row in await self.rows(models.Session) if row.ended_at is None]

    async def execute(self, statement: Any) -> None:
        async with self.installation.database.transaction() as session:
            await session.execute(statement)

    async def stored(self) -> Any:
        async def there() -> bool:
            return bool(await self.rows(models.StoredStay))

        await eventually(there)
        (row,) = await self.rows(models.StoredStay)
        return row


@pytest.fixture
async def office(installation: Installation) -> Office:
    async with installation.transaction(ADMINISTRATOR) as work:
        for name in ("alice", "bob"):
            await users.add(work, NewUser(name=name, password=SecretStr(PASSWORD)))
        await pools.change(work, "default", PoolChange(networks=(IPv4Network("10.9.0.0/30"),)))
    return Office(installation, DataPlane())


@asynccontextmanager
async def client_of_a_gateway_that_crashed(office: Office, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """Alice is connected; where the gateway was nobody listens."""
    async with office.gateway_that_crashes(monkeypatch) as served:
        client = Client(served, await authority(office.installation))
        await client.__aenter__()
        await client.log_in("alice", PASSWORD)
        await office.stored()
    try:
        yield client
    finally:
        await client.__aexit__()


async def goodbye(office: Office, goodbye: str) -> None:
    """Alice's session, the only one, has ended so."""

    async def ended() -> bool:
        (row,) = await office.rows(models.Session)
        return bool(row.goodbye == goodbye)

    await eventually(ended)
    assert await office.rows(models.StoredStay) == []


def hang_up(client: Client) -> None:
    (peer,) = client.shard._endpoint._peers  # type: ignore[attr-defined]
    client.shard.command(Disconnect(peer.id))


async def test_the_session_goes_on_and_the_client_is_told_of_its_end(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of_a_gateway_that_crashed(office, monkeypatch) as client:
        (before,) = await office.live()
        async with office.second_gateway():
            (after,) = await office.live()
            assert (after.id, after.peer_id, after.started_at) == (before.id, before.peer_id, before.started_at)
            (lease,) = [row for row in await office.rows(models.Lease) if row.free_since is None]
            assert (lease.user, str(lease.address)) == ("alice", after.virtual_ip)
            async with office.installation.transaction(ADMINISTRATOR) as work:
                await sessions.disconnect(work, after.id, "enough for today")
            gone = await client.next(PeerGone)
            await goodbye(office, "administrator")
        assert gone.goodbye is Goodbye.PEER_DELETED
    assert [row.kind for row in await office.rows(models.Event)] == [EventKind.LOGIN, EventKind.LOGOUT]


async def test_a_client_that_leaves_is_understood(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async with client_of_a_gateway_that_crashed(office, monkeypatch) as client, office.second_gateway():
        hang_up(client)
        await goodbye(office, "client-disconnected")


async def test_its_address_is_not_given_to_another(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async with client_of_a_gateway_that_crashed(office, monkeypatch) as client, office.second_gateway() as served:
        async with Client(served, client.anchor, "127.0.0.3") as other:
            connected = await other.log_in("bob", PASSWORD)
        assert connected.virtual_ip == IPv4Address("10.9.0.2")

        async def both() -> bool:
            return {row.virtual_ip for row in await office.live()} == {"10.9.0.1", "10.9.0.2"}

        await eventually(both)


async def test_what_it_carried_meanwhile_counts_and_nothing_twice(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of_a_gateway_that_crashed(office, monkeypatch):
        await office.execute(update(models.Session).values(octets_in=1_000, octets_out=500))
        office.data_plane.octets = 400  # in, and 800 out: some of the 1,000 was carried by a Child SA that is gone
        async with office.second_gateway():
            office.data_plane.octets = 500
            office.data_plane._publish(Counters(office.data_plane._counters(())))

            async def counted() -> bool:
                (row,) = await office.live()
                return (row.octets_in, row.octets_out) == (1_100, 1_000)

            await eventually(counted)


async def test_a_user_who_was_disabled_meanwhile_is_disconnected(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of_a_gateway_that_crashed(office, monkeypatch) as client:
        async with office.installation.transaction(ADMINISTRATOR) as work:
            await users.change(work, "alice", UserChange(enabled=False))
        async with office.second_gateway():
            assert await client.next(PeerGone)
            await goodbye(office, "administrator")


async def test_limits_count_from_the_login(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async with client_of_a_gateway_that_crashed(office, monkeypatch) as client:
        long_ago = (await office.live())[0].started_at - timedelta(hours=2)
        await office.execute(update(models.Session).values(started_at=long_ago))
        await office.execute(
            update(models.BasePolicy).values(policy={"session_limit_seconds": 3_600})
            if await office.rows(models.BasePolicy)
            else models.BasePolicy.__table__.insert().values(policy={"session_limit_seconds": 3_600})
        )
        async with office.second_gateway():
            assert await client.next(PeerGone)
            await goodbye(office, "session-limit")


@pytest.mark.parametrize("what", ["data plane", "master key", "stored stay"])
async def test_what_cannot_go_on_ends_as_ever(office: Office, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    async with client_of_a_gateway_that_crashed(office, monkeypatch):
        if what == "data plane":
            office.data_plane.forget()
        elif what == "stored stay":
            await office.execute(delete(models.StoredStay))
        else:
            sealed = MasterKey(Secret(bytes(range(32)))).seal(b"{}", PURPOSE)
            await office.execute(update(models.StoredStay).values(content=sealed))
        async with office.second_gateway():
            await goodbye(office, "failed")
            assert [row for row in await office.rows(models.Lease) if row.free_since is None] == []


async def test_an_address_that_left_its_pool_ends_the_session_in_words(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of_a_gateway_that_crashed(office, monkeypatch):
        await office.execute(update(models.Session).values(virtual_ip="172.16.99.1"))
        async with office.second_gateway():
            await goodbye(office, "failed")
            (row,) = await office.rows(models.Session)
            assert row.goodbye_reason == "the gateway was started again: 172.16.99.1 is in no pool any more"


async def test_a_gateway_that_is_stopped_leaves_nothing(office: Office) -> None:
    async with office.gateway() as served, Client(served, await authority(office.installation)) as client:
        assert isinstance(await client.log_in("alice", PASSWORD), PeerConnected)
        await office.stored()
    await goodbye(office, "gateway-shutdown")


async def test_no_key_stands_in_clear(office: Office) -> None:
    async with office.gateway() as served, Client(served, await authority(office.installation)) as client:
        await client.log_in("alice", PASSWORD)
        row = await office.stored()
        assert b"skeyid" not in row.content.octets
        assert b"keys" not in row.content.octets
        assert b"alice" not in row.content.octets

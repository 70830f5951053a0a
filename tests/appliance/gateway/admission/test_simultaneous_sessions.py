"""One user's sessions over two gateways of one database: at most so many, whoever comes where, and when."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from appliance import models
from appliance.auth.verdicts import Claim
from appliance.database import blocking_engine
from appliance.gateway.admission import simultaneous_sessions
from appliance.gateway.admission.simultaneous_sessions import Newcomer, TooMany
from appliance.gateway.record.stay import Whose
from appliance.models.columns import now
from appliance.policy.attributes import QuotaPeriod, WhenTooMany
from ike_engine.events import PeerConnected, PeerGone, PeerRefused
from tests.appliance.gateway.cluster import HERE, PASSWORD, Cluster, node, outcome
from tests.appliance.gateway.loopback import Client
from tests.appliance.gateway.recording import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import SecretStr

    from appliance.installation import Installation

pytestmark = pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def devices(cluster: Cluster) -> AsyncIterator[list[Client]]:
    """Four more clients at each gateway."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Client(gateway, cluster.clients[0].anchor, f"127.0.{number}.{place}"))
            for number, gateway in enumerate(cluster.gateways, 1)
            for place in range(1, 5)
        ]


def newcomer(node: str, peer_id: int, **more: Any) -> Newcomer:
    fields = {"node": node, "peer_id": peer_id, "user": "alice", "at": now(), "most": 1, "replace": False} | more
    return Newcomer(whose=Whose.of(Claim(realm=fields.pop("realm", "local")), fields["user"]), **fields)


async def test_who_is_judged_at_the_same_moment_waits_for_the_one_before(
    installation: Installation, empty_database_url: SecretStr
) -> None:
    async with installation.transaction(HERE) as work:
        for name in ("gw1", "gw2"):
            work.session.add(node(name))
    engine = blocking_engine(empty_database_url, writes=True)
    judge = simultaneous_sessions._judge
    with engine.connect() as one, engine.connect() as other, other.begin():
        with one.begin():
            assert judge(one, newcomer("gw1", 1), [], {1}) == (None, ())
            second = asyncio.create_task(asyncio.to_thread(judge, other, newcomer("gw2", 2), [], {2}))
            for number, other_one in enumerate(({"user": "bob"}, {"realm": "staff"}), 3):
                apart = newcomer("gw2", number, **other_one)
                judged = await asyncio.to_thread(_judged_apart, empty_database_url, apart)
                assert judged == (None, ()), "another user waits for nobody, nor does a namesake of another realm"
            assert not second.done()
        assert await second == (TooMany(1, ("gw1",)), ())
    engine.dispose()


def _judged_apart(url: SecretStr, who: Newcomer) -> object:
    engine = blocking_engine(url, writes=True)
    with engine.connect() as connection, connection.begin():
        judged = simultaneous_sessions._judge(connection, who, [], {who.peer_id})
    engine.dispose()
    return judged


async def test_namesakes_are_counted_apart_and_spellings_together(
    installation: Installation, empty_database_url: SecretStr
) -> None:
    async with installation.transaction(HERE) as work:
        for name in ("gw1", "gw2"):
            work.session.add(node(name))
    for realm in ("local", "staff"):
        work_of = {"local": 1, "staff": 3}[realm]
        assert _judged_apart(empty_database_url, newcomer("gw1", work_of, realm=realm)) == (None, ())
        for spelling in ("alice", "ALICE"):
            again = newcomer("gw2", work_of + 1, realm=realm, user=spelling)
            assert _judged_apart(empty_database_url, again) == (TooMany(1, ("gw1",)), ())


async def test_a_session_on_another_gateway_counts(cluster: Cluster) -> None:
    await cluster.limit(1)
    one, other = cluster.clients
    connected = await one.log_in("alice", PASSWORD)
    other.connect("alice", PASSWORD)
    await other.next(PeerRefused)

    async def on_record() -> bool:
        return bool(await cluster.refusals())

    await eventually(on_record)
    assert await cluster.refusals() == [
        "user 'alice' has 1 sessions already (on gw1); 1 is the most (said for this user)"
    ]
    one.log_out(connected)
    await cluster.nobody_is_counted()
    await other.log_in("alice", PASSWORD)
    await cluster.comes_to(1)


async def test_those_from_before_the_limit_count_as_well(cluster: Cluster) -> None:
    one, other = cluster.clients
    await one.log_in("alice", PASSWORD)
    await cluster.comes_to(1)
    await cluster.limit(1)
    other.connect("alice", PASSWORD)
    await other.next(PeerRefused)


async def test_those_from_before_the_limit_make_way_as_well(cluster: Cluster) -> None:
    one, other = cluster.clients
    await one.log_in("alice", PASSWORD)
    await cluster.comes_to(1)
    await cluster.limit(1, WhenTooMany.REPLACE)
    connected = await other.log_in("alice", PASSWORD)
    await one.next(PeerGone)
    other.log_out(connected)
    await cluster.nobody_is_counted()


async def test_of_many_logins_at_once_on_both_no_more_are_let_in_than_may_be(
    cluster: Cluster, devices: list[Client]
) -> None:
    await cluster.limit(3)
    events = await asyncio.gather(*map(outcome, devices))
    assert len([event for event in events if isinstance(event, PeerConnected)]) == 3
    await cluster.comes_to(3)


async def test_the_oldest_makes_way_on_the_other_gateway_and_is_gone_before_the_new_one_is_there(
    cluster: Cluster,
) -> None:
    await cluster.limit(1, WhenTooMany.REPLACE)
    one, other = cluster.clients
    await one.log_in("alice", PASSWORD)
    await cluster.comes_to(1)
    await other.log_in("alice", PASSWORD)
    await one.next(PeerGone)

    async def both() -> bool:
        return len(await cluster.sessions()) == 2

    await eventually(both)
    first, second = await cluster.sessions()
    assert (first.node, first.goodbye) == ("gw1", "replaced-by-another-session")
    assert first.goodbye_reason == "user 'alice' came in anew and may have 1 sessions"
    assert second.node == "gw2"
    assert first.ended_at is not None
    assert first.ended_at <= second.started_at
    await one.log_in("alice", PASSWORD)  # and back again
    await other.next(PeerGone)
    await cluster.comes_to(1)


async def test_many_that_replace_each_other_are_never_more_than_may_be(cluster: Cluster, devices: list[Client]) -> None:
    await cluster.limit(2, WhenTooMany.REPLACE)
    await asyncio.gather(*map(outcome, devices))

    async def never_more_than_two() -> bool:
        # Each gateway writes for itself, a moment late: one's new session may be there before the other's end is.
        sessions = await cluster.sessions()
        present = [
            sum(each.started_at <= moment and (each.ended_at is None or each.ended_at > moment) for each in sessions)
            for moment in (session.started_at for session in sessions)
        ]
        return max(present, default=0) <= 2 == sum(session.ended_at is None for session in sessions)

    await eventually(never_more_than_two)


async def test_nothing_is_counted_of_who_is_gone(cluster: Cluster) -> None:
    await cluster.limit(1)
    for client in cluster.clients:
        connected = await client.log_in("alice", PASSWORD)
        client.log_out(connected)
        await cluster.comes_to(0)
        await cluster.nobody_is_counted()


async def test_sessions_of_a_gateway_that_died_do_not_keep_users_out(cluster: Cluster) -> None:
    await cluster.limit(1)
    async with cluster.installation.transaction(HERE) as work:
        work.session.add(node("gw3"))
        work.session.add(models.AdmittedSession(node="gw3", peer_id=7, realm="local", user="alice", at=now()))
    one, _ = cluster.clients
    one.connect("alice", PASSWORD)
    await one.next(PeerRefused)
    async with cluster.installation.transaction(HERE) as work:
        silent = now() - timedelta(minutes=1)
        await work.session.execute(update(models.Node).where(models.Node.name == "gw3").values(heartbeat_at=silent))
    await one.log_in("alice", PASSWORD)


async def test_a_gateway_that_does_not_end_a_session_keeps_the_new_one_out(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simultaneous_sessions, "_WAIT_SECONDS", 0.5)
    await cluster.limit(1, WhenTooMany.REPLACE)
    async with cluster.installation.transaction(HERE) as work:
        work.session.add(node("gw3"))
        work.session.add(models.AdmittedSession(node="gw3", peer_id=7, realm="local", user="alice", at=now()))
    one, _ = cluster.clients
    one.connect("alice", PASSWORD)
    await one.next(PeerRefused)

    async def on_record() -> bool:
        return "user 'alice' came in anew, but gw3 does not end the session that it has" in await cluster.refusals()

    await eventually(on_record)
    async with cluster.installation.snapshot() as work:
        (order,) = (await work.session.scalars(select(models.Command).where(models.Command.node == "gw3"))).all()
    assert (order.verb, order.arguments) == ("disconnect", {"peer": 7, "goodbye": "replaced-by-another-session"})
    assert order.created_by == "gateway gw1"


async def test_a_quota_used_up_on_another_gateway_is_known_at_once(cluster: Cluster) -> None:
    await cluster.limit(0, quota_octets=1_000, quota_period=QuotaPeriod.MONTH)
    async with cluster.installation.transaction(HERE) as work:
        work.session.add(models.Transfer(realm="local", user="alice", day=now().date(), octets=999))
    one, other = cluster.clients
    connected = await one.log_in("alice", PASSWORD)
    async with cluster.installation.transaction(HERE) as work:  # as the other gateway writes it
        await work.session.execute(update(models.Transfer).values(octets=1_000))
    other.connect("alice", PASSWORD)
    await other.next(PeerRefused)
    # The session that goes on learns of it within seconds.
    gone = await one.next(PeerGone)
    assert connected.peer_id == gone.peer_id

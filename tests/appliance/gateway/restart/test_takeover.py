"""What a gateway that crashed left behind does not outlive the next start."""

from __future__ import annotations

from datetime import timedelta

from appliance import models
from appliance.gateway.restart.takeover import take_over
from appliance.models.columns import now
from tests.appliance.gateway.recording import NODE, Recorder


async def test_sessions_end_and_leases_are_free(recorder: Recorder) -> None:
    recorder.connect(1)
    recorder.connect(2, "bob")
    await recorder.flush()
    last_seen = recorder.time.now + timedelta(seconds=30)
    async with recorder.database.transaction() as session:
        session.add(models.Node(name=NODE, heartbeat_at=last_seen, serving=True))
    at = recorder.time.now + timedelta(hours=1)
    async with recorder.database.transaction() as session:
        assert await take_over(session, models.Node(name=NODE, heartbeat_at=at, serving=False), at) == 2
    assert await recorder.taken() == []
    for row in await recorder.rows(models.Session):
        assert (row.ended_at, row.goodbye) == (last_seen, "failed")
        assert "without saying goodbye" in row.goodbye_reason
    first = (await recorder.rows(models.Lease))[0]
    assert (first.user, first.free_since, first.node) == ("alice", at, None)  # she gets it again
    (node,) = await recorder.rows(models.Node)
    assert (node.heartbeat_at, node.serving) == (at, False)


async def test_no_session_ends_before_it_began(recorder: Recorder) -> None:
    async with recorder.database.transaction() as session:
        session.add(models.Node(name=NODE, heartbeat_at=recorder.time.now - timedelta(seconds=4)))
    recorder.connect(1)
    await recorder.flush()
    async with recorder.database.transaction() as session:
        await take_over(session, models.Node(name=NODE), now())
    (row,) = await recorder.rows(models.Session)
    assert row.ended_at == row.started_at


async def test_another_gateway_is_left_alone(recorder: Recorder) -> None:
    recorder.connect(1)
    await recorder.flush()
    async with recorder.database.transaction() as session:
        assert await take_over(session, models.Node(name="gw2"), now()) == 0
    assert len(await recorder.live()) == len(await recorder.taken()) == 1


async def test_ended_sessions_keep_their_goodbye(recorder: Recorder) -> None:
    async with recorder.database.transaction() as session:
        await take_over(session, models.Node(name=NODE), now())
        await take_over(session, models.Node(name=NODE), now())
    assert await recorder.rows(models.Session) == []

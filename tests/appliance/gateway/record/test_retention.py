"""What is forgotten after a while, and what is kept."""

from datetime import timedelta

from appliance import models
from appliance.gateway.record.retention import forget_old
from appliance.models.columns import now
from appliance.runtime_settings.schemas import RuntimeSettings
from tests.appliance.gateway.recording import NODE, Recorder


async def test_only_the_newest_refusals_are_kept(recorder: Recorder) -> None:
    async with recorder.database.transaction() as session:
        session.add_all(
            models.Refusal(id=key, node=NODE, peer_address="192.0.2.1", peer_port=500, stage="Xauth", reason=str(key))
            for key in (1, 2, 3, 20_001, 20_002)
        )
    async with recorder.database.transaction() as session:
        await forget_old(session, RuntimeSettings(), now())
    assert [row.id for row in await recorder.rows(models.Refusal)] == [3, 20_001, 20_002]


async def test_no_refusals_are_nothing_to_forget(recorder: Recorder) -> None:
    async with recorder.database.transaction() as session:
        await forget_old(session, RuntimeSettings(), now())
    assert await recorder.rows(models.Refusal) == []


async def test_what_is_older_than_the_settings_want_is_forgotten(recorder: Recorder) -> None:
    at = now()
    old, young = at - timedelta(days=8), at - timedelta(days=6)
    client = {"node": NODE, "peer_address": "192.0.2.1", "peer_port": 500}
    session_of = {**client, "user": "alice", "profile": "p", "authentication": "hybrid-rsa", "mode": "main"}
    async with recorder.database.transaction() as session:
        for key, then in ((1, old), (2, young)):
            session.add(models.Refusal(id=key, at=then, stage="Xauth", reason="", **client))
            session.add(models.Session(id=key, peer_id=key, started_at=old, ended_at=then, **session_of))
            session.add(models.AuditEntry(id=key, at=then, who="a test", deed="user.add"))
        session.add(models.Session(id=3, peer_id=3, started_at=old, **session_of))
    week = {"session_days": 7, "refusal_days": 7}
    for settings, entries in ((RuntimeSettings(**week), [1, 2]), (RuntimeSettings(**week, audit_days=7), [2])):
        async with recorder.database.transaction() as session:
            await forget_old(session, settings, at)
        assert [row.id for row in await recorder.rows(models.Refusal)] == [2]
        assert [row.id for row in await recorder.rows(models.Session)] == [2, 3]
        assert [row.id for row in await recorder.rows(models.AuditEntry)] == entries

"""Minutes of a gateway: what was carried in each, and nothing twice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from appliance import models
from appliance.gateway.record.sampler import Sampler
from ike_engine.events import Goodbye, PeerGone
from tests.appliance.gateway.record.test_projector import counted, refused

if TYPE_CHECKING:
    from tests.appliance.gateway.recording import Recorder


async def test_each_minute_has_what_happened_in_it(recorder: Recorder) -> None:
    sampler = Sampler("gw1", wall_clock=recorder.time.wall)
    recorder.projector._observers = (sampler,)
    first = int(recorder.time.now.timestamp()) // 60
    recorder.connect(7)
    (spi,) = recorder.projector.live[7].octets
    recorder.projector.on_report(counted(spi, 1000, 10))
    recorder.tell(refused())
    recorder.time.pass_by(60)
    recorder.projector.on_report(counted(spi, 1500, 10))
    recorder.tell(PeerGone(peer_id=7, user="alice", goodbye=Goodbye.PEER_DELETED, reason="left"))
    recorder.time.pass_by(60)
    recorder.projector.on_report(counted(spi, 1600, 10))  # the last counters come late
    recorder.time.pass_by(3600)
    recorder.projector.beat()
    await recorder.flush()
    rows = await recorder.rows(models.Sample)
    assert [
        (row.minute - first, row.sessions, row.octets_in, row.octets_out, row.logins, row.refusals) for row in rows
    ] == [(0, 1, 1000, 10, 1, 1), (1, 1, 500, 0, 0, 0), (2, 0, 100, 0, 0, 0)]
    assert sampler._carried == {}


async def test_a_session_of_an_earlier_process_counts_from_where_it_goes_on(recorder: Recorder) -> None:
    recorder.connect(7)
    recorder.connect(8, "bob")
    alice = recorder.projector.live[7]
    (spi,) = alice.octets
    recorder.projector.on_report(counted(spi, 1000, 10))
    sampler = Sampler("gw1", wall_clock=recorder.time.wall)
    recorder.projector._observers = (sampler,)
    recorder.projector.resumed(alice)  # bob's could not go on
    recorder.projector.on_report(counted(spi, 1500, 10))
    for peer_id, user in ((7, "alice"), (8, "bob")):
        recorder.tell(PeerGone(peer_id=peer_id, user=user, goodbye=Goodbye.PEER_DELETED, reason="left"))
    for _ in range(3):
        recorder.time.pass_by(60)
        recorder.tell(refused())
    await recorder.flush()
    row, *_ = await recorder.rows(models.Sample)
    assert (row.sessions, row.octets_in, row.logins) == (1, 500, 0)
    assert sampler._carried == {}


async def test_a_session_has_a_pace_that_falls_to_nothing_when_it_rests(recorder: Recorder) -> None:
    recorder.connect(7)
    stay = recorder.projector.live[7]
    (spi,) = stay.octets
    recorder.projector.on_report(counted(spi, 1000, 0))
    recorder.time.pass_by(2)
    recorder.projector.on_report(counted(spi, 5000, 200))
    await recorder.flush()
    (row,) = await recorder.rows(models.Session)
    assert (row.rate_in, row.rate_out) == (2000.0, 100.0)
    for _ in range(2):
        recorder.time.pass_by(2)
        recorder.projector.on_report(counted(spi, 5000, 200))
        await recorder.flush()
    (row,) = await recorder.rows(models.Session)
    assert (row.rate_in, row.rate_out) == (0.0, 0.0)
    assert recorder.time.now - stay.pace[spi].counted_at == timedelta(0)

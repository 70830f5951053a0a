"""Sessions end when their limits say so, and the quota counts what the data plane counted."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from appliance import models
from appliance.auth.verdicts import Claim
from appliance.gateway.admission.limits import Limits
from appliance.gateway.admission.terms import End, Terms
from appliance.gateway.admission.transfers import Transfers, first_day, forget_old_transfers, read_transfers
from appliance.gateway.record.stay import Whose
from appliance.policy.attributes import AccessPolicy, QuotaPeriod
from appliance.policy.effective import Policies
from ike_engine.dataplane.interface import ChildCounters, Counters
from ike_engine.events import Goodbye
from tests.appliance.gateway.recording import Recorder, leaving, spi

ALICE = Whose("local", "alice")


class Watched:
    """A recorder whose sessions have limits."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.disconnected: list[tuple[int, str, Goodbye]] = []
        self.transfers = Transfers(recorder.time.wall, postgresql_dialect=not recorder.database.is_sqlite)
        self.limits = Limits(self.transfers, lambda *why: self.disconnected.append(why))
        recorder.projector._observers = (self.transfers, self.limits)

    def connect(
        self, peer_id: int, user: str = "alice", end: End | None = None, realm: str = "local", **said: Any
    ) -> None:
        effective = Policies().resolve("default", user=AccessPolicy(**said))
        terms = Terms(profile="default", claim=Claim(realm=realm), effective=effective, end=end)
        self.recorder.connect(peer_id, user, terms=terms, claim=terms.claim)

    def count(self, peer_id: int, octets_in: int, octets_out: int, idle_seconds: float | None = 0.0) -> None:
        child = ChildCounters(
            inbound_spi=spi(peer_id),
            octets_in=octets_in,
            octets_out=octets_out,
            packets_in=1,
            packets_out=1,
            integrity_failures=0,
            replays=0,
            idle_seconds=idle_seconds,
        )
        self.recorder.projector.on_report(Counters((child,)))

    def look(self) -> list[tuple[int, str, Goodbye]]:
        self.limits.look(self.recorder.time.wall())
        disconnected, self.disconnected = self.disconnected, []
        return disconnected

    async def read(self) -> None:
        await self.recorder.flush()
        self.transfers.about_to_read()
        today = self.recorder.time.wall().date()
        self.transfers.read(await self.recorder.writer.run(lambda connection: read_transfers(connection, today)))


@pytest.fixture
def watched(recorder: Recorder) -> Watched:
    return Watched(recorder)


def test_a_session_without_limits_is_left_alone(watched: Watched) -> None:
    watched.connect(1)
    watched.recorder.time.pass_by(1_000_000)
    assert watched.look() == []


def test_a_session_ends_at_its_end_and_is_ended_once(watched: Watched) -> None:
    at = watched.recorder.time.wall() + timedelta(seconds=60)
    watched.connect(1, end=End(at=at, goodbye=Goodbye.ACCESS_HOURS, reason="the access hours are over"))
    assert watched.look() == []
    watched.recorder.time.pass_by(60)
    assert watched.look() == [(1, "the access hours are over", Goodbye.ACCESS_HOURS)]
    assert watched.look() == []


async def test_the_row_says_when_it_will_end_and_under_which_group(watched: Watched) -> None:
    at = watched.recorder.time.wall() + timedelta(seconds=60)
    watched.connect(1, end=End(at=at, goodbye=Goodbye.SESSION_LIMIT, reason="so long"))
    await watched.recorder.flush()
    (row,) = await watched.recorder.live()
    assert (row.ends_at, row.realm, row.group) == (at, "local", "")


def test_only_what_comes_from_the_client_keeps_a_session_from_being_idle(watched: Watched) -> None:
    watched.connect(1, idle_limit_seconds=60)
    watched.recorder.time.pass_by(50)
    watched.count(1, 100, 100, idle_seconds=5)
    watched.recorder.time.pass_by(50)
    watched.count(1, 100, 200, idle_seconds=55)  # only to the client
    assert watched.look() == []
    watched.recorder.time.pass_by(5)
    assert watched.look() == [(1, "nothing came from the client for 60 s", Goodbye.IDLE_LIMIT)]


def test_one_that_never_sent_anything_is_idle_from_the_beginning(watched: Watched) -> None:
    watched.connect(1, idle_limit_seconds=60)
    watched.recorder.time.pass_by(60)
    watched.count(1, 0, 0, idle_seconds=None)
    assert [goodbye for _, _, goodbye in watched.look()] == [Goodbye.IDLE_LIMIT]


def test_a_session_that_ended_is_not_ended_again(watched: Watched) -> None:
    watched.connect(1, idle_limit_seconds=60)
    watched.recorder.tell(*leaving(1))
    watched.recorder.time.pass_by(100)
    assert watched.look() == []


async def test_a_quota_ends_all_sessions_of_its_user_and_outlasts_them(watched: Watched) -> None:
    for peer_id in (1, 2):
        watched.connect(peer_id, quota_octets=1_000, quota_period=QuotaPeriod.DAY)
    watched.connect(3, "bob", quota_octets=1_000)
    watched.count(1, 300, 300)
    await watched.read()
    watched.count(1, 300, 300)  # told again: nothing more
    watched.count(2, 0, 399)
    assert watched.look() == []
    watched.count(2, 1, 399)
    ended = watched.look()
    assert [peer_id for peer_id, _, _ in ended] == [1, 2]
    assert ended[0][1:] == ("1.0 kB of 1.0 kB are used up this day", Goodbye.QUOTA)
    watched.recorder.tell(*leaving(1))
    watched.count(1, 350, 300)  # what the last packets carried
    await watched.read()
    (row,) = await watched.recorder.rows(models.Transfer)
    assert (row.realm, row.user, row.octets) == ("local", "alice", 1_050)
    now = watched.recorder.time.wall()
    assert watched.transfers.used(ALICE, QuotaPeriod.MONTH, now) == 1_050
    assert watched.transfers.used(ALICE, QuotaPeriod.DAY, now + timedelta(days=1)) == 0


async def test_a_quota_is_of_one_realms_user_however_the_name_is_written(watched: Watched) -> None:
    watched.connect(1, "alice", quota_octets=1_000)
    watched.connect(2, "alice", realm="staff", quota_octets=1_000)
    watched.connect(3, "ALICE", realm="staff", quota_octets=1_000)
    for peer_id in (1, 2, 3):
        watched.count(peer_id, 300, 300)
    assert sorted(peer_id for peer_id, _, _ in watched.look()) == [2, 3]
    await watched.read()
    rows = await watched.recorder.rows(models.Transfer)
    assert {(row.realm, row.user): row.octets for row in rows} == {("local", "alice"): 600, ("staff", "alice"): 1_200}
    assert watched.limits.with_quotas() == {ALICE}
    now = watched.recorder.time.wall()
    assert watched.transfers.used(Whose("staff", "alice"), QuotaPeriod.DAY, now) == 1_200
    today = now.date()
    read = await watched.recorder.writer.run(lambda connection: read_transfers(connection, today, {ALICE}))
    assert read == {ALICE: {today: 600}}


async def test_what_another_gateway_wrote_counts_as_well(watched: Watched) -> None:
    watched.connect(1, quota_octets=1_000)
    today = watched.recorder.time.wall().date()
    async with watched.recorder.database.transaction() as session:
        session.add(models.Transfer(realm="local", user="alice", day=today, octets=900))
        session.add(models.Transfer(realm="local", user="alice", day=today - timedelta(days=500), octets=5_000))
    await watched.read()
    watched.count(1, 50, 50)
    assert [goodbye for _, _, goodbye in watched.look()] == [Goodbye.QUOTA]
    await watched.recorder.flush()
    rows = await watched.recorder.rows(models.Transfer)
    assert [row.octets for row in rows] == [5_000, 1_000]
    await watched.recorder.writer.run(lambda connection: forget_old_transfers(connection, today))
    assert len(await watched.recorder.rows(models.Transfer)) == 1


@pytest.mark.parametrize(
    ("period", "first"),
    [
        (QuotaPeriod.DAY, date(2026, 11, 26)),
        (QuotaPeriod.WEEK, date(2026, 11, 23)),
        (QuotaPeriod.MONTH, date(2026, 11, 1)),
    ],
)
def test_when_a_period_began(period: QuotaPeriod, first: date) -> None:
    assert first_day(period, date(2026, 11, 26)) == first

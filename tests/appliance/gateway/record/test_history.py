"""Every login, logout and failed login is a row, written along with its session and told to the hook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from appliance import models
from appliance.auth.verdicts import Claim
from appliance.gateway.record.history import History
from appliance.gateway.restart.takeover import take_over
from appliance.models import EventKind
from ike_engine.dataplane.interface import ChildCounters, Counters
from ike_engine.events import Goodbye, PeerRefused, Stage
from tests.appliance.gateway.recording import NODE, PATH, Recorder, leaving, spi

if TYPE_CHECKING:
    from collections.abc import Callable


class Later:
    """Holds back what is to be called later until the test lets it go."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def __call__(self, _seconds: float, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def comes(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


@pytest.fixture
def told() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture
def history(recorder: Recorder, told: list[dict[str, Any]], later: Later) -> History:
    observer = History(NODE, lambda row: told.append(dict(row)), wall_clock=recorder.time.wall, later=later)
    recorder.projector._observers = (observer,)
    return observer


def carried(peer_id: int, octets_in: int, octets_out: int) -> Counters:
    return Counters(
        (
            ChildCounters(
                inbound_spi=spi(peer_id),
                octets_in=octets_in,
                octets_out=octets_out,
                packets_in=1,
                packets_out=1,
                idle_seconds=0.0,
                integrity_failures=0,
                replays=0,
            ),
        )
    )


def refusal(username: str, claim: Any = None) -> PeerRefused:
    return PeerRefused(
        path=PATH,
        stage=Stage.XAUTH,
        reason="wrong password for 'alice'",
        remedy="",
        profile="default",
        identity="alice",
        username=username,
        offered=(),
        accepted=(),
        vendor_ids=(),
        claim=claim,
    )


async def test_a_stay_is_two_rows(recorder: Recorder, history: History, told: list[dict[str, Any]]) -> None:
    recorder.connect(7)
    await recorder.flush()
    recorder.time.pass_by(90)
    recorder.tell(*leaving(7, goodbye=Goodbye.DEAD))
    await recorder.flush()
    login, logout = await recorder.rows(models.Event)
    assert (login.kind, login.user, login.realm, login.virtual_ip) == (EventKind.LOGIN, "alice", "local", "10.9.0.1")
    assert (logout.kind, logout.cause, logout.reason) == (EventKind.LOGOUT, "dead-peer", "the client disconnected")
    assert (login.node, login.peer_id) == (logout.node, logout.peer_id) == (NODE, 7)
    assert (logout.at - logout.began_at).total_seconds() == 90
    assert login.client_software == "strongSwan"
    assert [row["kind"] for row in told] == ["login"]  # the last octets are still to come
    history.hurry()
    assert [row["kind"] for row in told] == ["login", "logout"]


@pytest.mark.parametrize("written_before", [True, False])
async def test_what_is_counted_last_is_in_the_row_and_told(
    recorder: Recorder, history: History, told: list[dict[str, Any]], later: Later, *, written_before: bool
) -> None:
    assert history
    recorder.connect(7)
    recorder.projector.on_report(carried(7, 10, 20))
    recorder.tell(*leaving(7))
    if written_before:
        await recorder.flush()
    recorder.projector.on_report(carried(7, 1000, 2000))
    await recorder.flush()
    _, logout = await recorder.rows(models.Event)
    assert (logout.octets_in, logout.octets_out) == (1000, 2000)
    later.comes()
    assert (told[-1]["octets_in"], told[-1]["octets_out"]) == (1000, 2000)


async def test_who_gave_a_name_and_was_turned_away_is_a_row(
    recorder: Recorder, history: History, told: list[dict[str, Any]]
) -> None:
    assert history
    recorder.tell(refusal("Alice"), refusal(""), refusal("e\x00vil\n\ud800" + "x" * 500))
    await recorder.flush()
    alice, evil = await recorder.rows(models.Event)
    assert (alice.kind, alice.user, alice.cause) == (EventKind.FAILURE, "alice", "Xauth")
    assert alice.reason == "wrong password for 'alice'"
    assert evil.user.isprintable()
    assert len(evil.user) == 128
    assert [row["kind"] for row in told] == ["failure", "failure"]


async def test_a_gateway_that_crashed_is_made_up_for_by_the_next_one(recorder: Recorder, history: History) -> None:
    assert history
    recorder.connect(7)
    recorder.projector.on_report(carried(7, 10, 20))
    recorder.connect(8, "bob")
    recorder.tell(*leaving(8, "bob"))
    await recorder.flush()
    recorder.time.pass_by(60)
    node = models.Node(
        name=NODE,
        version="1",
        started_at=recorder.time.wall(),
        heartbeat_at=recorder.time.wall(),
        serving=True,
        data_plane="none",
        data_plane_reason="",
        ike_address="0.0.0.0",
        ike_port=500,
        natt_port=4500,
        problems=[],
        counters={},
    )
    async with recorder.database.transaction() as session:
        assert await take_over(session, node, recorder.time.wall()) == 1
    logouts = [row for row in await recorder.rows(models.Event) if row.kind is EventKind.LOGOUT]
    assert [(row.user, row.realm, row.cause) for row in logouts] == [
        ("bob", "local", "client-disconnected"),
        ("alice", "local", "failed"),
    ]
    assert (logouts[1].octets_in, logouts[1].octets_out) == (10, 20)
    assert logouts[1].began_at is not None


async def test_a_failure_says_which_realm_refused(recorder: Recorder, history: History) -> None:
    assert history
    recorder.tell(refusal("alice", Claim(realm="corp")), refusal("alice"))
    await recorder.flush()
    assert [row.realm for row in await recorder.rows(models.Event)] == ["corp", ""]

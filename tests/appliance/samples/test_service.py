"""What happened over time, in equal steps, whatever the database divides like."""

import pytest

from appliance.installation import Transaction
from appliance.models import Sample
from appliance.models.columns import now
from appliance.samples import repository, service
from appliance.samples.schemas import Span


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step may begin between two looks at the clock."""
    at = now()
    monkeypatch.setattr(service, "now", lambda: at)


def sample(minute: int, **more: int | str) -> Sample:
    columns = {"node": "gw-1", "sessions": 0, "octets_in": 0, "octets_out": 0, "logins": 0, "refusals": 0}
    return Sample(minute=minute, **columns | more)


async def test_minutes_are_put_together_and_gaps_are_steps_too(work: Transaction) -> None:
    minute = int(service.now().timestamp()) // 60 // 10 * 10
    work.session.add_all(
        [
            sample(minute - 20, sessions=3, octets_in=100, logins=2),
            sample(minute - 11, sessions=5, octets_in=50, octets_out=7, refusals=1),
            sample(minute - 11, node="gw-2", sessions=2, octets_in=5),
            sample(minute - 24 * 60 - 30, sessions=99),
        ]
    )
    await work.session.flush()
    history = await service.history(work, Span(hours=24, steps=144))
    assert history.step_seconds == 600
    assert len(history.steps) == 144
    before_last = history.steps[-3]
    assert before_last.at.timestamp() == (minute - 20) * 60
    assert before_last.model_dump(exclude={"at"}) == {
        "sessions": 7,
        "octets_in": 155,
        "octets_out": 7,
        "logins": 2,
        "refusals": 1,
    }
    assert sum(step.sessions for step in history.steps) == 7
    alone = await service.history(work, Span(hours=24, steps=144, node="gw-2"))
    assert alone.steps[-3].sessions == 2


async def test_what_is_old_is_forgotten(work: Transaction) -> None:
    minute = int(service.now().timestamp()) // 60
    work.session.add_all([sample(minute - 100, sessions=1), sample(minute, sessions=2)])
    await repository.forget_before(work.session, minute - 10)
    assert [
        step.sessions for step in (await service.history(work, Span(hours=2, steps=120))).steps if step.sessions
    ] == [2]

"""What a gateway that crashed left in the data plane carries on for a while and not for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.gateway.restart.orphans import IDLE_SECONDS, LONGEST_SECONDS, Orphans
from ike_engine.dataplane.interface import ChildCounters, Counters, InstallFailed, Remove
from ike_engine.dataplane.none import NoDataPlane

if TYPE_CHECKING:
    from tests.appliance.gateway.recording import Time

LEFT = (0xC1, 0xC2, 0xC3)


class Plane(NoDataPlane):
    """With three Child SAs that somebody else installed."""

    def __init__(self) -> None:
        super().__init__()
        self.removed: list[tuple[int, ...]] = []

    async def counters(self, inbound_spis: tuple[int, ...] = ()) -> tuple[ChildCounters, ...]:
        assert inbound_spis == ()
        return report(dict.fromkeys(LEFT, 0.0)).children

    def submit(self, order: object) -> None:
        assert isinstance(order, Remove)
        self.removed.append(order.inbound_spis)


def report(idle: dict[int, float | None]) -> Counters:
    return Counters(tuple(ChildCounters(spi, 0, 0, 0, 0, 0, 0, seconds) for spi, seconds in idle.items()))


@pytest.fixture
def plane() -> Plane:
    return Plane()


@pytest.fixture
async def orphans(plane: Plane, time: Time) -> Orphans:
    found = Orphans(plane, clock=time.monotonic)
    found.watch(await plane.counters())
    return found


async def test_those_that_carry_traffic_carry_on(orphans: Orphans, plane: Plane, time: Time) -> None:
    for _ in range(10):
        time.pass_by(50)
        orphans.on_report(report(dict.fromkeys(LEFT, 1.0)))
    assert plane.removed == []
    assert len(orphans) == 3


async def test_those_that_are_idle_go(orphans: Orphans, plane: Plane) -> None:
    orphans.on_report(report({0xC1: 1.0, 0xC2: IDLE_SECONDS, 0xC3: None}))
    assert plane.removed == [(0xC2, 0xC3)]
    orphans.on_report(report({0xC1: IDLE_SECONDS}))
    assert plane.removed == [(0xC2, 0xC3), (0xC1,)]
    assert len(orphans) == 0


async def test_all_go_after_a_while(orphans: Orphans, plane: Plane, time: Time) -> None:
    time.pass_by(LONGEST_SECONDS)
    orphans.on_report(report(dict.fromkeys(LEFT, 0.0)))
    assert plane.removed == [LEFT]
    orphans.on_report(report({}))
    assert plane.removed == [LEFT]


async def test_ours_are_left_alone(orphans: Orphans, plane: Plane, time: Time) -> None:
    orphans.on_report(report({0xD1: None, 0xD2: 10 * IDLE_SECONDS}))
    orphans.on_report(InstallFailed(0xC1, "no memory"))
    time.pass_by(LONGEST_SECONDS)
    orphans.on_report(report({0xD1: None}))
    assert plane.removed == [LEFT]

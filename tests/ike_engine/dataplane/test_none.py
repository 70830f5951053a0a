from __future__ import annotations

import asyncio

from ike_engine.dataplane.databases import Databases
from ike_engine.dataplane.interface import Counters, Install, Installing, QueryCounters, Remove, Report, UpdatePath
from ike_engine.dataplane.none import NoDataPlane
from tests.ike_engine.dataplane.samples import child_sa


async def test_it_knows_what_is_installed_and_counts_nothing() -> None:
    plane = NoDataPlane()
    for spi in (1000, 1001, 1002):
        plane.submit(Install(child_sa(inbound_spi=spi), Installing.INBOUND))
        plane.submit(Install(child_sa(inbound_spi=spi), Installing.OUTBOUND))
    plane.submit(UpdatePath((1000,), child_sa().path))
    plane.submit(Remove((1001, 9999)))
    every = await plane.counters()
    assert [child.inbound_spi for child in every] == [1000, 1002]
    assert {(child.octets_in, child.packets_out, child.idle_seconds) for child in every} == {(0, 0, None)}
    assert await plane.counters((1002, 1001)) == every[1:]
    assert await plane.databases() == Databases()


async def test_a_query_is_answered_to_subscribers_and_never_at_once() -> None:
    plane = NoDataPlane()
    reports: list[Report] = []
    plane.subscribe(reports.append)
    plane.submit(Install(child_sa(), Installing.BOTH))
    plane.submit(QueryCounters())
    assert reports == []
    await asyncio.sleep(0)
    assert reports == [Counters(await plane.counters())]

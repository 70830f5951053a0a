from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ike_engine.dataplane import channel
from ike_engine.dataplane.databases import ENTRIES_PER_PART, Databases, DatabasesPart, Stock
from ike_engine.dataplane.interface import (
    ChildCounters,
    Counters,
    Expired,
    Install,
    InstallFailed,
    Installing,
    Order,
    QueryCounters,
    QueryDatabases,
    Remove,
    Report,
    Told,
)
from ike_engine.dataplane.order_messages import COUNTERS_PER_REPORT, decode, encode
from tests.ike_engine.dataplane.samples import child_sa, sad_entry, spd_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

INSTALL = Install(child_sa(), Installing.BOTH)


def some_counters(count: int) -> tuple[ChildCounters, ...]:
    return tuple(ChildCounters(1000 + number, number, 0, 0, 0, 0, 0, None) for number in range(count))


class Plane:
    """A data plane that writes down its orders and knows of some Child SAs."""

    def __init__(self, known: int = 3) -> None:
        self.orders: list[Order] = []
        self.known = some_counters(known)
        self.held = Databases()
        self.deaf_to = 0  # so many queries
        self.report: Callable[[Told], None]
        self._stock = Stock(lambda: self.held)

    def attach(self, report: Callable[[Told], None]) -> None:
        self.report = report

    def apply(self, order: Order) -> None:
        self.orders.append(replace(order, number=0) if isinstance(order, QueryCounters) else order)
        if isinstance(order, QueryCounters) and self.deaf_to:
            self.deaf_to -= 1
        elif isinstance(order, QueryCounters):
            asked = order.inbound_spis
            found = tuple(one for one in self.known if not asked or one.inbound_spi in asked)
            self.report(Counters(found, order.number))
        elif isinstance(order, QueryDatabases):
            self.report(self._stock.part(order.number, order.part))


@asynccontextmanager
async def conversation(plane: Plane) -> AsyncIterator[tuple[channel.RemoteDataPlane, channel.ServedDataPlane]]:
    ours, theirs = channel.open_pair()
    remote, served = channel.RemoteDataPlane(ours), channel.ServedDataPlane(theirs, plane)
    yield remote, served
    remote.close()
    served.close()


async def test_orders_arrive_in_order() -> None:
    plane = Plane()
    orders: list[Order] = [INSTALL, Remove((300,)), INSTALL, QueryCounters((1001,))]
    async with conversation(plane) as (remote, _):
        for order in orders:
            remote.submit(order)
        await remote.counters()
    assert plane.orders == [*orders, QueryCounters()]


async def test_reports_reach_every_subscriber() -> None:
    plane = Plane()
    async with conversation(plane) as (remote, _):
        first: list[Report] = []
        second: list[Report] = []
        remote.subscribe(first.append)
        remote.subscribe(second.append)
        reports: list[Report] = [Expired(300, hard=False), InstallFailed(301, "no room")]
        for report in reports:
            plane.report(report)
        await remote.counters()
        assert first == second == reports


async def test_each_query_gets_its_own_answer() -> None:
    async with conversation(Plane()) as (remote, _):
        published: list[Report] = []
        remote.subscribe(published.append)
        remote.submit(QueryCounters((1002,)))
        one, every = await asyncio.gather(remote.counters((1001,)), remote.counters())
        assert one == some_counters(3)[1:2]
        assert every == some_counters(3)
        assert published == [Counters(some_counters(3)[2:])]


@pytest.mark.parametrize("count", [0, COUNTERS_PER_REPORT - 1, COUNTERS_PER_REPORT, 40 * COUNTERS_PER_REPORT + 7])
async def test_an_answer_of_any_size_comes_whole(count: int) -> None:
    async with conversation(Plane(count)) as (remote, _):
        assert await remote.counters() == some_counters(count)


@pytest.mark.parametrize("count", [0, ENTRIES_PER_PART, 20 * ENTRIES_PER_PART + 7])
async def test_databases_of_any_size_come_whole_and_only_to_who_asks(count: int) -> None:
    plane = Plane()
    plane.held = Databases(
        tuple(sad_entry(spi=1000 + number) for number in range(count)),
        tuple(spd_entry(priority=number) for number in range(2 * count)),
    )
    async with conversation(plane) as (remote, _):
        published: list[Report] = []
        remote.subscribe(published.append)
        assert await remote.databases() == plane.held
        assert published == []


async def test_databases_may_be_asked_for_twice_at_once() -> None:
    plane = Plane()
    plane.held = Databases((sad_entry(),) * (3 * ENTRIES_PER_PART))
    async with conversation(plane) as (remote, _):
        assert await asyncio.gather(remote.databases(), remote.databases()) == [plane.held, plane.held]


async def test_a_part_that_nobody_asked_for_is_ignored() -> None:
    """A gateway that crashed may have asked for it."""
    plane = Plane()
    plane.held = Databases((sad_entry(),))
    async with conversation(plane) as (remote, _):
        plane.report(DatabasesPart(1, last=True, held=Databases((sad_entry(spi=1000),))))
        assert await remote.databases() == plane.held


async def test_orders_wait_for_a_data_plane_that_is_slow_to_read() -> None:
    ours, theirs = channel.open_pair()
    plane, remote = Plane(), channel.RemoteDataPlane(ours)
    for _ in range(5000):
        remote.submit(INSTALL)
    served = channel.ServedDataPlane(theirs, plane)
    await remote.counters()
    assert plane.orders == [INSTALL] * 5000 + [QueryCounters()]
    remote.close()
    served.close()


async def test_rubbish_from_a_gateway_is_refused_and_the_next_order_taken(caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = channel.open_pair()
    plane = Plane()
    served = channel.ServedDataPlane(theirs, plane)
    with caplog.at_level(logging.ERROR):
        ours.send(b"\x63rubbish")
        ours.send(encode(Expired(300, hard=True)))
        ours.send(b"")
        ours.send(encode(QueryCounters()))
        answer = decode(await asyncio.get_running_loop().sock_recv(ours, 65536))
    assert answer == Counters(plane.known)
    assert [record.getMessage() for record in caplog.records] == [
        "refused an order from the gateway: unknown kind 99",
        "refused an order from the gateway: Expired is not an order",
        "refused an order from the gateway: a datagram of 0 octets",
    ]
    ours.close()
    served.close()


async def test_a_data_plane_lets_go_of_a_channel_whose_other_end_is_gone() -> None:
    ours, theirs = channel.open_pair()
    served = channel.ServedDataPlane(theirs, Plane())
    ours.close()
    for _ in range(10):
        await asyncio.sleep(0)
    assert theirs.fileno() < 0
    served.close()


async def test_who_waits_is_told_when_the_data_plane_is_gone() -> None:
    ours, theirs = channel.open_pair()
    lost: list[bool] = []
    remote = channel.RemoteDataPlane(ours, lambda: lost.append(True))
    asking = [asyncio.ensure_future(remote.counters()), asyncio.ensure_future(remote.databases())]
    await asyncio.sleep(0)
    theirs.close()
    for each in (*asking, remote.counters(), remote.databases()):
        with pytest.raises(ConnectionError):
            await each
    remote.submit(INSTALL)
    assert lost == [True]


async def test_a_successor_is_not_given_the_answers_of_a_gateway_that_crashed() -> None:
    ours, theirs = channel.open_pair()
    first = channel.RemoteDataPlane(ours.dup())
    first.submit(QueryCounters())
    first.close()  # as far as this side goes: the keeper holds ``ours``
    plane = Plane(COUNTERS_PER_REPORT)
    served = channel.ServedDataPlane(theirs, plane)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    plane.report(Expired(300, hard=True))
    second = channel.RemoteDataPlane(ours)
    plane.known = some_counters(1)
    assert await second.counters() == some_counters(1)
    # What happened meanwhile is not lost, though nobody had subscribed.
    reports: list[Report] = []
    second.subscribe(reports.append)
    await second.counters()
    assert reports == [Expired(300, hard=True)]
    second.close()
    served.close()


async def test_reports_that_nobody_reads_do_not_stop_the_data_plane(caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = channel.open_pair()
    told: list[bool] = []
    outbox = channel.Outbox(theirs, told.append, most_octets=1 << 20)
    with caplog.at_level(logging.WARNING):
        for _ in range(5000):
            outbox.put(Counters(some_counters(100)))
    assert "lost a Counters for the gateway" in caplog.text
    assert told == [True]
    ours.close()
    outbox.flush()
    assert told == [True, False]
    theirs.close()


async def test_an_answer_that_was_lost_leaves_the_others_to_who_asked_for_them() -> None:
    """This process did not read for so long that the data plane had to choose."""
    plane = Plane(2 * COUNTERS_PER_REPORT)
    plane.deaf_to = 2
    async with conversation(plane) as (remote, _):
        published: list[Report] = []
        remote.subscribe(published.append)
        lost = asyncio.ensure_future(remote.counters())
        await asyncio.sleep(0)
        remote.submit(QueryCounters())
        assert await remote.counters((1001,)) == plane.known[1:2]
        with pytest.raises(ConnectionError, match="lost"):
            await lost
        assert published == []


async def test_nor_does_the_part_of_it_that_had_come_already() -> None:
    plane = Plane()
    plane.deaf_to = 1
    async with conversation(plane) as (remote, _):
        lost = asyncio.ensure_future(remote.counters())
        await asyncio.sleep(0)
        (number,) = remote._queries
        plane.report(Counters(plane.known, number, last=False))
        assert await remote.counters() == plane.known
        with pytest.raises(ConnectionError, match="lost"):
            await lost


def test_the_ends_of_a_channel_keep_datagrams_apart() -> None:
    ours, theirs = channel.open_pair()
    ours.send(b"one")
    ours.send(b"two")
    assert (theirs.recv(100), theirs.recv(100)) == (b"one", b"two")
    assert ours.type == socket.SOCK_SEQPACKET
    ours.close()
    theirs.close()

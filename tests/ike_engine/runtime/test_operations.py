"""The list of operations: what the privileged side accepts, and how outcomes come back."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.runtime.operations import (
    MOST_ADDRESSES,
    CountBlocked,
    Keeper,
    LetReach,
    Operation,
    OperationFailed,
    OperationsServer,
    Reach,
    RouteBehind,
    ServeNetworks,
    VirtualNetwork,
    decode,
    encode,
    open_pair,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

SERVE = ServeNetworks(
    (VirtualNetwork(IPv4Network("10.9.0.0/24"), masquerade=True), VirtualNetwork(IPv4Network("10.8.0.0/16"), False))
)

LET_REACH = LetReach(
    (
        Reach((IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.7/32")), (IPv4Network("10.9.0.1"),)),
        Reach((IPv4Network("10.3.0.0/16"),), (IPv4Network("10.9.0.2"), IPv4Network("172.20.1.0/24"))),
    ),
    (IPv4Network("10.9.0.4"),),
)

ROUTE_BEHIND = RouteBehind((VirtualNetwork(IPv4Network("172.20.1.0/24"), False),), (IPv4Network("172.20.2.0/24"),))


@asynccontextmanager
async def served(perform: Callable[[Operation], Awaitable[None]]) -> AsyncIterator[Keeper]:
    ours, theirs = open_pair()
    server, keeper = OperationsServer(theirs, perform), Keeper(ours)
    yield keeper
    keeper.close()
    await server.close()
    theirs.close()


def test_an_operation_survives_the_channel() -> None:
    assert decode(encode(7, SERVE)) == (7, SERVE)
    assert decode(encode(0, ServeNetworks(()))) == (0, ServeNetworks(()))
    for order in (LET_REACH, LetReach(), LetReach(afresh=True), ROUTE_BEHIND, RouteBehind(afresh=True), CountBlocked()):
        assert decode(encode(3, order)) == (3, order)


def test_the_list_of_addresses_and_of_what_they_reach_is_bounded() -> None:
    many = tuple(IPv4Network(0x0A09_0000 + number) for number in range(MOST_ADDRESSES))
    decode(encode(1, LetReach((), many)))
    with pytest.raises(ValueError, match="1000 is the most"):
        decode(encode(1, LetReach((Reach((IPv4Network("10.1.0.0/16"),), many),), many[:1])))
    networks = tuple(IPv4Network((0x0A00_0000 + number, 32)) for number in range(257))
    with pytest.raises(ValueError, match="not what clients may reach"):
        decode(encode(1, LetReach((Reach(networks, many[:1]),))))


@pytest.mark.parametrize(
    "refused",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"number": 1}',
        b'{"serve-networks": []}',
        b'{"number": "1", "serve-networks": []}',
        b'{"number": 1, "serve-networks": [], "then": "more"}',
        b'{"number": 1, "serve-networks": {}}',
        b'{"number": 1, "run": "/bin/sh"}',
        b'{"number": 1, "let-reach": []}',
        b'{"number": 1, "let-reach": {"limited": [], "unlimited": []}}',
        b'{"number": 1, "let-reach": {"limited": [], "unlimited": [], "afresh": 1}}',
        b'{"number": 1, "let-reach": {"limited": [], "unlimited": [], "afresh": false, "more": 1}}',
        b'{"number": 1, "let-reach": {"limited": [], "unlimited": ["10.9.0.1/24"], "afresh": false}}',
        b'{"number": 1, "route-behind": {"added": [], "removed": []}}',
        b'{"number": 1, "route-behind": {"added": ["172.20.1.0/24"], "removed": [], "afresh": false}}',
        b'{"number": 1, "route-behind": {"added": [["0.0.0.0/0", false]], "removed": [], "afresh": false}}',
        b'{"number": 1, "route-behind": {"added": [["127.0.0.0/24", false]], "removed": [], "afresh": false}}',
        b'{"number": 1, "route-behind": {"added": [], "removed": [2886729728], "afresh": false}}',
        b'{"number": 1, "count-blocked": {}}',
        b'{"number": 1, "let-reach": {"limited": [], "unlimited": [168361985], "afresh": false}}',
        b'{"number": 1, "let-reach": {"limited": [[[], ["10.9.0.1"]]], "unlimited": [], "afresh": false}}',
        b'{"number": 1, "let-reach": {"limited": [[["10.1.0.1/16"], []]], "unlimited": [], "afresh": false}}',
        b'{"number": 1, "let-reach": {"limited": [[[10], ["10.9.0.1"]]], "unlimited": [], "afresh": false}}',
    ],
)
def test_what_is_not_an_operation_is_refused(refused: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(refused)


@pytest.mark.parametrize(
    "network",
    [
        ["10.9.0.0/24"],
        ["10.9.0.0/24", 1],
        [167_772_160, True],
        ["10.9.0.1/24", True],  # host bits
        ["fd00::/64", True],
        ["0.0.0.0/0", True],
        ["10.0.0.0/7", True],
        ["127.0.0.0/24", True],
        ["224.0.0.0/8", True],
        ["169.254.1.0/24", True],
        "10.9.0.0/24",
        None,
    ],
)
def test_a_harmful_or_malformed_network_is_refused(network: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(json.dumps({"number": 1, "serve-networks": [network]}).encode())


def test_the_list_of_networks_is_bounded() -> None:
    networks = [["10.9.0.0/24", True]] * 1_025
    with pytest.raises(ValueError, match="1024 is the most"):
        decode(json.dumps({"number": 1, "serve-networks": networks}).encode())


async def test_operations_are_done_in_order_one_after_the_other() -> None:
    done: list[Operation] = []

    async def perform(operation: Operation) -> None:
        await asyncio.sleep(0)
        done.append(operation)

    async with served(perform) as keeper:
        await asyncio.gather(keeper.perform(SERVE), keeper.perform(ServeNetworks(())))
    assert done == [SERVE, ServeNetworks(())]


@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError("nft: no such table"), "nft: no such table"), (KeyError("x"), "unexpected KeyError in the keeper")],
)
async def test_a_failure_comes_back_in_words_and_the_next_operation_is_done(error: Exception, words: str) -> None:
    failures = [error]

    async def perform(_operation: Operation) -> None:
        if failures:
            raise failures.pop()

    async with served(perform) as keeper:
        with pytest.raises(OperationFailed, match=words):
            await keeper.perform(SERVE)
        await keeper.perform(SERVE)


async def test_rubbish_costs_nothing_but_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def perform(_operation: Operation) -> None:
        pass

    async with served(perform) as keeper:
        for rubbish in (b"rm -rf /", b"[" * 60_000, b""):
            keeper._end.send(rubbish)
        async with asyncio.timeout(60):
            await keeper.perform(SERVE)
    assert "refused what is not an operation" in caplog.text


async def test_rubbish_without_end_leaves_the_keeper_time_for_others() -> None:
    done, turns = asyncio.Event(), 0

    async def perform(_operation: Operation) -> None:
        done.set()

    async with served(perform) as keeper:
        for _ in range(40):
            keeper._end.send(b"rubbish")
        keeper._end.send(encode(1, SERVE))
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)
    assert turns >= 40


async def test_an_outcome_meant_for_a_crashed_gateway_is_not_ours() -> None:
    async def perform(operation: Operation) -> None:
        if operation == ServeNetworks(()):
            raise OSError("told to the dead")

    async with served(perform) as keeper:
        keeper._end.send(encode(1, ServeNetworks(())))
        await keeper.perform(SERVE)


async def test_who_waits_is_told_when_the_keeper_goes() -> None:
    ours, theirs = open_pair()
    keeper = Keeper(ours)
    asking = asyncio.create_task(keeper.perform(SERVE))
    await asyncio.sleep(0)
    theirs.close()
    with pytest.raises(OperationFailed, match="the keeper is gone"):
        await asking
    with pytest.raises(OperationFailed, match="cannot be reached"):
        await keeper.perform(SERVE)

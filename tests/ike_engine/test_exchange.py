"""The nine rules of the runner, each by its number in ``ike_engine.exchange``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.actions import Ask, Question, Transmit, Withdraw
from ike_engine.errors import AuthenticationFailed, IkeError, Malformed, TimedOut
from ike_engine.exchange import LONGEST_PARKED, OWNED, PARKED, REPEATS, Exchange, Incident, Opened
from ike_engine.ikev1.messages import AggressiveMode3, QuickMode3
from ike_engine.ikev1.payloads import Hash
from ike_engine.timers import Timer, Timers
from tests.ike_engine.network import path

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ike_engine.path import Path
    from ike_engine.wire.shapes import Message

PATH = path()


@dataclass(frozen=True)
class Verdict(Question[bool]):
    """Something to ask."""


class Ground:
    """A host whose clock we turn, and a transport on which a datagram is the data of a HASH payload."""

    def __init__(self, *, authentic: bool = False) -> None:
        self.now = 0.0
        self.retransmit_seconds = (1.0, 2.0, 4.0)
        self.outputs: list[Any] = []
        self.asked: dict[int, Exchange] = {}
        self.timers = Timers()
        self.authentic = authentic
        self.taken: list[bytes] = []
        self.incidents: list[tuple[Incident, str]] = []

    # the host
    def emit(self, output: object) -> None:
        self.outputs.append(output)

    def schedule(self, at: float, action: Callable[[], None]) -> Timer:
        return self.timers.set(at, action)

    def register_ask(self, exchange: Exchange) -> int:
        self.asked[len(self.asked) + 1] = exchange
        return len(self.asked)

    def forget_ask(self, ask_id: int) -> None:
        self.asked.pop(ask_id, None)

    # the transport
    def seal(self, message: Message) -> list[Transmit]:
        assert isinstance(message, AggressiveMode3)
        return [Transmit(message.proof.data, PATH)]

    def open(self, data: bytes, where: Path) -> Opened:
        assert where == PATH
        if data.startswith(b"rubbish"):
            raise Malformed("rubbish")
        return Opened((Hash(data=data),), authentic=self.authentic, take=lambda: self.taken.append(data))

    def happened(self, incident: Incident, words: str = "") -> None:
        self.incidents.append((incident, words))

    # the test
    def pass_seconds(self, seconds: float) -> None:
        end = self.now + seconds
        while (moment := self.timers.next()) is not None and moment <= end:
            self.now = moment
            while (action := self.timers.due(self.now)) is not None:
                action()
        self.now = end

    def sent(self) -> list[bytes]:
        """What was transmitted since the last look."""
        found = [output.data for output in self.outputs if isinstance(output, Transmit)]
        self.outputs.clear()
        return found


def say(text: bytes) -> AggressiveMode3:
    return AggressiveMode3(proof=Hash(data=text))


def begin(
    ground: Ground,
    run: Callable[[Exchange], Coroutine[object, Any, Any]],
    *,
    retransmissions: int = OWNED,
    deadline: float = 30.0,
) -> tuple[Exchange, list[object], list[IkeError]]:
    finished: list[object] = []
    failed: list[IkeError] = []
    exchange = Exchange(
        ground,
        ground,
        name="a test",
        retransmissions=retransmissions,
        deadline_seconds=deadline,
        finished=finished.append,
        failed=failed.append,
    )
    exchange.start(run(exchange))
    return exchange, finished, failed


async def two_rounds(x: Exchange) -> str:
    x.send(say(b"one"))
    await x.receive(AggressiveMode3)
    x.send(say(b"two"))
    x.send(say(b"two, more"))
    await x.receive(AggressiveMode3)
    return "done"


def test_1_the_timer_resends_a_volley_and_a_duplicate_earns_what_followed_it() -> None:
    ground = Ground()
    exchange, finished, _ = begin(ground, two_rounds)
    assert ground.sent() == [b"one"]
    ground.pass_seconds(1.0)
    assert ground.sent() == [b"one"]
    exchange.on_datagram(b"a", PATH)
    assert ground.sent() == [b"two", b"two, more"]
    exchange.on_datagram(b"a", PATH)
    assert ground.sent() == [b"two", b"two, more"]
    exchange.on_datagram(b"b", PATH)
    assert finished == ["done"]
    exchange.on_datagram(b"b", PATH)
    assert ground.sent() == []  # nothing was sent since: duplicates would answer duplicates for ever
    exchange.on_datagram(b"a", PATH)
    assert ground.sent() == [b"two", b"two, more"]


def test_1_nobody_is_flooded_by_duplicates() -> None:
    ground = Ground()
    exchange, _, _ = begin(ground, two_rounds, retransmissions=0)
    exchange.on_datagram(b"first", PATH)
    ground.sent()
    for _ in range(1_000):
        exchange.on_datagram(b"first", PATH)
    assert ground.sent() == [b"two", b"two, more"] * REPEATS


def test_2_who_owns_the_timer_is_a_property_of_the_exchange() -> None:
    for retransmissions, count in ((0, 0), (2, 2), (OWNED, 3)):
        ground = Ground()
        begin(ground, two_rounds, retransmissions=retransmissions)
        ground.sent()
        ground.pass_seconds(20.0)
        assert ground.sent() == [b"one"] * count


def test_3_rubbish_never_kills_an_exchange() -> None:
    ground = Ground()

    def proof(message: AggressiveMode3) -> None:
        if message.proof.data != b"good":
            raise AuthenticationFailed("not good")

    async def once(x: Exchange) -> None:
        await x.receive(AggressiveMode3, proof=proof)

    exchange, finished, failed = begin(ground, once)
    exchange.on_datagram(b"rubbish", PATH)
    exchange.on_datagram(b"bad", PATH)
    assert (exchange.dropped, str(exchange.last_drop), ground.taken) == (2, "not good", [])
    exchange.on_datagram(b"good", PATH)
    assert (finished, failed) == ([None], [])


def test_3_but_who_holds_the_keys_is_held_to_what_it_says() -> None:
    ground = Ground(authentic=True)

    async def once(x: Exchange) -> None:
        await x.receive(QuickMode3)

    exchange, _, failed = begin(ground, once)
    exchange.on_datagram(b"a HASH has no place in this shape", PATH)
    assert isinstance(failed[0], Malformed)


async def ask_then_answer(x: Exchange) -> object:
    await x.receive(AggressiveMode3)
    verdict = await x.ask(Verdict())
    x.send(say(b"verdict"))
    await x.receive(AggressiveMode3)
    return verdict


def test_4_while_asking_duplicates_are_silent_and_few_messages_are_parked() -> None:
    ground = Ground()
    exchange, finished, _ = begin(ground, ask_then_answer)
    exchange.on_datagram(b"a", PATH)
    assert isinstance(ground.outputs.pop(), Ask)
    exchange.on_datagram(b"a", PATH)
    exchange.on_datagram(bytes(LONGEST_PARKED + 1), PATH)
    for number in range(2 * PARKED):
        exchange.on_datagram(b"early %d" % number, PATH)
    assert ground.sent() == []
    assert len(exchange._parked) == PARKED
    exchange.on_answer(1, value=True)
    assert ground.sent() == [b"verdict"]
    assert finished == [True]
    assert ground.taken == [b"a", b"early 0"]


def test_5_every_exchange_has_a_deadline_and_then_the_undo_stack_runs() -> None:
    ground = Ground()
    undone: list[str] = []

    async def careful(x: Exchange) -> None:
        x.on_failure(lambda: undone.append("first"))
        x.on_failure(lambda: undone.append("second"))
        await x.ask(Verdict())

    _, _, failed = begin(ground, careful, deadline=5.0)
    ground.pass_seconds(4.9)
    assert not failed
    ground.pass_seconds(0.2)
    assert isinstance(failed[0], TimedOut)
    assert undone == ["second", "first"]
    assert isinstance(ground.outputs[-1], Withdraw)
    assert not ground.asked


def test_6_an_answer_that_comes_too_late_is_ignored() -> None:
    ground = Ground()
    exchange, finished, failed = begin(ground, lambda x: x.ask(Verdict()), deadline=5.0)
    ground.pass_seconds(6.0)
    exchange.on_answer(1, value=True)
    assert finished == []
    assert len(failed) == 1


def test_7_failure_is_reported_once_with_what_went_wrong() -> None:
    ground = Ground()

    async def refuse(x: Exchange) -> None:
        await x.receive(AggressiveMode3)
        raise AuthenticationFailed("no")

    exchange, _, failed = begin(ground, refuse)
    exchange.on_datagram(b"a", PATH)
    exchange.on_datagram(b"b", PATH)
    assert [error.notify for error in failed] == [24]


def test_7_a_bug_is_a_failure_that_leaves_nothing_behind() -> None:
    undone: list[str] = []

    async def stumble(x: Exchange) -> None:
        x.on_failure(lambda: undone.append("undone"))
        await x.receive(AggressiveMode3)
        raise ZeroDivisionError

    ground = Ground()
    exchange, _, failed = begin(ground, stumble)
    with pytest.raises(ZeroDivisionError):
        exchange.on_datagram(b"hello", PATH)
    assert exchange.done
    assert undone == ["undone"]
    assert str(failed[0]) == "a test: unexpected ZeroDivisionError; see the log"
    ground.pass_seconds(100)
    assert len(failed) == 1


def test_7_so_is_a_bug_of_who_was_waiting_for_the_result() -> None:
    def stumble(_: object) -> None:
        raise ZeroDivisionError

    ground = Ground()
    failed: list[IkeError] = []
    forgotten: list[str] = []
    exchange = Exchange(
        ground,
        ground,
        name="a test",
        retransmissions=OWNED,
        deadline_seconds=30.0,
        finished=stumble,
        failed=failed.append,
        forgotten=lambda: forgotten.append("forgotten"),
    )
    exchange.start(two_rounds(exchange))
    exchange.on_datagram(b"first", PATH)
    with pytest.raises(ZeroDivisionError):
        exchange.on_datagram(b"second", PATH)
    assert str(failed[0]) == "a test: unexpected ZeroDivisionError; see the log"
    ground.pass_seconds(100)
    assert forgotten == ["forgotten"]


def test_8_a_finished_exchange_lingers_one_retransmission_span() -> None:
    ground = Ground()
    forgotten: list[bool] = []

    async def last_word(x: Exchange) -> None:
        await x.receive(AggressiveMode3)
        x.send(say(b"last"))

    exchange = Exchange(
        ground,
        ground,
        name="a test",
        retransmissions=0,
        deadline_seconds=30.0,
        forgotten=lambda: forgotten.append(True),
    )
    exchange.start(last_word(exchange))
    exchange.on_datagram(b"a", PATH)
    ground.sent()
    ground.pass_seconds(6.9)
    exchange.on_datagram(b"a", PATH)
    assert ground.sent() == [b"last"]
    ground.pass_seconds(0.2)
    assert forgotten == [True]
    exchange.on_datagram(b"a", PATH)
    assert ground.sent() == []


def test_a_coroutine_may_wait_for_messages_and_answers_only() -> None:
    class Other:
        def __await__(self) -> Any:
            yield "something else"

    async def stray(_: Exchange) -> None:
        await Other()

    with pytest.raises(TypeError, match="only receive"):
        begin(Ground(), stray)


def test_a_shorter_schedule_in_mid_exchange_is_for_the_next() -> None:
    ground = Ground()
    begin(ground, two_rounds)
    ground.pass_seconds(1.5)
    ground.sent()
    ground.retransmit_seconds = (1.0,)
    ground.pass_seconds(20.0)
    assert ground.sent() == [b"one", b"one"]


def test_a_discarded_exchange_undoes_and_leaves_no_moment_behind() -> None:
    ground = Ground()
    undone: list[str] = []

    async def careful(x: Exchange) -> None:
        x.on_failure(lambda: undone.append("installed"))
        await x.ask(Verdict())

    exchange, finished, failed = begin(ground, careful)
    exchange.discard()
    assert undone == ["installed"]
    assert isinstance(ground.outputs[-1], Withdraw)
    assert (finished, failed) == ([], [])
    assert ground.timers.next() is None


def test_an_exchange_discarded_while_it_lingers_answers_no_more() -> None:
    ground = Ground()
    exchange, finished, _ = begin(ground, two_rounds)
    exchange.on_datagram(b"a", PATH)
    exchange.on_datagram(b"b", PATH)
    assert finished == ["done"]
    exchange.discard()
    ground.sent()
    exchange.on_datagram(b"a", PATH)
    assert ground.sent() == []
    assert ground.timers.next() is None


def test_only_a_new_and_believed_message_counts_as_taken() -> None:
    ground = Ground()
    exchange, _, _ = begin(ground, ask_then_answer)
    assert not exchange.on_datagram(b"rubbish", PATH)
    assert exchange.on_datagram(b"a", PATH)
    assert not exchange.on_datagram(b"a", PATH)
    assert not exchange.on_datagram(b"parked", PATH)

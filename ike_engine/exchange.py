"""The runner that exchanges are coroutines on: send, receive, ask, undo.

An exchange is one ``async def`` that reads like its RFC diagram. It may await two things only, a
message (``receive``) and an answer (``ask``); there is no event loop underneath. The rules, each
with a test of its name:

1. A volley is what was sent since the last message was taken. The timer re-sends it; a duplicate
   earns only what was sent since the message that it duplicates was taken, and not more often than any peer repeats
   itself: who has nothing but one message with a stranger's address must not have the stranger flooded.
2. Who owns the timer is a property of the exchange (``retransmissions``, 0 for the peer).
3. Rubbish never kills an exchange: before a message is authenticated, what does not fit is counted
   and dropped. The last reason is remembered for the administrator.
4. While asking, duplicates are silent and at most 4 messages, none of them long, are parked.
5. Every exchange has a deadline; when it passes, asks are withdrawn and the undo stack runs.
6. An answer that comes too late is ignored.
7. Failure maps once, from exception class to notify: by whoever started the exchange, in ``failed``. A bug of ours
   is a failure as well, before it is reported as what it is.
8. A finished exchange lingers one retransmission span to answer duplicates.
9. Nothing is allocated before the peer proved that it receives, beyond caps (the endpoint's).
"""

from __future__ import annotations

import enum
import hashlib
import types
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

from ike_engine.actions import Ask, Output, Question, Transmit, Withdraw
from ike_engine.errors import IkeError, Malformed, TimedOut
from ike_engine.wire.shapes import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from ike_engine.path import Path
    from ike_engine.timers import Timer
    from ike_engine.wire.chain import Payload

T = TypeVar("T")
M = TypeVar("M", bound=Message)

PARKED = 4
LONGEST_PARKED = 4_096
"""Octets of a message that came too early: nobody knows yet who wrote it."""
REMEMBERED = 3
REPEATS = 16
"""How many duplicates of one message are answered at most; clients give up after five to ten."""
OWNED = 255
"""``retransmissions`` of an exchange whose timer is ours: as often as the host's waits allow."""


class Host(Protocol):
    """What an exchange needs around it; the endpoint is one."""

    now: float
    retransmit_seconds: tuple[float, ...]

    def emit(self, output: Output) -> None:
        """Append to the one ordered output queue."""

    def schedule(self, at: float, action: Callable[[], None]) -> Timer:
        """Call ``action`` at ``at``."""

    def register_ask(self, exchange: Exchange) -> int:
        """Draw the number under which an answer will come."""

    def forget_ask(self, ask_id: int) -> None:
        """The answer is no longer wanted."""


@dataclass(slots=True)
class Opened:
    """A datagram that was read.

    Attributes:
        payloads: In the order received.
        authentic: Proved to come from who holds the keys; failures after that are the peer's own.
        take: Called once the message is taken: moves the IV chain and the path.
        suits: Whether a shape may come the way that this datagram came (encrypted or clear).
    """

    payloads: tuple[Payload, ...]
    authentic: bool
    take: Callable[[], None]
    suits: Callable[[type[Message]], bool] = lambda _: True


class Incident(enum.Enum):
    """What may become of a message besides being taken once."""

    REPEATED = "we sent it again"
    DUPLICATE = "the peer sent it again"
    DROPPED = "it was not believed"


class Transport(Protocol):
    """Turns messages into datagrams and back under the keys of an SA."""

    def seal(self, message: Message) -> list[Transmit]:
        """Encode, authenticate and encrypt ``message``."""

    def open(self, data: bytes, path: Path) -> Opened:
        """Read a datagram without changing any state.

        Raises:
            IkeError: it is not readable or not authentic.
        """

    def happened(self, incident: Incident, words: str = "") -> None:
        """Note what became of a message, for the transcript."""


@dataclass(slots=True)
class _Taken:
    """A message that was taken, what was sent since, and how often that was said again."""

    digest: bytes
    replies: list[Transmit]
    repeats: int = 0


class _AwaitMessage(NamedTuple):
    shapes: tuple[type[Message], ...]
    proof: Callable[[Any], None] | None


class _AwaitAnswer(NamedTuple):
    ask_id: int


@types.coroutine
def _suspend(step: object) -> Generator[object, Any, Any]:
    return (yield step)


def park(parked: list[tuple[bytes, Path]], data: bytes, path: Path) -> None:
    """Keep a datagram for later, unless there are enough, or it is long, or it is there already."""
    if len(parked) < PARKED and len(data) <= LONGEST_PARKED and all(data != other for other, _ in parked):
        parked.append((data, path))


class Exchange:
    """One run of one exchange.

    Args:
        host: The endpoint.
        transport: Under which keys it runs; the coroutine may change its settings on the way.
        name: For logs and refusals, as the RFC names it.
        retransmissions: How often the timer re-sends a volley at most; 0 when the peer owns the timer.
        deadline_seconds: How long all of it may take.
        finished: Called with the coroutine's result.
        failed: Called with the error after the undo stack has run.
        forgotten: Called when the lingering ends and the exchange can be dropped from its SA.

    Attributes:
        done: It runs no more.
        taken: How many messages were taken; one that began with rubbish may be thrown away.
        dropped: How many were not believed, and in ``last_drop`` why the last of them.
    """

    def __init__(
        self,
        host: Host,
        transport: Transport,
        *,
        name: str,
        retransmissions: int,
        deadline_seconds: float,
        finished: Callable[[Any], None] | None = None,
        failed: Callable[[IkeError], None] | None = None,
        forgotten: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.done = False
        self.taken = 0
        self._started = False
        self.dropped = 0
        self.last_drop: IkeError | None = None
        self._host = host
        self._transport = transport
        self._waits = host.retransmit_seconds  # a new policy must not shorten it under our feet
        self._retransmissions = min(retransmissions, len(self._waits))
        self._finished, self._failed, self._forgotten = finished, failed, forgotten
        self._coroutine: Coroutine[object, Any, Any] | None = None
        self._waiting: _AwaitMessage | _AwaitAnswer | None = None
        self._volley: list[Transmit] = []
        self._taken: deque[_Taken] = deque(maxlen=REMEMBERED)
        self._parked: list[tuple[bytes, Path]] = []
        self._undo: list[Callable[[], None]] = []
        self._attempt = 0
        self._timer: Timer | None = None
        self._lingering: Timer | None = None
        self._deadline = host.schedule(host.now + deadline_seconds, self._expire)

    # ---- the vocabulary of a coroutine --------------------------------------------------------

    def send(self, message: Message) -> None:
        """Send ``message`` at once; it joins the volley."""
        for transmit in self._transport.seal(message):
            self._volley.append(transmit)
            if self._taken:
                self._taken[-1].replies.append(transmit)
            self._host.emit(transmit)

    async def receive(self, *shapes: type[M], proof: Callable[[M], None] | None = None) -> M:
        """Wait for a message of one of these shapes.

        Args:
            shapes: Tried in order.
            proof: Raises ``IkeError`` when the message does not prove what it must. An unauthenticated
                message that fails it is dropped like any other rubbish.
        """
        return cast("M", await _suspend(_AwaitMessage(shapes, proof)))

    async def ask(self, question: Question[T]) -> T:
        """Wait for the outside to answer."""
        ask_id = self._host.register_ask(self)
        self._host.emit(Ask(ask_id, question))
        return cast("T", await _suspend(_AwaitAnswer(ask_id)))

    def on_failure(self, action: Callable[[], None]) -> None:
        """Push ``action`` on the undo stack: it runs if the exchange fails from here on."""
        self._undo.append(action)

    def allow(self, seconds: float) -> None:
        """Move the deadline to ``seconds`` from now (a user is typing)."""
        self._deadline.cancel()
        self._deadline = self._host.schedule(self._host.now + seconds, self._expire)

    # ---- the runner -----------------------------------------------------------------------------

    @property
    def asking(self) -> bool:
        """Whether an answer is awaited."""
        return isinstance(self._waiting, _AwaitAnswer)

    def repeat(self) -> None:
        """Send the last volley again, also when all is done: nobody else would if its last message got lost."""
        self._repeat_volley()

    def turn(self, transport: Transport) -> None:
        """Go on under another message id: the next transaction of the same conversation."""
        self._transport = transport

    def prepare(self, coroutine: Coroutine[object, Any, Any]) -> None:
        """Give the exchange what it runs; ``resume`` or the first datagram starts it."""
        self._coroutine = coroutine

    def resume(self) -> None:
        """Run up to the first wait."""
        self._started = True
        self._step(None)

    def start(self, coroutine: Coroutine[object, Any, Any]) -> None:
        """``prepare`` and ``resume``."""
        self.prepare(coroutine)
        self.resume()

    def discard(self) -> None:
        """Drop it: nobody hears of it and nothing lingers, but what it began is undone."""
        if not self.done:
            if isinstance(self._waiting, _AwaitAnswer):
                self._host.forget_ask(self._waiting.ask_id)
                self._host.emit(Withdraw(self._waiting.ask_id))
            if self._coroutine is not None:
                self._coroutine.close()
            self._stop()
            self._run_undo()
        if self._lingering is not None:
            self._lingering.cancel()
        self._taken.clear()

    def on_datagram(self, data: bytes, path: Path) -> bool:
        """A datagram for this exchange came in; the first one starts a prepared exchange.

        Returns:
            Whether it was taken: new and believed, neither a duplicate nor parked nor dropped.
        """
        if not self._started:
            self.resume()
        digest = hashlib.blake2b(data, digest_size=16).digest()
        for taken in self._taken:
            if taken.digest == digest:
                self._transport.happened(Incident.DUPLICATE)
                if not self.asking and taken.repeats < REPEATS:
                    taken.repeats += 1
                    for transmit in taken.replies:
                        self._host.emit(transmit)
                return False
        if self.done:
            return False
        if not isinstance(self._waiting, _AwaitMessage):
            park(self._parked, data, path)
            return False
        try:
            opened = self._transport.open(data, path)
        except IkeError as error:
            self._drop(error)
            return False
        try:
            message = self._match(opened, self._waiting)
        except IkeError as error:
            if not opened.authentic:
                self._drop(error)
                return False
            opened.take()
            self._throw(error)
            return True
        opened.take()
        self.taken += 1
        self._taken.append(_Taken(digest, []))
        self._volley = []
        self._step(message)
        return True

    def on_answer(self, ask_id: int, value: object) -> None:
        """The answer to an ask came; one that is not awaited any more is ignored."""
        if isinstance(self._waiting, _AwaitAnswer) and self._waiting.ask_id == ask_id:
            self._step(value)

    # ---- inside ---------------------------------------------------------------------------------

    @staticmethod
    def _match(opened: Opened, waiting: _AwaitMessage) -> Message:
        failure: Malformed | None = None
        for shape in waiting.shapes:
            if not opened.suits(shape):
                failure = Malformed(f"{shape.__name__}: clear where it must be encrypted, or the other way round")
                continue
            try:
                message = shape.match(opened.payloads)
            except Malformed as error:
                failure = error
                continue
            if waiting.proof is not None:
                waiting.proof(message)
            return message
        raise failure or Malformed("no shape")

    def _drop(self, error: IkeError) -> None:
        self.dropped += 1
        self.last_drop = error
        self._transport.happened(Incident.DROPPED, str(error))

    def _step(self, value: object) -> None:
        self._run(lambda coroutine: coroutine.send(value))

    def _throw(self, error: IkeError) -> None:
        if isinstance(self._waiting, _AwaitAnswer):
            self._host.forget_ask(self._waiting.ask_id)
            self._host.emit(Withdraw(self._waiting.ask_id))
        self._run(lambda coroutine: coroutine.throw(error))

    def _run(self, resume: Callable[[Coroutine[object, Any, Any]], object]) -> None:
        if self._coroutine is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._attempt, self._waiting = 0, None
        try:
            waiting = resume(self._coroutine)
        except StopIteration as stop:
            self._conclude(stop.value)
            return
        except IkeError as error:
            self._fail(error)
            return
        except Exception as error:
            self._fail(self._unforeseen(error))
            raise
        if not isinstance(waiting, _AwaitMessage | _AwaitAnswer):
            raise TypeError(f"{self.name} awaited {waiting!r}: only receive() and ask()")
        self._waiting = waiting
        if isinstance(waiting, _AwaitMessage):
            self._arm()
            while self._parked and isinstance(self._waiting, _AwaitMessage):
                self.on_datagram(*self._parked.pop(0))

    def _arm(self) -> None:
        if not self._volley or self._attempt >= self._retransmissions:
            return  # the deadline speaks the last word
        self._timer = self._host.schedule(self._host.now + self._waits[self._attempt], self._retransmit)

    def _retransmit(self) -> None:
        self._attempt += 1
        self._repeat_volley()
        self._arm()

    def _repeat_volley(self) -> None:
        if self._volley:
            self._transport.happened(Incident.REPEATED)
        for transmit in self._volley:
            self._host.emit(transmit)

    def _expire(self) -> None:
        if self.done:
            return
        heard = f"; last message dropped: {self.last_drop}" if self.last_drop else ""
        if self.asking:
            heard = "; the answer to a question did not come in time"
        error = TimedOut(f"{self.name}: the peer stopped answering{heard}")
        error.__cause__ = self.last_drop  # which may say more than that time has passed
        self._throw(error)

    def _conclude(self, value: object) -> None:
        self._end()
        if self._finished is None:
            return
        try:
            self._finished(value)
        except Exception as error:
            self._fail(self._unforeseen(error))
            raise

    def _unforeseen(self, error: Exception) -> IkeError:
        """What a bug is to everybody else: whoever can provoke it must not hold anything by it for ever."""
        return IkeError(f"{self.name}: unexpected {type(error).__name__}; see the log")

    def _fail(self, error: IkeError) -> None:
        self._end()
        self._run_undo()
        if self._failed is not None:
            self._failed(error)

    def _run_undo(self) -> None:
        while self._undo:
            self._undo.pop()()

    def _stop(self) -> None:
        """No more steps: stop the clock."""
        self.done = True
        self._deadline.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._parked.clear()
        self._coroutine = None

    def _end(self) -> None:
        """No more steps, but duplicates are answered for a while."""
        self._stop()
        if self._lingering is None:
            self._lingering = self._host.schedule(self._host.now + sum(self._waits), self._forget)

    def _forget(self) -> None:
        self._taken.clear()
        if self._forgotten is not None:
            self._forgotten()

"""A shard on a stage: an endpoint that does what a test wrote down, and a world that notes what is done to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ike_engine.path import Address, Path
from ike_engine.runtime.shard import Shard
from ike_engine.runtime.udp import UdpSocket, bind

if TYPE_CHECKING:
    from ike_engine.actions import (
        Command,
        Output,
        Question,
    )
    from ike_engine.dataplane.interface import (
        ChildCounters,
        Order,
        Report,
    )
    from ike_engine.events import Event

PATH = Path(Address("127.0.0.1", 500), Address("192.0.2.1", 500), nat_t=False)


class Clockwork(asyncio.SelectorEventLoop):
    """An event loop whose clock a test can put forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    async def forward(self, seconds: float) -> None:
        """Let ``seconds`` pass at once and run what became due."""
        self.ahead += seconds
        for _ in range(3):
            await asyncio.sleep(0)


class ScriptedEndpoint:
    """Does what the test wrote down for each thing that comes in, and notes what came in."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.due: float | None = None
        self.taken: list[object] = []
        self.answers: dict[int, Any] = {}
        self.on: dict[object, Callable[[], None]] = {}

    def _take(self, thing: object) -> None:
        self.taken.append(thing)
        if (act := self.on.get(thing)) is not None:
            act()

    def receive_datagram(self, data: bytes, path: Path, now: float) -> None:
        del path, now
        self._take(data)

    def answer(self, ask_id: int, value: Any, now: float) -> None:
        del now
        self.answers[ask_id] = value
        self._take(("answer", ask_id))

    def handle_timer(self, now: float) -> None:
        assert self.due is not None
        assert now >= self.due
        self.due = None
        self._take("timer")

    def command(self, command: Command, now: float) -> None:
        del now
        self._take(command)

    def report(self, report: Report, now: float) -> None:
        del now
        self._take(report)

    def take_outputs(self) -> list[Output]:
        outputs, self.outputs = self.outputs, []
        return outputs

    def next_timer(self) -> float | None:
        return self.due


class RecordingDataPlane:
    """Notes orders; reports when the test says so, or from within ``submit``."""

    def __init__(self, done: list[object]) -> None:
        self._done = done
        self.receive: Callable[[Report], None] = lambda _: None
        self.replies: dict[Order, Report] = {}

    def submit(self, order: Order) -> None:
        self._done.append(order)
        if (report := self.replies.get(order)) is not None:
            self.receive(report)

    def subscribe(self, receive: Callable[[Report], None]) -> None:
        self.receive = receive

    async def counters(self, inbound_spis: tuple[int, ...] = ()) -> tuple[ChildCounters, ...]:
        del inbound_spis
        return ()


class RecordingSocket(UdpSocket):
    """A bound socket that notes what it would send."""

    def __init__(self, done: list[object], *, nat_t: bool) -> None:
        super().__init__(bind(Address("127.0.0.1", 0)), nat_t=nat_t)
        self._done = done

    def send(self, message: bytes, path: Path) -> None:
        assert path.nat_t == self.nat_t
        self._done.append((message, path))


class Stage:
    """A shard with its scripted endpoint; ``done`` is everything it did to the world, in order."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        assert isinstance(self.loop, Clockwork)
        self.clock: Clockwork = self.loop
        self.done: list[object] = []
        self.endpoint = ScriptedEndpoint()
        self.data_plane = RecordingDataPlane(self.done)
        self.plain = RecordingSocket(self.done, nat_t=False)
        self.asked: asyncio.Queue[tuple[Question[Any], asyncio.Future[Any]]] = asyncio.Queue()
        self.shard = Shard(
            self.endpoint,
            plain=self.plain,
            nat_t=RecordingSocket(self.done, nat_t=True),
            data_plane=self.data_plane,
            answer=self._answer,
            on_event=self._on_event,
        )

    async def _answer(self, question: Question[Any]) -> Any:
        answer: asyncio.Future[Any] = self.loop.create_future()
        self.asked.put_nowait((question, answer))
        return await answer

    def _on_event(self, event: Event) -> None:
        self.done.append(event)

    def tell(self, data: bytes) -> None:
        """Have the shard receive ``data``, as its socket would deliver it."""
        self.shard._on_datagram(data, PATH)

    def say(self, *outputs: Output) -> Callable[[], None]:
        """Give an act of the endpoint that adds ``outputs``."""
        return lambda: self.endpoint.outputs.extend(outputs)


Scene = Callable[[Stage], Awaitable[None]]


def play(scene: Scene) -> None:
    async def on_stage() -> None:
        stage = Stage()
        stage.shard.start()
        try:
            await scene(stage)
        finally:
            await stage.shard.close()

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(on_stage())

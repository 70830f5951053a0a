"""Two endpoints over a seeded terrible network on virtual time."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ike_engine.actions import (
    Accepted,
    Ask,
    Authenticate,
    Challenge,
    Command,
    Configure,
    InstallBoth,
    InstallInbound,
    InstallOutbound,
    MoveChildren,
    Refused,
    Rejected,
    RemoveChildren,
    Transmit,
    Withdraw,
)
from ike_engine.endpoint import Endpoint
from ike_engine.events import DatagramDropped
from ike_engine.path import Address, Path

if TYPE_CHECKING:
    from collections.abc import Callable

    from ike_engine.child_sa import ChildSa
    from ike_engine.policy import Policy

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Station:
    """An endpoint with what surrounds it: answers, the Child SAs it installed, its events."""

    def __init__(self, name: str, policy: Policy, seed: int) -> None:
        self.name = name
        entropy = random.Random(f"{name}{seed}")
        self.endpoint = Endpoint(policy, entropy=entropy.randbytes, wall_clock=lambda: NOW)
        self.inbound: dict[int, ChildSa] = {}
        self.outbound: dict[int, ChildSa] = {}
        self.events: list[Any] = []
        self.dropped: list[str] = []
        self.sent: list[bytes] = []
        self.open_asks: dict[int, Any] = {}
        self.moves: list[MoveChildren] = []
        self.installs: list[Any] = []
        self.answer: Callable[[Any], Any] = lambda question: Rejected(f"no answer to {question!r}")
        self.answer_seconds = 0.0

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def one(self, kind: type) -> Any:
        (event,) = self.of(kind)
        return event


@dataclass
class Weather:
    """What the network does to a datagram. Delays in seconds."""

    loss: float = 0.0
    duplication: float = 0.0
    corruption: float = 0.0
    delay: float = 0.02
    jitter: float = 0.0


@dataclass
class Network:
    """Carries datagrams between stations by address; a hook may translate or swallow them (a NAT, an attacker)."""

    seed: int = 0
    weather: Weather = field(default_factory=Weather)

    def __post_init__(self) -> None:
        self.now = 1000.0
        self.random = random.Random(self.seed)
        self.stations: list[Station] = []
        self.at: dict[str, Station] = {}
        self.hook: Callable[[Station, bytes, Path], tuple[bytes, Path] | None] = lambda _, data, path: (data, path)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def add(self, station: Station, *addresses: str) -> Station:
        self.stations.append(station)
        for address in addresses:
            self.at[address] = station
        return station

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._order), action))

    def command(self, station: Station, command: Command) -> None:
        station.endpoint.command(command, self.now)
        self._collect(station)

    def deliver(self, station: Station, data: bytes, path: Path) -> None:
        station.endpoint.receive_datagram(data, path, self.now)
        self._collect(station)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Go on for so many virtual seconds, or until something is so."""
        end = self.now + seconds
        while not until():
            timers = [(t, s) for s in self.stations if (t := s.endpoint.next_timer()) is not None]
            moment = min([t for t, _ in timers] + ([self._queue[0][0]] if self._queue else []), default=None)
            if moment is None or moment > end:
                break
            self.now = max(self.now, moment)
            while self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
            for t, station in timers:
                if t <= self.now:
                    station.endpoint.handle_timer(self.now)
                    self._collect(station)
        else:
            return
        self.now = end

    def _collect(self, station: Station) -> None:
        for output in station.endpoint.take_outputs():
            if isinstance(output, InstallInbound | InstallBoth | InstallOutbound):
                station.installs.append(output)
            match output:
                case Transmit():
                    station.sent.append(output.data)
                    self._carry(station, output)
                case Ask():
                    station.open_asks[output.ask_id] = output.question
                    self.later(station.answer_seconds, lambda ask=output: self._answer(station, ask))
                case Withdraw():
                    station.open_asks.pop(output.ask_id, None)
                case InstallInbound():
                    assert output.child.inbound_spi not in station.inbound
                    station.inbound[output.child.inbound_spi] = output.child
                case InstallBoth():
                    assert output.child.inbound_spi not in station.inbound
                    station.inbound[output.child.inbound_spi] = output.child
                    station.outbound[output.child.inbound_spi] = output.child
                case InstallOutbound():
                    station.outbound[output.child.inbound_spi] = output.child
                case RemoveChildren():
                    for spi in output.inbound_spis:
                        station.inbound.pop(spi, None)
                        station.outbound.pop(spi, None)
                case MoveChildren():
                    station.moves.append(output)
                case DatagramDropped():
                    station.dropped.append(output.reason)
                case _:
                    station.events.append(output)

    def _answer(self, station: Station, ask: Ask) -> None:
        if station.open_asks.pop(ask.ask_id, None) is not None:
            station.endpoint.answer(ask.ask_id, station.answer(ask.question), self.now)
            self._collect(station)

    def _carry(self, sender: Station, transmit: Transmit) -> None:
        hooked = self.hook(sender, transmit.data, transmit.path)
        if hooked is None:
            return
        data, path = hooked
        receiver = self.at.get(path.remote.ip)
        if receiver is None:
            return
        w = self.weather
        copies = 0 if self.random.random() < w.loss else 1
        copies += copies and self.random.random() < w.duplication
        for _ in range(copies):
            if self.random.random() < w.corruption:
                at = self.random.randrange(len(data))
                data = data[:at] + bytes([data[at] ^ (1 << self.random.randrange(8))]) + data[at + 1 :]
            incoming = Path(path.remote, path.local, path.nat_t)
            self.later(
                w.delay + self.random.random() * w.jitter,
                lambda data=data, incoming=incoming: self.deliver(receiver, data, incoming),
            )


CLIENT = "198.51.100.7"
GATEWAY = "192.0.2.1"


def path(client: str = CLIENT, gateway: str = GATEWAY, port: int = 500) -> Path:
    return Path(Address(client, port), Address(gateway, port), nat_t=port == 4500)


def passwords(known: dict[str, bytes], configuration: Any) -> Callable[[Any], Any]:
    """Answers of a gateway that knows these users and gives everyone one configuration."""

    def answer(question: Any) -> Any:
        if isinstance(question, Authenticate):
            if known.get(question.username) == question.password:
                return Accepted(question.username)
            return Rejected("unknown user or wrong password")
        if isinstance(question, Configure):
            return configuration if configuration is not None else Refused("the pool is exhausted")
        raise AssertionError(question)

    return answer


__all__ = ["CLIENT", "GATEWAY", "NOW", "Challenge", "Network", "Station", "Weather", "passwords", "path"]

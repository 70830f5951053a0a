"""charon and Coati as gateways, one after the other on the same ground with the same client; prints ratios.

``python -m tests.bench.side_by_side`` as root; see README.md in this folder.
"""

# ruff: noqa: T201 - a report is what it is for

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import bulk_server
from tests.bench.charon_gateway import CharonGateway
from tests.bench.coati_gateway import CoatiGateway
from tests.bench.engine_gateway import EngineGateway
from tests.bench.gateway import ESP_PROPOSALS, USERS
from tests.bench.ground import Ground
from tests.bench.load import MOST_LOGINS, Load
from tests.bench.meters import Reading
from tests.interop.lab.network import SERVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.gateway import Gateway
    from tests.interop.lab.network import Place

GATEWAYS: dict[str, Callable[[Place, Path], Gateway]] = {
    "charon": CharonGateway,
    "engine": EngineGateway,
    "coati": CoatiGateway,
}
SETTLE_SECONDS = 1.5  # for what follows the last answer: writes that are grouped, timers, deletes
MEGABYTE = 1_000_000
HIGHER_IS_BETTER = "higher is better"
OF_THIS = "  of this in "


def measure_logins(gateway: Gateway, client: Place, directory: Path, count: int) -> dict[str, float]:
    """Cost of logins and logouts.

    The first login of each user is counted apart: there a gateway may pay for a deliberately slow password hash.
    """
    firsts, others = range(len(USERS)), range(len(USERS), len(USERS) + count)
    with processors_of_their_own(gateway), ExitStack() as stack:
        load = Load(client, directory)
        stack.callback(load.stop)
        load.start(count + len(USERS), gateway.authority, esp=ESP_PROPOSALS[0])
        start = settled(gateway)
        load.log_in(firsts)
        first = settled(gateway)
        began = time.monotonic()
        load.log_in(others)
        seconds = time.monotonic() - began
        logged_in = settled(gateway)
        load.log_out([*firsts, *others])
        logged_out = settled(gateway)
    return {
        "CPU ms, first login of a user": milliseconds(start, first) / len(firsts),
        "CPU ms, login": milliseconds(first, logged_in) / count,
        **{
            f"{OF_THIS}{name}": (seconds - first.cpu_seconds_of.get(name, 0.0)) * 1000 / count
            for name, seconds in logged_in.cpu_seconds_of.items()
            if len(logged_in.cpu_seconds_of) > 1
        },
        "CPU ms, logout": milliseconds(logged_in, logged_out) / (count + len(firsts)),
        "kB of memory, session": (logged_in.memory_bytes - first.memory_bytes) / count / 1000,
        "MB of memory, before the first login": start.memory_bytes / MEGABYTE,
        f"logins/s as the client could ({HIGHER_IS_BETTER})": count / seconds,
    }


def measure_throughput(gateway: Gateway, ground: Ground, directory: Path, esp: str, megabytes: int) -> dict[str, float]:
    """Bulk TCP through one tunnel, both ways, one after the other."""
    content = directory / "content"
    with content.open("wb") as file:
        file.truncate(megabytes * MEGABYTE)
    load = Load(ground.client, directory)
    load.start(1, gateway.authority, esp=esp)
    program = [sys.executable, str(Path(bulk_server.__file__)), SERVER, str(content)]
    log = directory / f"server-{gateway.name}-{esp}"
    values = {}
    try:
        with ground.inner.daemon("bulk server", *program, log=log) as server:
            server.wait_for(lambda: "serving" in server.output(), within=10, what="serves")
            load.log_in([0])
            curl = ["curl", "-sS", "--fail", "--interface", load.virtual_ip(0), "-o", "/dev/null", f"http://{SERVER}/x"]
            for direction, more in (("down", []), ("up", ["-T", str(content)])):
                before, began = Reading.of(gateway.pids()), time.monotonic()
                ground.client.run(*curl, *more, timeout=600)
                seconds, after = time.monotonic() - began, Reading.of(gateway.pids())
                spent = after.cpu_seconds - before.cpu_seconds
                values[f"Mbit/s {direction}, {esp} ({HIGHER_IS_BETTER})"] = megabytes * 8 / seconds
                values[f"CPU s/GB {direction}, {esp}"] = spent / megabytes * 1000
            load.log_out([0])
    finally:
        load.stop()
    return values


@contextmanager
def processors_of_their_own(gateway: Gateway) -> Iterator[None]:
    """Keep the gateway on one processor, and us with all that we start on the others, as if on machines of their own.

    Otherwise the programs of the clients would push the gateway out of its caches, and we would measure that.
    """
    everywhere = os.sched_getaffinity(0)
    gateways, ours = set(sorted(everywhere)[:1]), set(sorted(everywhere)[1:]) or everywhere

    def keep(processors: set[int]) -> None:
        for pid in gateway.pids():
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), processors)

    keep(gateways)
    os.sched_setaffinity(0, ours)
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)
        keep(everywhere)


def settled(gateway: Gateway) -> Reading:
    """A reading when the gateway has come to rest."""
    time.sleep(SETTLE_SECONDS)
    return Reading.of(gateway.pids())


def milliseconds(before: Reading, after: Reading) -> float:
    """CPU time between two readings."""
    return (after.cpu_seconds - before.cpu_seconds) * 1000


def measure(name: str, directory: Path, options: argparse.Namespace) -> dict[str, float]:
    """Everything about one gateway, once."""
    with Ground() as ground, ExitStack() as stack:
        gateway = GATEWAYS[name](ground.gateway, directory)
        stack.callback(gateway.stop)
        gateway.start()
        values = measure_logins(gateway, ground.client, directory, options.logins)
        for esp in options.esp:
            values |= measure_throughput(gateway, ground, directory, esp, options.megabytes)
    return values


def better(values: dict[str, float], others: dict[str, float]) -> dict[str, float]:
    """Line by line the better number of two rounds: the one that other programs of the machine disturbed less.

    The parts of a number stay together.
    """
    best = {line: (max if HIGHER_IS_BETTER in line else min)(values[line], others[line]) for line in values}
    whole = values if values["CPU ms, login"] <= others["CPU ms, login"] else others
    return best | {line: value for line, value in whole.items() if line.startswith(OF_THIS)}


def report(results: dict[str, dict[str, float]]) -> None:
    """Print each number, and the ratio of the second gateway's to the first's."""
    names = list(results)
    print(f"\n{'':50}" + "".join(f"{name:>10}" for name in names) + (f"{'ratio':>8}" if len(names) > 1 else ""))
    for line in max(results.values(), key=len):
        values = [results[name].get(line) for name in names]
        cells = "".join(" " * 10 if value is None else f"{value:10.2f}" for value in values)
        first, second = (*values, None)[:2]
        print(f"{line:50}" + cells + (f"{second / first:8.2f}" if first and second is not None else ""))


def main() -> None:
    """Measure the gateways named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.side_by_side", description=__doc__)
    parser.add_argument("gateways", nargs="*", default=list(GATEWAYS), metavar="GATEWAY", help=", ".join(GATEWAYS))
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of which the best number counts")
    parser.add_argument("--logins", type=int, default=200, metavar="N", help="logins to average over")
    parser.add_argument("--megabytes", type=int, default=300, metavar="N", help="size of each transfer; 0: none")
    parser.add_argument("--esp", nargs="*", default=list(ESP_PROPOSALS), metavar="PROPOSAL", help="for the transfers")
    options = parser.parse_args()
    if options.logins > MOST_LOGINS:
        parser.error(f"{options.logins} logins; {MOST_LOGINS} is the most")
    if not options.megabytes:
        options.esp = []
    unknown = [name for name in options.gateways if name not in GATEWAYS]
    if unknown:
        parser.error(f"unknown gateway {unknown[0]!r}; known: {', '.join(GATEWAYS)}")
    results: dict[str, dict[str, float]] = {}
    for number in range(1, options.rounds + 1):
        for name in options.gateways:
            print(f"{name}, round {number}", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="coati-bench-") as directory:
                values = measure(name, Path(directory), options)
            results[name] = better(values, results.get(name, values))
    report(results)


if __name__ == "__main__":
    main()

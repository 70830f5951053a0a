"""What processes cost, as /proc tells it (proc(5))."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Reading:
    """Resources of some processes at one moment.

    Attributes:
        cpu_seconds_of: User and system time since they started, all threads, and children that have ended; by program.
        memory_bytes: Proportional set size: pages that they share count once among them.
    """

    cpu_seconds_of: dict[str, float]
    memory_bytes: int

    @property
    def cpu_seconds(self) -> float:
        """All programs together."""
        return sum(self.cpu_seconds_of.values())

    @classmethod
    def of(cls, pids: Iterable[int]) -> Self:
        """Read the meters of ``pids``."""
        processes = tuple(pids)
        spent: dict[str, float] = {}
        for pid in processes:
            name = _program(pid)
            spent[name] = spent.get(name, 0.0) + _cpu_seconds(pid)
        return cls(spent, sum(map(_memory_bytes, processes)))


def _program(pid: int) -> str:
    """What runs there: the module of a Python, else the program."""
    words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    return words[words.index("-m") + 1] if "-m" in words[:-1] else Path(words[0]).name


def _cpu_seconds(pid: int) -> float:
    # The second field is a name in parentheses that may hold anything; utime is the 12th after it.
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS_PER_SECOND


def _memory_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no Pss in the smaps_rollup of {pid}")


def family(pid: int) -> list[int]:
    """``pid`` and all that descend from it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):  # ended while we looked
                continue
            parents[int(entry.name)] = int(fields[1])
    found = [pid]
    for member in found:  # grows as it goes
        found += [child for child, parent in parents.items() if parent == member]
    return found

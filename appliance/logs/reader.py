"""Reads the record: what was written last first, or on from where somebody stopped reading."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final, Self

from appliance.logs.record import FILE, FOLDER, OLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_BLOCK_OCTETS: Final = 1 << 18

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two lines.

    Attributes:
        file: Inode of the file.
        offset: Octets before the place.
    """

    file: int
    offset: int

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read it.

        Raises:
            ValueError: that was not written by us.
        """
        file, _, offset = text.partition("-")
        return cls(int(file, 16), int(offset, 16))

    def __str__(self) -> str:
        return f"{self.file:x}-{self.offset:x}"


@dataclass(slots=True)
class Found:
    """Lines, each with the place before it.

    Attributes:
        lines: The latest first.
        older: Where to read on towards the past; ``None``: there is nothing before.
        newer: Where to read on when more is written.
    """

    lines: list[tuple[Cursor, Line]] = field(default_factory=list)
    older: Cursor | None = None
    newer: Cursor | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """A file of the record, opened, up to its last whole line."""

    number: int
    file: IO[bytes]
    end: int


def latest(data_dir: Path, wanted: Callable[[Line], bool], limit: int, before: Cursor | None = None) -> Found:
    """Give the last lines that are wanted, before a place if one is named. What is gone from the record is skipped."""
    found = Found()
    with ExitStack() as opened:
        parts = _parts(data_dir, opened)  # the latest first
        if parts:
            found.newer = Cursor(parts[0].number, parts[0].end)
        if before is not None:
            places = [place for place, part in enumerate(parts) if part.number == before.file]
            if not places:
                return found
            parts = parts[places[0] :]
        for part in parts:
            end = min(before.offset, part.end) if before is not None and part.number == before.file else part.end
            for offset, octets in _backwards(part.file, end):
                line = _read(octets)
                if line is not None and wanted(line):
                    if len(found.lines) == limit:
                        found.older = found.lines[-1][0]
                        return found
                    found.lines.append((Cursor(part.number, offset), line))
    return found


def following(data_dir: Path, wanted: Callable[[Line], bool], limit: int, after: Cursor) -> Found:
    """Give the first lines that are wanted after a place; from the beginning if the place is gone."""
    found = Found(newer=after)
    with ExitStack() as opened:
        parts = _parts(data_dir, opened)[::-1]
        known = [place for place, part in enumerate(parts) if part.number == after.file]
        for part in parts[known[0] if known else 0 :]:
            start = after.offset if part.number == after.file else 0
            part.file.seek(start)
            for octets in iter(part.file.readline, b""):
                if start + len(octets) > part.end:
                    break
                line = _read(octets)
                if line is not None and wanted(line):
                    if len(found.lines) == limit:
                        found.lines.reverse()
                        return found
                    found.lines.append((Cursor(part.number, start), line))
                start += len(octets)
                found.newer = Cursor(part.number, start)
            else:
                found.newer = Cursor(part.number, start)
    found.lines.reverse()
    return found


def state(data_dir: Path) -> tuple[int, int]:
    """Give what changes whenever a line is written: cheap to ask."""
    try:
        known = (data_dir / FOLDER / FILE).stat()
    except OSError:
        return (0, 0)
    return (known.st_ino, known.st_size)


def _parts(data_dir: Path, opened: ExitStack) -> list[_Part]:
    parts: list[_Part] = []
    for number in range(OLDER + 1):
        try:
            descriptor = os.open(
                data_dir / FOLDER / (f"{FILE}.{number}" if number else FILE),
                os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
            )
        except OSError:
            continue
        file = opened.enter_context(os.fdopen(descriptor, "rb"))
        known = os.fstat(descriptor)
        if all(part.number != known.st_ino for part in parts):  # it was turned over while we were looking
            parts.append(_Part(known.st_ino, file, _whole(file, known.st_size)))
    return parts


def _whole(file: IO[bytes], size: int) -> int:
    """Where the last whole line ends: one may be on its way."""
    while size:
        start = max(size - _BLOCK_OCTETS, 0)
        file.seek(start)
        place = file.read(size - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        size = start
    return 0


def _backwards(file: IO[bytes], end: int) -> Iterator[tuple[int, bytes]]:
    """Lines with their offsets, from the last, which ends at ``end``, to the first."""
    rest = b""  # of the line that begins in the block before
    while end > 0:
        start = max(end - _BLOCK_OCTETS, 0)
        file.seek(start)
        block = file.read(end - start) + rest
        first = block.find(b"\n") + 1 if start else 0
        stop = len(block)
        while stop > first:
            begin = block.rfind(b"\n", first, stop - 1) + 1 or first
            yield start + begin, block[begin : stop - 1]
            stop = begin
        rest, end = block[:first], start


def _read(octets: bytes) -> Line | None:
    try:
        line = json.loads(octets)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None

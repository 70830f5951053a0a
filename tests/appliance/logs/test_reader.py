"""The record is read from its end, in parts, and on from where somebody stopped; whatever is turned over meanwhile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.logs import reader
from appliance.logs.reader import Cursor, Found, following, latest, state
from appliance.logs.record import FILE, FOLDER, Record

if TYPE_CHECKING:
    from pathlib import Path


def everything(_: dict[str, Any]) -> bool:
    return True


def numbers(found: Found) -> list[int]:
    return [line["number"] for _, line in found.lines]


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 60
        return self.now


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path, most_octets=2_000, clock=Ticks())


def test_the_last_lines_and_on_towards_the_past(record: Record, tmp_path: Path) -> None:
    for number in range(100):
        record.append({"number": number, "event": "x" * 20})
    assert len(list((tmp_path / FOLDER).iterdir())) > 2
    found = latest(tmp_path, everything, 30)
    assert numbers(found) == list(range(99, 69, -1))
    seen = numbers(found)
    while found.older is not None:
        found = latest(tmp_path, everything, 30, found.older)
        seen += numbers(found)
    assert seen == list(range(99, -1, -1))


def test_only_what_is_wanted(record: Record, tmp_path: Path) -> None:
    for number in range(100):
        record.append({"number": number})
    found = latest(tmp_path, lambda line: line["number"] % 10 == 0, 3)
    assert numbers(found) == [90, 80, 70]
    assert numbers(latest(tmp_path, lambda line: line["number"] % 10 == 0, 3, found.older)) == [60, 50, 40]


def test_going_on_as_more_is_written_over_files_that_are_turned_over(record: Record, tmp_path: Path) -> None:
    record.append({"number": 0, "event": "x" * 20})
    newer = latest(tmp_path, everything, 10).newer
    assert newer is not None
    assert following(tmp_path, everything, 10, newer).lines == []
    for number in range(1, 100):
        record.append({"number": number, "event": "x" * 20})
    seen: list[int] = []
    while part := (found := following(tmp_path, everything, 7, newer)).lines:
        seen += [line["number"] for _, line in reversed(part)]
        assert found.newer is not None
        newer = found.newer
    assert seen == list(range(1, 100))


def test_what_was_turned_out_is_skipped(record: Record, tmp_path: Path) -> None:
    for number in range(1_000):
        record.append({"number": number})
    gone = Cursor(1, 17)
    assert latest(tmp_path, everything, 10, gone).lines == []
    assert numbers(following(tmp_path, everything, 1, gone)) == [numbers(latest(tmp_path, everything, 10_000))[-1]]


def test_half_a_line_is_left_for_later_and_rubbish_is_skipped(record: Record, tmp_path: Path) -> None:
    record.append({"number": 1})
    path = tmp_path / FOLDER / FILE
    with path.open("ab") as file:
        file.write(b'no JSON\n[1, 2]\n{"number": 2')
    found = latest(tmp_path, everything, 10)
    assert numbers(found) == [1]
    with path.open("ab") as file:
        file.write(b"}\n")
    assert found.newer is not None
    assert numbers(following(tmp_path, everything, 10, found.newer)) == [2]


def test_there_may_be_nothing(tmp_path: Path) -> None:
    assert latest(tmp_path, everything, 10) == Found()
    assert state(tmp_path) == (0, 0)


def test_it_is_known_when_something_was_written(record: Record, tmp_path: Path) -> None:
    before = state(tmp_path)
    record.append({"number": 1})
    assert state(tmp_path) != before


@given(st.lists(st.binary(max_size=40).map(lambda octets: octets.replace(b"\n", b"")), max_size=30), st.integers(1, 64))
def test_lines_come_backwards_whatever_the_size_of_a_block(lines: list[bytes], block: int) -> None:
    descriptor = os.memfd_create("lines")
    with os.fdopen(descriptor, "w+b") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_BLOCK_OCTETS", block)
        whole = b"".join(line + b"\n" for line in lines)
        file.write(whole)
        file.flush()
        found = list(reader._backwards(file, len(whole)))
    assert [octets for _, octets in found] == lines[::-1]
    assert all(whole[offset:].startswith(octets + b"\n") for offset, octets in found)


@pytest.mark.parametrize("text", ["", "x-1", "12", "1-", "-"])
def test_a_place_that_nobody_wrote(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        Cursor.from_text(text)
    place = Cursor(0xABC, 17)
    assert Cursor.from_text(str(place)) == place

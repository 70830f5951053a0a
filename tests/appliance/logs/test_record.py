"""The record of the log: bounded, turned over, safe to write for root, and no reason for anybody to wait."""

from __future__ import annotations

import json
import logging
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from appliance.logs.record import FILE, FOLDER, OLDER, Record, RecordHandler, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Clock:
    """Moves on by a minute with every look, so that nothing is put off."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 60
        return self.now


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    opened = Record(tmp_path, most_octets=1_000, clock=Clock())
    yield opened
    opened.close()


def lines(folder: Path, name: str = FILE) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / FOLDER / name).read_text().splitlines()]


def test_what_is_written_can_be_read_by_its_owner_and_group(record: Record, tmp_path: Path) -> None:
    record.append({"event": "login", "user": "alice", "octets": b"\xff", "tried": ("a", "b")})
    assert lines(tmp_path) == [{"event": "login", "user": "alice", "octets": "b'\\xff'", "tried": ["a", "b"]}]
    assert stat.S_IMODE((tmp_path / FOLDER / FILE).stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o750


def test_it_is_bounded_and_the_latest_stays(record: Record, tmp_path: Path) -> None:
    for number in range(1_000):
        record.append({"event": "x" * 80, "number": number})
    names = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert names == {FILE, *(f"{FILE}.{number}" for number in range(1, OLDER + 1))}
    assert sum(path.stat().st_size for path in (tmp_path / FOLDER).iterdir()) < 6_000
    numbers = [line["number"] for name in sorted(names - {FILE}, reverse=True) for line in lines(tmp_path, name)]
    numbers += [line["number"] for line in lines(tmp_path)]
    assert numbers == list(range(1_000 - len(numbers), 1_000))


def test_another_process_goes_on_in_the_new_file(record: Record, tmp_path: Path) -> None:
    other = Record(tmp_path, most_octets=1_000, clock=Clock())
    other.append({"from": "the other"})
    for number in range(20):
        record.append({"event": "x" * 80, "number": number})
    other.append({"from": "the other, again"})
    assert {"from": "the other, again"} in lines(tmp_path)
    other.close()


def test_a_file_that_somebody_removed_is_made_anew(record: Record, tmp_path: Path) -> None:
    record.append({"event": "one"})
    (tmp_path / FOLDER / FILE).unlink()
    record.append({"event": "two"})
    assert lines(tmp_path) == [{"event": "two"}]


def test_a_full_disk_costs_lines_and_says_how_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(tmp_path, clock=Clock())
    genuine = os.write
    monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    for _ in range(3):
        record.append({"event": "lost", "process": "web"})
    assert record.lost == 3
    monkeypatch.setattr(os, "write", genuine)
    record.append({"event": "kept", "process": "web"})
    kept, note = lines(tmp_path)
    assert kept["event"] == "kept"
    assert (note["level"], note["lines"], note["process"]) == ("warning", 3, "web")
    record.close()


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "pipe", "folder"])
def test_no_link_leads_root_elsewhere_and_no_pipe_makes_it_wait(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "precious"
    target.write_text("as it was")
    record = Record(tmp_path, clock=Clock())
    place = tmp_path / FOLDER / FILE
    match kind:
        case "symbolic link":
            place.symlink_to(target)
        case "hard link":
            place.hardlink_to(target)
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
    record.append({"event": "x"})
    assert target.read_text() == "as it was"
    assert record.lost == 1
    record.close()


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        Record(tmp_path)


def test_what_is_long_is_cut() -> None:
    line = json.loads(encoded({"event": "e", "exception": "x" * 100_000, "many": list(range(1_000))}))
    assert len(line["exception"]) < 9_000
    assert len(line["many"]) == 100


def test_lines_of_other_libraries_have_the_same_form(record: Record, tmp_path: Path) -> None:
    handler = RecordHandler(record, "gateway", dict)
    logger = logging.getLogger("another library")
    logger.addHandler(handler)
    try:
        int("a reason")
    except ValueError:
        logger.exception("from %s", "elsewhere")
    finally:
        logger.removeHandler(handler)
    (line,) = lines(tmp_path)
    assert (line["event"], line["level"], line["process"]) == ("from elsewhere", "error", "gateway")
    assert line["exception"].endswith("'a reason'")
    assert line["timestamp"].endswith("+00:00")

"""Lines for systemd's journal say how serious they are; tests/installed shows a real one reading them."""

import io
import logging
import os
import socket
from pathlib import Path

import pytest

from appliance.logs import journal


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2), (35, 4)],
)
def test_each_line_says_it(level: int, priority: int) -> None:
    record = logging.LogRecord("x", level, "x.py", 1, "it broke:\nat the seam", None, None)
    written = journal.JournalFormatter(logging.Formatter("%(message)s")).format(record)
    assert written.splitlines() == [f"<{priority}>it broke:", f"<{priority}>at the seam"]


def test_the_journal_is_known_by_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_JOURNAL", str(tmp_path / "stdout"))
    for name, expected in (("stdout", True), ("other", False)):
        with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as end:
            listening.bind(str(tmp_path / name))
            listening.listen()
            end.connect(str(tmp_path / name))
            with os.fdopen(os.dup(end.fileno()), "w") as stream:
                assert journal.reads(stream) is expected
            assert end.getpeername() == str(tmp_path / name)  # it was only looked at


def test_a_file_a_pipe_and_a_buffer_are_not_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        assert not journal.reads(file)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        assert not journal.reads(pipe)
    os.close(reading)
    assert not journal.reads(io.StringIO())

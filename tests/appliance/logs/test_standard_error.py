"""Standard error that nobody reads costs lines, and stops nobody."""

from __future__ import annotations

import logging
import os

from appliance.logs.standard_error import PatientStandardError


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("a", logging.INFO, "file", 1, text, None, None)


def test_a_pipe_that_nobody_reads() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", buffering=1) as stream, os.fdopen(reading, "rb", buffering=0) as read:
        handler = PatientStandardError(stream)
        for number in range(3_000):
            handler.emit(record(f"line {number} {'x' * 100}"))
        left_out = handler.left_out
        assert left_out > 2_000
        written = read.read(1 << 20).splitlines()
        assert written[0].startswith(b"line 0 ")
        handler.emit(record("and on"))
        again = read.read(1 << 20).decode().splitlines()
        assert again == [f"... {left_out} lines are left out: nobody read standard error ...", "and on"]
        assert handler.left_out == 0

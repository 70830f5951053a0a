"""``coati`` commands carried out in this process: what starting one costs (a second, in a guest ten) is paid once."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import typer

from appliance.cli import console, program

if TYPE_CHECKING:
    from collections.abc import Mapping


class Said(NamedTuple):
    """What a command left: its exit status, and what it wrote."""

    status: int
    out: str
    err: str


def coati(*words: str, environment: Mapping[str, str], stdin: str = "") -> Said:
    """Carry out a command as if it had been typed.

    Args:
        words: Those after ``coati``.
        environment: The variables whose names begin with ``COATI_``; it sees no other such ones.
        stdin: What is piped in.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("COATI_")]:
            patched.delenv(name)
        for name, value in environment.items():
            patched.setenv(name, value)
        for stream, put in {"stdin": io.StringIO(stdin), "stdout": out, "stderr": err}.items():
            patched.setattr(sys, stream, put)
        command: Any = typer.main.get_command(program.app)
        status = console.guarded(lambda **options: command(list(words), **options))
    return Said(status, *(stream.buffer.getvalue().decode(errors="replace") for stream in (out, err)))

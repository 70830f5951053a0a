"""What children say is heard whole, in order, clean and in bounds, whatever becomes of them."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING

import pytest

from ike_engine.runtime.children import BackOff, Child, ChildSpec
from ike_engine.runtime.gathering import Gathering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REPLACED = "\N{REPLACEMENT CHARACTER}"


class Said(list[tuple[int, str, str]]):
    """What was heard, and a way to wait for more."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def hear(self, level: int, words: str, more: str) -> None:
        self.append((level, words, more))
        self._more.set()

    async def comes_to(self, count: int) -> Said:
        async with asyncio.timeout(60):
            while len(self) < count:
                self._more.clear()
                await self._more.wait()
        return self


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
async def gathering(said: Said) -> AsyncIterator[Gathering]:
    gathering = Gathering(said.hear)
    yield gathering
    gathering.close()


async def test_each_marked_line_is_one(gathering: Gathering, said: Said) -> None:
    os.write(gathering.writing, b"<6>begun\n<3>refu")
    os.write(gathering.writing, b"sed\n")
    assert await said.comes_to(2) == [(logging.INFO, "begun", ""), (logging.ERROR, "refused", "")]


async def test_a_traceback_belongs_to_the_line_before(gathering: Gathering, said: Said) -> None:
    os.write(gathering.writing, b"<3>doing it\nTraceback (most recent call last):\n  here\nKeyError: 1\n<6>goes on\n")
    assert await said.comes_to(2) == [
        (logging.ERROR, "doing it", "Traceback (most recent call last):\n  here\nKeyError: 1"),
        (logging.INFO, "goes on", ""),
    ]


async def test_what_nobody_marked_is_an_error_by_its_last_line(gathering: Gathering, said: Said) -> None:
    os.write(gathering.writing, b"Traceback (most recent call last):\n  here\nMemoryError\n")
    assert await said.comes_to(1) == [
        (logging.ERROR, "MemoryError", "Traceback (most recent call last):\n  here\nMemoryError")
    ]
    os.write(gathering.writing, b"corrupted double-linked list\n")
    assert (await said.comes_to(2))[1] == (logging.ERROR, "corrupted double-linked list", "")


async def test_nothing_but_what_can_be_printed_comes_through(gathering: Gathering, said: Said) -> None:
    os.write(gathering.writing, b"<4>\x1b[2Jgone\r\xff\x00\n")
    assert await said.comes_to(1) == [(logging.WARNING, f"{REPLACED}[2Jgone{REPLACED}\\xff{REPLACED}", "")]


async def test_a_line_without_end_is_cut(gathering: Gathering, said: Said) -> None:
    os.write(gathering.writing, b"<4>" + b"x" * 30_000)
    (level, words, _), *_ = await said.comes_to(1)
    assert level == logging.WARNING
    assert len(words) < 8_192


async def test_who_says_too_much_at_once_is_counted(said: Said) -> None:
    gathering = Gathering(said.hear)
    os.write(gathering.writing, b"<6>again\n" * 1_000)
    await said.comes_to(100)
    gathering.close()
    told = [each for each in said if each[1] == "again"]
    notices = [words for level, words, _ in said if level == logging.WARNING]
    assert len(told) < 400  # it may take a few seconds on a crowded machine, and each has its own notice
    assert all("lines are left out" in notice for notice in notices)
    assert len(told) + sum(int(notice.split()[0]) for notice in notices) == 1_000


async def test_a_parent_without_time_does_not_hold_up_its_child(gathering: Gathering) -> None:
    def says(lines: int) -> None:
        for _ in range(lines):
            os.write(gathering.writing, b"<6>" + b"x" * 1_000 + b"\n")

    with pytest.raises(BlockingIOError):
        says(1_000)


async def test_a_child_is_heard_in_all_its_lives_to_its_last_words(said: Said) -> None:
    code = "import os; os.write(2, b'<6>pid %d\\n' % os.getpid()); raise SystemError('dies of it')"
    at_once = BackOff(first_seconds=0.001, longest_seconds=0.001)
    spec = ChildSpec(name="test", argv=(sys.executable, "-I", "-c", code), heard=said.hear)
    child = Child(spec, at_once)
    child.start()
    await said.comes_to(2)
    await child.stop()
    (_, first, end), (_, second, _) = said[:2]
    assert first.startswith("pid ")
    assert second.startswith("pid ")
    assert first != second
    assert end.endswith("SystemError: dies of it")


async def test_what_cannot_even_be_started_says_why(said: Said) -> None:
    spec = ChildSpec(name="test", argv=("/nowhere/python",), heard=said.hear)
    child = Child(spec)
    child.start()
    ((level, words, _),) = await said.comes_to(1)
    await child.stop()
    assert level == logging.ERROR
    assert words.startswith("coati: cannot start /nowhere/python:")

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000


@pytest.fixture
def alone() -> Iterator[Callable[[Callable[[], T]], T]]:
    """Give what runs a function in a network namespace of its own, where no other test's SAs and policies are."""
    libc = ctypes.CDLL(None, use_errno=True)

    def leave() -> None:
        if libc.unshare(_CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    with ThreadPoolExecutor(max_workers=1, initializer=leave) as thread:  # the namespace is the thread's
        yield lambda work: thread.submit(work).result(timeout=60)

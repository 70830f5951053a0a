"""Which reqids a data plane in the kernel gives to its policies and SAs, and which are left behind by another.

A gateway and a client, or several clients, may do ESP in one kernel: each takes a block of its own, and what it finds
in one that nobody has is of a process that is gone. A block is taken by an abstract UNIX socket of its name (unix(7)):
there is one in each network namespace, as there are SAs, and the kernel gives it back when its process ends, however.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final

from ike_engine.dataplane.xfrm_messages import OUR_REQIDS

if TYPE_CHECKING:
    from collections.abc import Iterator

_PER_BLOCK: Final = 1 << 16
_BLOCKS: Final = tuple(
    OUR_REQIDS[start : start + _PER_BLOCK] for start in range(0, len(OUR_REQIDS) - _PER_BLOCK, _PER_BLOCK)
)
"""All but the last, where ``xfrm_probe`` tries the kernel."""


class Reqids:
    """The block of one data plane, the first that is free.

    Attributes:
        block: Ours until ``close``.

    Raises:
        OSError: all are taken.
    """

    def __init__(self) -> None:
        for block in _BLOCKS:
            taken = _take(block)
            if taken is not None:
                self.block, self._taken = block, taken
                return
        raise OSError(errno.EAGAIN, f"{len(_BLOCKS)} data planes are in this kernel already")

    def close(self) -> None:
        """Give it back."""
        self._taken.close()

    @contextlib.contextmanager
    def nobodys(self) -> Iterator[tuple[range, ...]]:
        """Give the blocks that nobody has but we; nobody takes one meanwhile."""
        with contextlib.ExitStack() as held:
            free = [self.block]
            for block in _BLOCKS:
                if (taken := _take(block)) is not None:
                    held.enter_context(taken)
                    free.append(block)
            yield tuple(free)


def _take(block: range) -> socket.socket | None:
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        name.bind(f"\0coati-reqids-{block.start:x}")
    except OSError as error:
        name.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return name

"""What systemd wants to hear of a service (sd_notify(3)): that it is ready, lives, and stops.

Where nobody listens, nothing happens. The watchdog hears from the keeper's event loop: if that stands
still, nobody starts a dead child again, and the whole is better begun anew. The keeper itself ends a
child that hangs (``ike_engine.runtime.pulse``), after as long as it is given itself.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PATIENCE_SECONDS: Final = 30.0


def notify(assignment: str) -> None:
    """Tell the service manager, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.sendto(assignment.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


def patience_seconds() -> float:
    """Tell how long a process may stand still: as long as the watchdog lets us."""
    return _watchdog_seconds() or _PATIENCE_SECONDS


@asynccontextmanager
async def informed(stop: asyncio.Event, status: str) -> AsyncIterator[None]:
    """Say that we are ready, that we live meanwhile, and that we stop when ``stop`` is set.

    Args:
        stop: Set when we stop.
        status: What we do, in a line for ``systemctl status``.
    """
    notify(f"READY=1\nSTATUS={status}")
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(_live()), loop.create_task(_stop(stop))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _live() -> None:
    seconds = _watchdog_seconds()
    while seconds:
        notify("WATCHDOG=1")
        await asyncio.sleep(seconds / 2)


def _watchdog_seconds() -> float:
    """Tell what the watchdog gives us; 0: there is none, or it is another process's."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6


async def _stop(stop: asyncio.Event) -> None:
    await stop.wait()
    notify("STOPPING=1")

"""What systemd wants to hear of a service (sd_notify(3)): that it is ready, lives, and stops.

Where nobody listens, nothing happens. The watchdog hears from the keeper's event loop: if that stands
still, nobody starts a dead child again, and the whole is better begun anew.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def notify(assignment: str) -> None:
    """Tell the service manager, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.sendto(assignment.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


@asynccontextmanager
async def informed(stop: asyncio.Event) -> AsyncIterator[None]:
    """Say that we are ready, that we live meanwhile, and that we stop when ``stop`` is set."""
    notify("READY=1")
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(_live()), loop.create_task(_stop(stop))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _live() -> None:
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
    if not microseconds or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(microseconds / 1e6 / 2)


async def _stop(stop: asyncio.Event) -> None:
    await stop.wait()
    notify("STOPPING=1")

"""What systemd hears: ready, alive, stopping; and nothing where nobody listens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING

import pytest

from appliance.service_manager import informed, notify, patience_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


READY = "READY=1\nSTATUS=Gateway off"


@pytest.fixture(params=["/socket", "@abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's end, with a name in the file system or without."""
    name = f"{tmp_path}/socket" if request.param == "/socket" else f"@coati-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name[1:]}" if name.startswith("@") else name)
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listening


async def heard(manager: socket.socket) -> str:
    async with asyncio.timeout(60):
        return (await asyncio.get_running_loop().sock_recv(manager, 100)).decode()


async def test_it_hears_that_we_are_ready_and_that_we_stop(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    stop = asyncio.Event()
    async with informed(stop, "Gateway off"):
        assert await heard(manager) == READY
        stop.set()
        assert await heard(manager) == "STOPPING=1"


async def test_the_watchdog_hears_twice_as_often_as_it_must(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    began = asyncio.get_running_loop().time()
    async with informed(asyncio.Event(), "Gateway off"):
        assert [await heard(manager) for _ in range(4)] == [READY, *["WATCHDOG=1"] * 3]
    assert asyncio.get_running_loop().time() - began >= 0.02
    with contextlib.suppress(BlockingIOError):
        while manager.recv(100):  # said before the end
            pass
    await asyncio.sleep(0.05)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


async def test_the_watchdog_of_another_process_is_not_ours(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    async with informed(asyncio.Event(), "Gateway off"):
        assert await heard(manager) == READY
        await asyncio.sleep(0.02)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


async def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    async with informed(asyncio.Event(), "Gateway off"):
        pass


def test_children_are_given_as_long_as_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    monkeypatch.setenv("WATCHDOG_USEC", "12000000")
    assert patience_seconds() == 12
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert patience_seconds() == 30

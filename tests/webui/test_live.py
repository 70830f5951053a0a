"""Signals: names of what changed, to every listener, at most once a second, while somebody listens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from appliance import changes, models
from appliance.installation import Actor, Installation
from appliance.settings import Settings
from webui.live import Signals

if TYPE_CHECKING:
    from pathlib import Path


async def test_every_listener_is_told_and_the_watcher_ends_with_the_last(tmp_path: Path) -> None:
    async with Installation.open(Settings(data_dir=tmp_path / "data")) as installation:
        signals = Signals(installation.database)
        streams = [signals.listen(), signals.listen()]
        async with asyncio.timeout(30):
            for stream in streams:
                assert await anext(stream) == changes.TOPICS
            async with installation.transaction(Actor("a test")) as work:
                work.session.add(models.User(name="alice", password_hash="x"))
            for stream in streams:
                assert "users" in await _next_change(stream)
            assert signals._watcher is not None
            for stream in streams:
                await stream.aclose()
        assert signals._watcher is None


async def test_streams_end_when_the_process_is_about_to(tmp_path: Path) -> None:
    async with Installation.open(Settings(data_dir=tmp_path / "data")) as installation:
        signals = Signals(installation.database)
        stream = signals.listen()
        await anext(stream)
        signals.close()
        async with asyncio.timeout(30):
            assert [topics async for topics in stream if topics] == []


async def _next_change(stream: object) -> frozenset[str]:
    async for topics in stream:
        if "users" in topics:
            return topics
    raise AssertionError("the stream ended")

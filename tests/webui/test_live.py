"""Signals: names of what changed, to every listener, at most once a second, while somebody listens."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from appliance import changes, models
from appliance.administrators import signing_in
from appliance.installation import Actor, Installation
from appliance.logs.record import Record
from appliance.models.columns import now
from appliance.settings import Settings
from tests.webui.signing_in import sign_in
from webui import live
from webui.live import LOG, Signals
from webui.security import COOKIE

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2
    import pytest


async def test_every_listener_is_told_and_the_watcher_ends_with_the_last(data_dir: Path) -> None:
    async with Installation.open(Settings(data_dir=data_dir)) as installation:
        signals = Signals(installation.database, installation.settings.data_dir)
        streams = [signals.listen(), signals.listen()]
        async with asyncio.timeout(60):
            for stream in streams:
                assert await anext(stream) == changes.TOPICS | {LOG}
            async with installation.transaction(Actor("a test")) as work:
                work.session.add(models.User(name="alice", password_hash="x"))
            for stream in streams:
                assert "users" in await _next_change(stream)
            assert signals._watchers
            for stream in streams:
                await stream.aclose()
        assert not signals._watchers


async def test_streams_end_when_the_process_is_about_to(data_dir: Path) -> None:
    async with Installation.open(Settings(data_dir=data_dir)) as installation:
        signals = Signals(installation.database, installation.settings.data_dir)
        stream = signals.listen()
        await anext(stream)
        signals.close()
        async with asyncio.timeout(60):
            assert [topics async for topics in stream if topics] == []


async def test_everything_is_told_anew_now_and_then(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a browser missed it sees before long."""
    monkeypatch.setattr(live, "_BEAT_SECONDS", 0.01)
    monkeypatch.setattr(live, "_BETWEEN_SIGNALS_SECONDS", 0.0)
    monkeypatch.setattr(live, "_EVERYTHING_SECONDS", 1.0)
    async with Installation.open(Settings(data_dir=data_dir)) as installation:
        signals = Signals(installation.database, installation.settings.data_dir)
        began = time.monotonic()
        async with asyncio.timeout(60), aclosing(signals.listen()) as changed:
            async for topics in changed:
                if topics == live._EVERYTHING and time.monotonic() - began > 1.0:
                    return


async def test_a_stream_says_when_its_sign_in_is_over_and_ends(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_LOOK_SECONDS", 0.0)
    answers = iter([True, False])

    async def allowed() -> bool:
        return next(answers)

    async with Installation.open(Settings(data_dir=data_dir)) as installation:
        signals = Signals(installation.database, installation.settings.data_dir)
        async with asyncio.timeout(60):
            said = [lines async for lines in live._events(signals, allowed)]
    assert len(said) == 2
    assert said[-1] == "event: signed-out\ndata:\n\n"


async def test_a_sign_in_that_is_ended_ends_its_streams_without_waiting_for_a_look(
    browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LOOK_SECONDS", 3_600.0)
    await sign_in(browser)
    here, cookie = browser.installation, browser.cookies[COOKIE]
    asked = 0

    async def allowed() -> bool:
        nonlocal asked
        asked += 1
        return await signing_in.signed_in(here, cookie, used=False) is not None

    said: list[str] = []
    async with asyncio.timeout(60):
        async for lines in live._events(Signals(here.database, here.settings.data_dir), allowed):
            said.append(lines)
            if asked == 1:
                async with here.transaction(Actor("a test")) as work:
                    await signing_in.revoke(work, "admin")
    assert said[-1] == "event: signed-out\ndata:\n\n"
    assert asked == 2


async def test_a_page_that_follows_by_itself_is_no_sign_of_anybody(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    partial = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Current-URL": "https://coati.test/users?page=2"}

    async def seen_before(minutes: int) -> None:
        async with browser.installation.transaction(Actor("a test")) as work:
            (await work.session.scalars(select(models.SignIn))).one().seen_at = now() - timedelta(minutes=minutes)

    async def idle() -> timedelta:
        async with browser.installation.snapshot() as work:
            return now() - (await work.session.scalars(select(models.SignIn))).one().seen_at

    await seen_before(50)
    followed = await browser.get("/users", headers={**partial, "Coati-Live": "true"})
    assert followed.status_code == 200
    assert await idle() > timedelta(minutes=49)
    assert (await browser.get("/users", headers=partial)).status_code == 200
    assert await idle() < timedelta(minutes=1)
    await seen_before(61)
    over = await browser.get("/users", headers={**partial, "Coati-Live": "true"})
    assert (over.status_code, over.headers["hx-redirect"]) == (401, "/sign-in?next=/users%3Fpage%3D2&ended=true")
    page = (await browser.get(over.headers["hx-redirect"])).text
    assert "You were signed out: for 60 minutes nobody did anything here" in page
    assert 'name="next" value="/users?page=2"' in page
    assert "You were signed out" not in (await browser.get("/sign-in")).text


async def test_what_is_not_there_any_more_is_said_in_a_part_as_well(browser: httpx2.AsyncClient) -> None:
    """A page that follows by itself, or a dialog, asks for parts; what it asks for may be gone by then."""
    await sign_in(browser)
    for path in ("/users/nobody", "/sessions/4711", "/nowhere/1"):
        answer = await browser.get(path, headers={"HX-Request": "true", "HX-Request-Type": "partial"})
        assert answer.status_code == 404, path
        assert "Not Found" in answer.text
        assert "<html" not in answer.text


async def test_every_live_part_says_that_it_is_one(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    page = (await browser.get("/sessions")).text
    live_ones = [tag for tag in re.findall(r"<[^>]*hx-trigger=[^>]*>", page) if "from:#signals" in tag]
    assert len(live_ones) == 2
    assert all("Coati-Live" in tag for tag in live_ones)


async def test_lines_of_the_log_are_news(data_dir: Path) -> None:
    async with Installation.open(Settings(data_dir=data_dir)) as installation:
        signals = Signals(installation.database, installation.settings.data_dir)
        stream = signals.listen()
        async with asyncio.timeout(60):
            await anext(stream)
            asyncio.get_running_loop().call_later(0.1, Record(installation.settings.data_dir).append, {"event": "x"})
            assert LOG in await _next_change(stream, LOG)
        await stream.aclose()


async def _next_change(stream: object, wanted: str = "users") -> frozenset[str]:
    async for topics in stream:
        if wanted in topics:
            return topics
    raise AssertionError("the stream ended")

"""Signals: one stream of events without content, each the name of a kind of thing that changed.

Pages ask again for what they show of it. One watcher feeds all streams of this process, and only
while there is one; every stream gets a name at most once a second, however often it changes, and all names
now and then.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Final

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from appliance import changes
from appliance.administrators import signing_in
from appliance.api.dependencies import installation
from appliance.database import Database
from appliance.logs.reader import state
from webui.security import COOKIE, SignedIn

logger = structlog.get_logger(__name__)

router = APIRouter(include_in_schema=False)

BEAT: Final = "beat"
SIGNED_OUT: Final = "signed-out"
LOG: Final = "log"
_EVERYTHING: Final = changes.TOPICS | {LOG}
_BEAT_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 10.0
_BETWEEN_SIGNALS_SECONDS: Final = 1.0
# A signal is told once. Whatever became of it on the way, no page stays wrong for longer.
_EVERYTHING_SECONDS: Final = 20.0
_RETRY_SECONDS: Final = 3.0


class _Stream:
    """What one browser has not been told yet."""

    def __init__(self) -> None:
        # What changed before it listened (again), nobody knows: everything is new to it.
        self.topics: set[str] = {*_EVERYTHING}
        self.woken = asyncio.Event()
        self.woken.set()


class Signals:
    """All streams of this process, and the watcher that feeds them."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self._database = database
        self._data_dir = data_dir
        self._streams: set[_Stream] = set()
        self._watchers: list[asyncio.Task[None]] = []
        self._closed = False

    async def listen(self) -> AsyncGenerator[frozenset[str]]:
        """Give the names of what changed, as soon as something did; nothing every few seconds."""
        stream, told_everything = _Stream(), time.monotonic()
        self._streams.add(stream)
        if not self._watchers:
            self._watchers = [asyncio.create_task(watch(), name="signals") for watch in (self._watch, self._watch_log)]
        try:
            while not self._closed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stream.woken.wait(), _BEAT_SECONDS)
                stream.woken.clear()
                if time.monotonic() - told_everything > _EVERYTHING_SECONDS:
                    stream.topics, told_everything = {*_EVERYTHING}, time.monotonic()
                topics, stream.topics = frozenset(stream.topics), set()
                yield topics
                if topics:
                    await asyncio.sleep(_BETWEEN_SIGNALS_SECONDS)
        finally:
            self._streams.discard(stream)
            if not self._streams and self._watchers:
                watchers, self._watchers = self._watchers, []
                for watcher in watchers:
                    watcher.cancel()
                await asyncio.wait(watchers)  # one gives its connection back

    def close(self) -> None:
        """End all streams: the process is about to."""
        self._closed = True
        for stream in self._streams:
            stream.woken.set()

    async def _watch(self) -> None:
        while True:
            try:
                async with aclosing(changes.feed(self._database)) as feed:
                    async for topics in feed:
                        self._tell(topics)
            except Exception as failure:  # noqa: BLE001  each driver has its own; a new feed tells everything again
                logger.error("cannot follow the database; trying again", error=str(failure)[:500])  # noqa: TRY400
            await asyncio.sleep(_RETRY_SECONDS)

    async def _watch_log(self) -> None:
        known = state(self._data_dir)
        while True:
            await asyncio.sleep(_BETWEEN_SIGNALS_SECONDS)
            if (now := state(self._data_dir)) != known:
                known = now
                self._tell({LOG})

    def _tell(self, topics: Iterable[str]) -> None:
        for stream in self._streams:
            stream.topics |= set(topics)
            stream.woken.set()


@router.get("/signals")
async def signals(request: Request, _actor: SignedIn) -> StreamingResponse:
    """Tell what kinds of things change, as long as the browser listens and is signed in."""
    # Not fastapi.sse (0.165): its keep-alive fails in the log whenever a browser leaves while something is sent.
    here, cookie = installation(request), request.cookies.get(COOKIE, "")

    async def allowed() -> bool:
        return await signing_in.signed_in(here, cookie, used=False) is not None

    return StreamingResponse(_events(request.app.state.signals, allowed), media_type="text/event-stream")


async def _events(streams: Signals, allowed: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
    """Write events (WHATWG HTML section 9.2.5) that have a name and nothing else, the last one when it is over."""
    looked = time.monotonic()
    async with aclosing(streams.listen()) as changed:
        async for topics in changed:
            # A sign-in that is ended is news of its own; one that ends by its age is noticed by looking.
            if topics & changes.TRUST or time.monotonic() - looked > _LOOK_SECONDS:
                if not await allowed():
                    yield f"event: {SIGNED_OUT}\ndata:\n\n"
                    return
                looked = time.monotonic()
            yield "".join(f"event: {name}\ndata:\n\n" for name in (*sorted(topics), BEAT))

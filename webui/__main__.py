"""``python -m webui``: the web process, as the keeper starts it. It serves panel and API over TLS.

It inherits the listening socket ``panel`` by ``children.DESCRIPTORS_VARIABLE`` (else it binds
``COATI_LISTEN``) and its settings from the environment. SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

import structlog
import uvicorn

from appliance import logs
from appliance.backups import making
from appliance.certificates import published, upkeep
from appliance.installation import Installation
from appliance.logs import level
from appliance.metrics import endpoints as metrics
from appliance.settings import ListenAddress, Settings
from ike_engine.runtime import pulse
from ike_engine.runtime.children import inherited_descriptors
from ike_engine.runtime.privileges import keep_memory_private
from webui import panel
from webui.served_certificate import ServedCertificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from fastapi import FastAPI
    from uvicorn.config import LifespanType

    from webui.live import Signals

logger = structlog.get_logger(__name__)

_GOODBYE_SECONDS: Final = 3


def listening(name: str, address: ListenAddress) -> socket.socket:
    """Give the socket that was handed down by this name, or bind one."""
    descriptor = inherited_descriptors().get(name)
    return socket.socket(fileno=descriptor) if descriptor is not None else bind(address)


def bind(address: ListenAddress) -> socket.socket:
    """Listen there.

    Raises:
        OSError: it is taken, not ours, or not allowed.
    """
    return socket.create_server(tuple(address), family=socket.AF_INET6 if ":" in address.host else socket.AF_INET)


def _config(app: FastAPI, *, lifespan: LifespanType = "auto") -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GOODBYE_SECONDS,
    )


class _Deaf(uvicorn.Server):
    """A server beside another that is told by signals when to end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


@asynccontextmanager
async def served_beside(name: str, address: ListenAddress | None, setting: str, app: FastAPI) -> AsyncIterator[None]:
    """Serve an application in the clear meanwhile. That it cannot be is said, and keeps nobody from working."""
    if address is None:
        yield
        return
    try:
        bound = listening(name, address)
    except OSError as error:
        logger.warning(
            "not served",
            what=name,
            listen=str(address),
            because=os.strerror(error.errno or 0),
            remedy=f"choose another address by {setting}, or switch them off: off",
        )
        yield
        return
    with bound:
        server = _Deaf(_config(app, lifespan="off"))
        serving = asyncio.create_task(server.serve([bound]))
        logger.info(name, listen=str(address))
        try:
            yield
        finally:
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    """Ends the streams of signals before it waits for all requests to end: they would not by themselves."""

    def __init__(self, config: uvicorn.Config, signals: Signals) -> None:
        super().__init__(config)
        self._signals = signals

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self._signals.close()
        await super().shutdown(sockets)


@asynccontextmanager
async def background(*work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Do these meanwhile, none of which ends by itself."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM."""
    async with Installation.open(settings, migrate=False) as installation:
        served = ServedCertificate(installation)
        await served.load()
        app = panel.create(installation)
        config = _config(app)
        config.load()
        config.ssl = served.context
        # All that there is now lives as long as the process: to look through it for garbage held up pages for 0.2 s.
        gc.collect()
        gc.freeze()
        with listening("panel", settings.listen) as bound:
            logger.info("panel", listen=str(settings.listen))
            meanwhile = background(
                served.follow(),
                upkeep.run(installation),
                making.run(installation),
                level.follow(installation),
                pulse.beat(inherited_descriptors()),
            )
            measures = served_beside(
                "metrics", settings.metrics_listen, "COATI_METRICS_LISTEN", metrics.create(installation)
            )
            crls = served_beside("crls", settings.crl_listen, "COATI_CRL_LISTEN", published.create(installation))
            async with measures, crls, meanwhile:
                await _Server(config, app.state.signals).serve(sockets=[bound])


def main() -> None:
    """Read what we were given, and serve."""
    settings = Settings()
    logs.configure(settings, "web")
    logs.keep(settings.data_dir, "web")
    keep_memory_private()
    # uvicorn raises the signal again when it is done: by then it should close the database, not kill.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()

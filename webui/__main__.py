"""``python -m webui``: the web process, as the keeper starts it. It serves panel and API over TLS.

It inherits the listening socket ``panel`` by ``children.DESCRIPTORS_VARIABLE`` (else it binds
``COATI_LISTEN``) and its settings from the environment. SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
from typing import TYPE_CHECKING, Final

import structlog
import uvicorn

from appliance import logs
from appliance.certificates import service as certificates
from appliance.installation import Actor, Installation
from appliance.settings import Settings
from ike_engine.runtime.children import inherited_descriptors
from ike_engine.runtime.privileges import keep_memory_private
from webui import panel

if TYPE_CHECKING:
    from webui.live import Signals

logger = structlog.get_logger(__name__)

_GOODBYE_SECONDS: Final = 3


async def tls(installation: Installation) -> ssl.SSLContext:
    """Give the TLS context of the panel's certificate; the key never lies in a file that has a name."""
    async with installation.snapshot(Actor("web")) as work:
        certificate, key = await certificates.panel_credentials(work)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    descriptor = os.memfd_create("panel")
    with os.fdopen(descriptor, "wb") as file:
        file.write(certificate + key)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    return context


def listening(settings: Settings) -> socket.socket:
    """Give the socket that was handed down, or bind one."""
    descriptor = inherited_descriptors().get("panel")
    if descriptor is not None:
        return socket.socket(fileno=descriptor)
    family = socket.AF_INET6 if ":" in settings.listen.host else socket.AF_INET
    return socket.create_server(tuple(settings.listen), family=family)


class _Server(uvicorn.Server):
    """Ends the streams of signals before it waits for all requests to end: they would not by themselves."""

    def __init__(self, config: uvicorn.Config, signals: Signals) -> None:
        super().__init__(config)
        self._signals = signals

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self._signals.close()
        await super().shutdown(sockets)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM."""
    async with Installation.open(settings, migrate=False) as installation:
        context = await tls(installation)
        app = panel.create(installation)
        config = uvicorn.Config(
            app,
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GOODBYE_SECONDS,
        )
        config.load()
        config.ssl = context
        with listening(settings) as bound:
            logger.info("panel", listen=str(settings.listen))
            await _Server(config, app.state.signals).serve(sockets=[bound])


def main() -> None:
    """Read what we were given, and serve."""
    settings = Settings()
    logs.configure(settings, "web")
    keep_memory_private()
    # uvicorn raises the signal again when it is done: by then it should close the database, not kill.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()

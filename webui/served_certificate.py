"""The panel's TLS certificate: the one that the database has now, also after a renewal, without a restart.

Each handshake is given the latest context when it has said whom it wants (OpenSSL asks then, even without a server
name). Connections that stand keep theirs.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import structlog

from appliance import changes
from appliance.certificates import service as certificates
from appliance.installation import Actor

if TYPE_CHECKING:
    from appliance.installation import Installation
    from ike_engine.secret import Secret

logger = structlog.get_logger(__name__)

_RETRY_SECONDS: Final = 5.0
_TOPICS: Final = frozenset({"certificates", "authorities"})


class ServedCertificate:
    """Holds the context that a server is started with.

    Attributes:
        context: To listen with; hands each handshake over to the latest.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._latest: tuple[bytes, Secret] | None = None
        self._current: ssl.SSLContext | None = None
        self.context = _context()
        self.context.sni_callback = self._hand_over

    async def load(self) -> bool:
        """Take the certificate that the database has now; ``False``: it is the one that was there.

        Raises:
            NotFound: there is none.
        """
        async with self._installation.snapshot(Actor("web")) as work:
            found = await certificates.panel_credentials(work)
        if found == self._latest:
            return False
        context = _context()
        certificate, key = found
        # The key never lies in a file that has a name.
        descriptor = os.memfd_create("panel")
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate + key)
            file.flush()
            for each in (context, self.context):  # the listener's own must be able to begin a handshake
                each.load_cert_chain(f"/proc/self/fd/{descriptor}")
        self._latest, self._current = found, context
        return True

    async def follow(self) -> None:
        """Take up every new certificate, until cancelled."""
        while True:
            try:
                await self._follow()
            except Exception as failure:  # noqa: BLE001  each driver has its own
                logger.error("cannot follow the certificates; trying again", error=str(failure)[:500])  # noqa: TRY400
            await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        async with aclosing(changes.feed(self._installation.database)) as feed:
            async for topics in feed:
                if topics & _TOPICS and await self.load():
                    logger.info("the panel has a new certificate")

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        if self._current is not None:
            connection.context = self._current


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

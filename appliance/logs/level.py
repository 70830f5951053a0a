"""Which lines are written is a setting that counts at once, for gateways and for the panel."""

import asyncio
from contextlib import aclosing
from typing import Final

import structlog

from appliance import changes, logs
from appliance.installation import Installation
from appliance.runtime_settings import service as runtime_settings

logger = structlog.get_logger(__name__)

_RETRY_SECONDS: Final = 5.0


async def obey(installation: Installation) -> None:
    """Write from now on what the setting says, or else what this process was started with."""
    async with installation.snapshot() as work:
        settings = await runtime_settings.current(work.session)
    logs.set_level(settings.log_level or installation.settings.log_level)


async def follow(installation: Installation) -> None:
    """Obey the setting now and whenever it changes, until cancelled."""
    while True:
        try:
            async with aclosing(changes.feed(installation.database)) as feed:
                async for topics in feed:
                    if "settings" in topics:
                        await obey(installation)
        except Exception as failure:  # noqa: BLE001  each driver has its own
            logger.error("cannot follow the settings; trying again", error=str(failure)[:500])  # noqa: TRY400
        await asyncio.sleep(_RETRY_SECONDS)

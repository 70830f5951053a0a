"""What keeps certificates good without anybody: our own are renewed, CRLs refreshed, the rest is warned of.

Runs in the web process, which has no privilege and no client waits for. Several at once do no harm: each looks again
inside its own transaction.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from appliance.certificates import authorities, expiry, service
from appliance.installation import Actor, Installation

ACTOR: Final = Actor("upkeep")
EVERY: Final = timedelta(hours=1)

logger = structlog.get_logger(__name__)


async def once(installation: Installation) -> None:
    """Look after everything that is due now."""
    async with installation.transaction(ACTOR) as work:
        renewed = await service.ensure(work, follow_names=False)
        published = await authorities.publish_crls(work)
    for certificate in renewed:
        logger.info("certificate renewed", purpose=certificate.purpose.value, good_until=str(certificate.not_after))
    if published:
        logger.info("CRLs published", authorities=published)
    async with installation.snapshot(ACTOR) as work:
        for problem in await expiry.problems(work):
            logger.warning(problem.what, remedy=problem.remedy)


async def run(installation: Installation, *, every: timedelta = EVERY) -> None:
    """Look after it now and then, until cancelled; a database that is away must not end it."""
    while True:
        try:
            await once(installation)
        except Exception as failure:  # noqa: BLE001  each driver has its own
            logger.error("cannot look after certificates; trying again", error=str(failure)[:500])  # noqa: TRY400
        await asyncio.sleep(every.total_seconds())

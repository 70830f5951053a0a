"""What a browser was asked for and has yet to bring back: once, and soon."""

import secrets
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.administrators.repository import digest
from appliance.models import Ceremony
from appliance.models.columns import now
from ike_engine.secret import Secret

PATIENCE: Final = timedelta(minutes=5)
_TICKET_OCTETS: Final = 32


async def begin(
    session: AsyncSession, purpose: str, administrator_id: int | None = None, memory: dict[str, Any] | None = None
) -> Secret:
    """Remember what was asked for; gives the ticket that the browser keeps meanwhile."""
    await session.execute(delete(Ceremony).where(Ceremony.expires_at < now()))
    ticket = Secret(secrets.token_urlsafe(_TICKET_OCTETS).encode())
    session.add(
        Ceremony(
            ticket_hash=digest(ticket.decode()),
            purpose=purpose,
            administrator_id=administrator_id,
            memory=memory or {},
            expires_at=now() + PATIENCE,
        )
    )
    return ticket


async def find(session: AsyncSession, purpose: str, ticket: str) -> Ceremony | None:
    """Give what the ticket stands for, if it is not too late."""
    ceremony = await session.get(Ceremony, digest(ticket))
    if ceremony is None or ceremony.purpose != purpose or ceremony.expires_at < now():
        return None
    return ceremony


async def end(session: AsyncSession, purpose: str, ticket: str) -> Ceremony | None:
    """The same, and nobody can bring it a second time."""
    ceremony = await find(session, purpose, ticket)
    if ceremony is not None:
        await session.delete(ceremony)
        await session.flush()
    return ceremony

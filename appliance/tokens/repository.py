"""Queries on tokens."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance import listing
from appliance.models import Token
from appliance.schema import Paging
from appliance.tokens.schemas import TokenFilter


async def find(session: AsyncSession, name: str) -> Token | None:
    """Give one token by name."""
    found: Token | None = await session.scalar(select(Token).where(Token.name == name))
    return found


async def find_by_handle(session: AsyncSession, handle: str) -> Token | None:
    """Give one token by its public part."""
    found: Token | None = await session.scalar(select(Token).where(Token.handle == handle))
    return found


async def expiring(session: AsyncSession, after: datetime, before: datetime) -> Sequence[Token]:
    """Give the good tokens that expire between two moments, the first to expire first."""
    return (
        await session.scalars(
            select(Token)
            .where(Token.revoked_at.is_(None), Token.expires_at > after, Token.expires_at < before)
            .order_by(Token.expires_at)
        )
    ).all()


async def page(session: AsyncSession, wanted: TokenFilter, paging: Paging) -> tuple[Sequence[Token], int]:
    """Give tokens, and how many there are."""
    return await listing.page(session, Token, listing.containing(wanted.text, Token.name), wanted.sort, paging)

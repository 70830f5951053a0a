"""Queries on tokens."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.models import Token


async def find(session: AsyncSession, name: str) -> Token | None:
    """Give one token by name."""
    found: Token | None = await session.scalar(select(Token).where(Token.name == name))
    return found


async def find_by_handle(session: AsyncSession, handle: str) -> Token | None:
    """Give one token by its public part."""
    found: Token | None = await session.scalar(select(Token).where(Token.handle == handle))
    return found


async def all_tokens(session: AsyncSession) -> Sequence[Token]:
    """Give all tokens by name."""
    return (await session.scalars(select(Token).order_by(Token.name))).all()

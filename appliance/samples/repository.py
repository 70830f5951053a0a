"""Queries on samples."""

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.listing import equal
from appliance.models import Sample


async def steps(session: AsyncSession, first_minute: int, minutes_a_step: int, node: str) -> list[tuple[int, ...]]:
    """Give the steps in which something happened: number, sessions, octets in and out, logins, refusals."""
    columns = (Sample.octets_in, Sample.octets_out, Sample.logins, Sample.refusals)
    minutes = (
        select(
            Sample.minute,
            func.sum(Sample.sessions).label("sessions"),
            *(func.sum(each).label(each.key) for each in columns),
        )
        .where(Sample.minute >= first_minute, *equal(Sample.node, node))
        .group_by(Sample.minute)
        .subquery()
    )
    number = ((minutes.c.minute - first_minute) // minutes_a_step).label("number")
    rows = await session.execute(
        select(number, func.max(minutes.c.sessions), *(func.sum(minutes.c[each.key]) for each in columns))
        .group_by(number)
        .order_by(number)
    )
    return [tuple(map(int, row)) for row in rows]


async def forget_before(session: AsyncSession, minute: int) -> None:
    """Remove what is older."""
    await session.execute(delete(Sample).where(Sample.minute < minute))

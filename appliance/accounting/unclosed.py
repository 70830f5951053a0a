"""Ends the accounting of sessions that ended without anybody to tell of it: the gateway had crashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import aliased

from appliance.accounting.records import CRASHED, Content, totals
from appliance.models import AccountingRecord, AccountingStatus, Session

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession


async def close_unclosed(session: AsyncSession, node: str, at: datetime) -> int:
    """Write a Stop for every session of this node that has a Start, no Stop, and is over.

    Args:
        session: The transaction that ended the rows of ``sessions``.
        node: The gateway that begins.
        at: Now; when a session's own row is gone.

    Returns:
        How many there were.
    """
    stop = aliased(AccountingRecord)
    rows = await session.execute(
        select(AccountingRecord, Session)
        .outerjoin(Session, and_(Session.node == AccountingRecord.node, Session.peer_id == AccountingRecord.peer_id))
        .where(
            AccountingRecord.node == node,
            AccountingRecord.status == AccountingStatus.START,
            ~exists().where(stop.session == AccountingRecord.session, stop.status == AccountingStatus.STOP),
            or_(Session.id.is_(None), Session.ended_at.is_not(None)),
        )
    )
    found = 0
    for start, stay in rows.all():
        ended_at = (stay.ended_at if stay is not None else None) or at
        columns = (
            {name: getattr(stay, name) for name in ("started_at", *_TRAFFIC)}
            if stay is not None
            else {"started_at": start.at} | dict.fromkeys(_TRAFFIC, 0)
        )
        session.add(
            AccountingRecord(
                node=node,
                realm=start.realm,
                session=start.session,
                peer_id=start.peer_id,
                status=AccountingStatus.STOP,
                user=start.user,
                at=ended_at,
                due_at=at,
                content=start.content | totals(columns, ended_at) | Content(cause=CRASHED),
            )
        )
        found += 1
    return found


_TRAFFIC = ("octets_in", "octets_out", "packets_in", "packets_out")

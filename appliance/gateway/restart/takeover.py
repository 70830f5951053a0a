"""What a gateway does to its rows before it serves: it ends what an earlier one left behind that cannot go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, case, delete, exists, func, insert, literal, select, update
from sqlalchemy.orm import aliased

from appliance import models
from appliance.accounting.unclosed import close_unclosed
from appliance.database import affected
from appliance.models import EventKind
from appliance.models.columns import Word
from ike_engine.events import Goodbye

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Insert
    from sqlalchemy.ext.asyncio import AsyncSession

_NO_GOODBYE: Final = "the gateway ended without saying goodbye"


async def take_over(session: AsyncSession, node: models.Node, at: datetime) -> int:
    """Free the leases of this node, end its sessions that nobody goes on with, and sign in.

    Those that are stored go on (``stored_stays``), and take their addresses again.

    Args:
        session: A transaction.
        node: The row of the gateway that begins.
        at: Now.

    Returns:
        How many sessions had not ended.
    """
    before = await session.get(models.Node, node.name)
    # They ended some time after the last sign of life, not now.
    last_seen = before.heartbeat_at if before is not None else at
    ended_at = case((models.Session.started_at > last_seen, models.Session.started_at), else_=last_seen)
    goes_on = exists().where(
        models.StoredStay.node == models.Session.node, models.StoredStay.peer_id == models.Session.peer_id
    )
    left_behind = models.Session.node == node.name, models.Session.ended_at.is_(None), ~goes_on
    await session.execute(_log_out(ended_at, left_behind))
    ended = await session.execute(
        update(models.Session)
        .where(*left_behind)
        .values(ended_at=ended_at, goodbye=Goodbye.FAILED.value, goodbye_reason=_NO_GOODBYE)
    )
    await session.execute(
        update(models.Lease)
        .where(models.Lease.node == node.name, models.Lease.free_since.is_(None))
        .values(free_since=at, node=None)
    )
    await session.execute(delete(models.AdmittedSession).where(models.AdmittedSession.node == node.name))
    await close_unclosed(session, node.name, at)
    await session.merge(node)
    return affected(ended)


def _log_out(ended_at: ColumnElement[datetime], left_behind: Iterable[ColumnElement[bool]]) -> Insert:
    """Have the history tell of these sessions' ends."""
    session, login = models.Session, aliased(models.Event)
    same = ("node", "peer_id", "user", "profile", "peer_address", "peer_port", "virtual_ip", "client_software")
    values = {
        "at": ended_at,
        "kind": literal(EventKind.LOGOUT, Word(EventKind)),
        **{name: getattr(session, name) for name in (*same, "octets_in", "octets_out")},
        "realm": func.coalesce(login.realm, ""),
        "began_at": session.started_at,
        "cause": literal(Goodbye.FAILED.value),
        "reason": literal(_NO_GOODBYE),
    }
    of_its_login = and_(login.node == session.node, login.peer_id == session.peer_id, login.kind == EventKind.LOGIN)
    found = select(*values.values()).select_from(session).outerjoin(login, of_its_login).where(*left_behind)
    return insert(models.Event).from_select(list(values), found, include_defaults=False)

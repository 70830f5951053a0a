"""Stores what every live session needs to outlive this process, and finds what an earlier one stored.

Written with the session's own row, in the same transaction; gone when the session is. What is stored are keys, so
it is sealed. At the start those are found whose Child SAs the data plane still carries: the others are over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from appliance import models
from appliance.auth.radius.realm import Accounted
from appliance.auth.verdicts import Claim
from appliance.gateway.record.observers import Bystander, Written
from appliance.gateway.record.stay import Stay
from appliance.master_key import MasterKey, Unsealable
from appliance.models.columns import now as utc_now
from appliance.policy.attributes import AccessPolicy
from ike_engine.events import (
    ChildSaEstablished,
    ChildSaRemoved,
    Event,
    IsakmpSaEstablished,
    LivenessChanged,
    PeerConnected,
    PeerGone,
    PeerMoved,
)
from ike_engine.ikev1.storage import CannotResume, StoredPeer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncSession

    from appliance.gateway.record.rows import Row
    from ike_engine.dataplane.interface import ChildCounters
    from ike_engine.secret import Secret

logger = structlog.get_logger(__name__)

PURPOSE: Final = "stored_stays.content"
_TABLE: Final[Table] = models.StoredStay.metadata.tables["stored_stays"]
_FORGET: Final = delete(_TABLE).where(_TABLE.c.node == bindparam("of"), _TABLE.c.peer_id == bindparam("peer"))
_CHANGES_IT: Final = (
    PeerConnected,
    IsakmpSaEstablished,
    ChildSaEstablished,
    ChildSaRemoved,
    PeerMoved,
    LivenessChanged,  # the number of the last probe is part of it
)


@dataclass(frozen=True, slots=True)
class Found:
    """A session that can go on."""

    stay: Stay
    peer: StoredPeer


class StoredStays(Bystander):
    """The stored stays of one gateway (``observers.SessionObserver``).

    Args:
        node: Its name in the database.
        master_key: Seals them.
        store: Gives the engine's part of a peer; ``None``: it is not connected.
        live: Gives the sessions of the moment, by peer.
        postgresql_dialect: The database is PostgreSQL.
    """

    def __init__(
        self,
        node: str,
        master_key: MasterKey,
        *,
        store: Callable[[int], Secret | None],
        live: Callable[[], Mapping[int, Stay]],
        postgresql_dialect: bool,
    ) -> None:
        self._node = node
        self._master_key = master_key
        self._store = store
        self._live = live
        self._changed: set[int] = set()
        self._gone: set[int] = set()
        insert = postgresql.insert if postgresql_dialect else sqlite.insert
        added = insert(_TABLE).values({name: bindparam(name) for name in ("node", "peer_id", "content", "stored_at")})
        self._put = added.on_conflict_do_update(
            index_elements=["node", "peer_id"],
            set_={"content": added.excluded.content, "stored_at": added.excluded.stored_at},
        )

    # ---- while sessions live ------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Take in what the engine reports."""
        if isinstance(event, _CHANGES_IT):
            self._changed.add(event.peer_id)
        elif isinstance(event, PeerGone):
            self._changed.discard(event.peer_id)
            self._gone.add(event.peer_id)

    def altered(self, peer_id: int) -> None:
        """The realm says something else of a session now."""
        self._changed.add(peer_id)

    def collect(self) -> Sequence[Written]:
        """Give what to write since the last call."""
        changed, self._changed = self._changed, set()
        gone, self._gone = self._gone, set()
        at = utc_now()
        return (
            Written(self._put, [row for peer_id in changed if (row := self._row(peer_id, at)) is not None]),
            Written(_FORGET, [{"of": self._node, "peer": peer_id} for peer_id in gone]),
        )

    def _row(self, peer_id: int, at: datetime) -> Row | None:
        stay, octets = self._live().get(peer_id), self._store(peer_id)
        if stay is None or octets is None:
            return None
        content = {"peer": octets.decode(), "claim": _plain(stay.claim) if stay.claim else None}
        sealed = self._master_key.seal(json.dumps(content).encode(), PURPOSE)
        return {"node": self._node, "peer_id": peer_id, "content": sealed, "stored_at": at}

    # ---- at the start -------------------------------------------------------------------------------

    async def find(self, session: AsyncSession, held: Sequence[ChildCounters]) -> list[Found]:
        """Give the sessions of an earlier life that can go on, and forget the others.

        Args:
            session: A transaction.
            held: What the data plane carries.
        """
        counters = {child.inbound_spi: child for child in held}
        rows = await session.execute(
            select(models.StoredStay, models.Session)
            .outerjoin(
                models.Session,
                (models.Session.node == models.StoredStay.node)
                & (models.Session.peer_id == models.StoredStay.peer_id)
                & models.Session.ended_at.is_(None),
            )
            .where(models.StoredStay.node == self._node)
        )
        found = []
        for stored, row in rows.all():
            going_on = self._read(stored, row, counters) if row is not None else None
            if going_on is None:
                await session.delete(stored)
            else:
                found.append(going_on)
        return found

    def _read(
        self, stored: models.StoredStay, row: models.Session, counters: Mapping[int, ChildCounters]
    ) -> Found | None:
        try:
            content = json.loads(self._master_key.open(stored.content, PURPOSE))
            peer = StoredPeer.from_octets(content["peer"].encode())
        except (Unsealable, CannotResume) as obstacle:
            logger.warning("a session cannot go on", user=row.user, why=str(obstacle))
            return None
        carried = [counters[spi] for spi in peer.inbound_spis if spi in counters]
        if not carried:
            return None
        return Found(Stay.resume(row, _claim(content["claim"]) if content["claim"] else None, carried), peer)


def _plain(claim: Claim) -> dict[str, Any]:
    accounting = claim.accounting
    return {
        "realm": claim.realm,
        "account": claim.account,
        "group": claim.group,
        "policy": claim.policy.stored(),
        "expires_at": claim.expires_at.isoformat() if claim.expires_at else None,
        "groups": claim.groups,
        "attributes": claim.attributes.stored(),
        "accounting": {
            "session_id": accounting.session_id,
            "user": accounting.user,
            "classes": [value.hex() for value in accounting.classes],
        }
        if isinstance(accounting, Accounted)
        else None,
        "pam_session": claim.pam_session,
    }


def _claim(plain: dict[str, Any]) -> Claim:
    accounting = plain["accounting"]
    return Claim(
        realm=plain["realm"],
        account=plain["account"],
        group=plain["group"],
        policy=AccessPolicy.model_validate(plain["policy"]),
        expires_at=datetime.fromisoformat(plain["expires_at"]) if plain["expires_at"] else None,
        groups=tuple(plain["groups"]),
        attributes=AccessPolicy.model_validate(plain["attributes"]),
        accounting=Accounted(
            session_id=accounting["session_id"],
            user=accounting["user"],
            classes=tuple(bytes.fromhex(value) for value in accounting["classes"]),
        )
        if accounting
        else None,
        pam_session=plain["pam_session"],
    )

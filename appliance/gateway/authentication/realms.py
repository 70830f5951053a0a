"""Makes realms from their rows, keeps those whose rows did not move, and tells how they are.

A kind of realm is one entry of ``BUILDERS``. What cannot be made stands in the chain as a realm that
says why, so that a mistake in one realm's settings neither hides nor stops the others.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import select

from appliance import models
from appliance.auth.local import LocalRealm
from appliance.auth.pam.realm import PamRealm
from appliance.auth.pam.settings import PamSettings
from appliance.auth.realm import BrokenRealm
from appliance.gateway.authentication import radius_realms
from appliance.gateway.authentication.accounts import StoredAccounts
from appliance.master_key import Unsealable
from appliance.models import RealmKind
from appliance.models.columns import now as utc_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from appliance.auth.chain import Chain
    from appliance.auth.pam.client import PamWorker
    from appliance.auth.realm import Realm
    from appliance.auth.remembered_passwords import RememberedPasswords
    from appliance.gateway.record.database_thread import DatabaseThread
    from appliance.installation import Installation

logger = structlog.get_logger(__name__)

# A login that began with a realm may finish with it: longer than a client's Xauth takes.
_GRACE_SECONDS: Final = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmRow:
    """A row of the table ``realms``; equal rows make equal realms."""

    name: str
    kind: RealmKind
    settings: Mapping[str, Any]
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmTools:
    """What realms are made with.

    Attributes:
        installation: Settings, database and master key.
        reader: For what is read at every login.
        passwords: Verifies the passwords of local users.
        pam: Talks to PAM; ``None`` when nobody does.
    """

    installation: Installation
    reader: DatabaseThread
    passwords: RememberedPasswords
    pam: PamWorker | None = None


class CannotBuild(Exception):
    """A realm cannot be made from its row, in words.

    Attributes:
        remedy: What to do about it.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


async def _local(row: RealmRow, tools: RealmTools) -> Realm:
    return LocalRealm(StoredAccounts(tools.reader, tools.installation), tools.passwords, name=row.name)


async def _pam(row: RealmRow, tools: RealmTools) -> Realm:
    if tools.pam is None:
        raise CannotBuild("there is no PAM worker", "start Coati as root: coati serve")
    return PamRealm(row.name, PamSettings.model_validate(row.settings), tools.pam)


async def _radius(row: RealmRow, tools: RealmTools) -> Realm:
    try:
        return await radius_realms.build(row.name, row.settings, tools.installation)
    except Unsealable as failure:
        raise CannotBuild(str(failure), f"give the server its secret anew: coati realm server set {row.name}") from None


async def _unknown(row: RealmRow, _tools: RealmTools) -> Realm:
    raise CannotBuild(f"this version of Coati knows no realms of kind {row.kind}", "update this gateway")


BUILDERS: Final[dict[RealmKind, Callable[[RealmRow, RealmTools], Awaitable[Realm]]]] = {
    RealmKind.LOCAL: _local,
    RealmKind.PAM: _pam,
    RealmKind.RADIUS: _radius,
}
"""How a realm of each kind is made; raises ``CannotBuild``."""


class Realms:
    """The realms of one gateway.

    Args:
        chain: Is told whenever they change.
        tools: What they are made with.
    """

    def __init__(self, chain: Chain, tools: RealmTools) -> None:
        self._chain = chain
        self._tools = tools
        self._built: dict[str, tuple[RealmRow, Realm]] = {}
        self._retiring: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Realm]:
        return iter([realm for _, realm in self._built.values()])

    def __getitem__(self, name: str) -> Realm:
        return self._built[name][1]

    async def reload(self, session: AsyncSession) -> None:
        """Read the rows, and make what moved."""
        rows = (await session.scalars(select(models.Realm).order_by(models.Realm.position, models.Realm.id))).all()
        before, self._built = self._built, {}
        for row in rows:
            if row.enabled:
                wanted = RealmRow(name=row.name, kind=row.kind, settings=row.settings, changed_at=row.changed_at)
                known = before.pop(row.name, None)
                if known is not None and known[0] == wanted:
                    self._built[row.name] = known
                    continue
                self._built[row.name] = (wanted, await self._build(wanted))
                if known is not None:
                    self._retire(known[1])
        for _, realm in before.values():
            self._retire(realm)
        self._chain.reconfigure(
            [realm for _, realm in self._built.values()], disabled=[row.name for row in rows if not row.enabled]
        )

    def health(self) -> dict[str, dict[str, Any]]:
        """Tell how each is, for this gateway's row."""
        return {
            name: asdict(realm.health)
            | {"since": since.isoformat(timespec="seconds") if (since := realm.health.since) else None}
            for name, (_, realm) in self._built.items()
        }

    async def close(self) -> None:
        """Let go of all."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await asyncio.gather(*(realm.close() for _, realm in self._built.values()), return_exceptions=True)

    async def _build(self, row: RealmRow) -> Realm:
        try:
            return await BUILDERS.get(row.kind, _unknown)(row, self._tools)
        except CannotBuild as failure:
            logger.error("realm is not in force", realm=row.name, why=str(failure), remedy=failure.remedy)  # noqa: TRY400
            return BrokenRealm(row.name, str(failure), failure.remedy, utc_now())

    def _retire(self, realm: Realm) -> None:
        async def close_later() -> None:
            try:
                await asyncio.sleep(_GRACE_SECONDS)
            finally:
                await realm.close()

        task = asyncio.create_task(close_later())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

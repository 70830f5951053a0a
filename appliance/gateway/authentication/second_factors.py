"""Finds the second factors of users at their logins, and takes codes so that none counts twice.

That is decided by the database, in one statement that changes the row only if nobody was faster: the
same code sent to two gateways at the same time lets one client in.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import Connection, bindparam, select, update

from appliance import models
from appliance.auth import one_time_codes
from appliance.auth.second_factor import Factor, FactorsUnavailable
from appliance.models.columns import now as utc_now
from appliance.second_factors.service import SEED

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from appliance.gateway.record.database_thread import DatabaseThread
    from appliance.master_key import MasterKey, Sealed

T = TypeVar("T")

_FACTORS = models.SecondFactor.__table__
_FIND: Final = select(_FACTORS.c.id, _FACTORS.c.seed, _FACTORS.c.last_step).where(
    _FACTORS.c.realm == bindparam("realm"), _FACTORS.c.user == bindparam("user"), _FACTORS.c.confirmed_at.is_not(None)
)
_ENROLLED: Final = select(_FACTORS.c.realm, _FACTORS.c.user).where(_FACTORS.c.confirmed_at.is_not(None))
_TAKE_STEP: Final = (
    update(models.SecondFactor)
    .where(_FACTORS.c.id == bindparam("row"), _FACTORS.c.last_step < bindparam("step"))
    .values(last_step=bindparam("step"), used_at=bindparam("at"))
)
_RECOVERY: Final = select(_FACTORS.c.recovery_codes).where(_FACTORS.c.id == bindparam("row")).with_for_update()
_TAKE_RECOVERY: Final = (
    update(models.SecondFactor)
    .where(_FACTORS.c.id == bindparam("row"))
    .values(recovery_codes=bindparam("left"), used_at=bindparam("at"))
)


class StoredSecondFactors:
    """The table of second factors.

    Args:
        reader, writer: Threads with a connection each.
        master_key: Opens seeds.
        wall_clock: Aware time.
    """

    def __init__(
        self,
        reader: DatabaseThread,
        writer: DatabaseThread,
        master_key: MasterKey,
        wall_clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._master_key = master_key
        self._wall_clock = wall_clock
        self._enrolled: frozenset[tuple[str, str]] | None = None

    async def follow(self) -> None:
        """Know who is enrolled: nobody else's login waits for another query.

        Raises:
            FactorsUnavailable: the database cannot be read.
        """
        self._enrolled = None  # should this fail, everybody is looked up again
        self._enrolled = await self._run(self._reader, _all_enrolled)

    async def find(self, realm: str, user: str) -> Factor | None:
        """Give the one of this user, if it counts.

        Raises:
            FactorsUnavailable: the database cannot be read, or the master key is another.
        """
        if self._enrolled is not None and (realm, user) not in self._enrolled:
            return None
        if not user.isprintable():  # no database takes half of a surrogate pair, and no user is called so
            return None
        row = await self._run(self._reader, partial(_find, realm, user))
        if row is None:
            return None
        key, sealed, last_step = row
        try:
            return Factor(key=key, seed=self._master_key.open(sealed, SEED), last_step=last_step)
        except Exception as failure:
            raise FactorsUnavailable(str(failure)) from failure

    async def spend(self, factor: Factor, code: str) -> bool:
        """Take a code; ``False``: it is wrong, or was taken before.

        Raises:
            FactorsUnavailable: the database cannot be written.
        """
        at = self._wall_clock()
        step = one_time_codes.matching_step(factor.seed.decode(), code, at, factor.last_step)
        if step is not None:
            return await self._run(self._writer, partial(_take_step, factor.key, step, at))
        if one_time_codes.is_recovery_code(code):
            digest = one_time_codes.recovery_digest(code)
            return await self._run(self._writer, partial(_take_recovery_code, factor.key, digest, at))
        return False

    @staticmethod
    async def _run(thread: DatabaseThread, work: Callable[[Connection], T]) -> T:
        try:
            return await thread.run(work)
        except Exception as failure:
            raise FactorsUnavailable(str(failure.__cause__ or failure)) from failure


def _all_enrolled(connection: Connection) -> frozenset[tuple[str, str]]:
    return frozenset((row.realm, row.user) for row in connection.execute(_ENROLLED))


def _find(realm: str, user: str, connection: Connection) -> tuple[int, Sealed, int] | None:
    row = connection.execute(_FIND, {"realm": realm, "user": user}).first()
    return None if row is None else (row.id, row.seed, row.last_step)


def _take_step(key: int, step: int, at: datetime, connection: Connection) -> bool:
    return connection.execute(_TAKE_STEP, {"row": key, "step": step, "at": at}).rowcount == 1


def _take_recovery_code(key: int, digest: str, at: datetime, connection: Connection) -> bool:
    codes = connection.execute(_RECOVERY, {"row": key}).scalar() or ()
    if digest not in codes:
        return False
    left = tuple(code for code in codes if code != digest)
    connection.execute(_TAKE_RECOVERY, {"row": key, "left": left, "at": at})
    return True

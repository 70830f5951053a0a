"""How much users with a quota transferred: counted by the day, shared by all gateways through the database.

The table says what was written; what was counted here since it was read is added in memory. So a
login waits for no query where one gateway is alone. Where several share the database, whoever has a quota
is read anew at the login, and every few seconds while a session of theirs is live.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, bindparam, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from appliance import models
from appliance.gateway.record.observers import Bystander, Written
from appliance.gateway.record.stay import Whose
from appliance.policy.attributes import QuotaPeriod

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Table

    from appliance.gateway.record.database_thread import DatabaseThread
    from appliance.gateway.record.stay import Stay
    from appliance.policy.attributes import AccessPolicy

_TRANSFERS: Final[Table] = models.Transfer.metadata.tables["transfers"]
_KEPT: Final = timedelta(days=400)

Transferred = dict[Whose, dict[date, int]]


def first_day(period: QuotaPeriod, today: date) -> date:
    """Give the first day of the period that ``today`` is in; weeks begin on Monday."""
    match period:
        case QuotaPeriod.DAY:
            return today
        case QuotaPeriod.WEEK:
            return today - timedelta(days=today.weekday())
        case QuotaPeriod.MONTH:
            return today.replace(day=1)


def read_transfers(connection: Connection, today: date, users: Collection[Whose] | None = None) -> Transferred:
    """Read what was transferred in the longest period that is not over, by these users or (``None``) by all."""
    since = min(first_day(period, today) for period in QuotaPeriod)
    columns = _TRANSFERS.c
    wanted = select(columns.realm, columns.user, columns.day, columns.octets).where(columns.day >= since)
    if users is not None:
        wanted = wanted.where(tuple_(columns.realm, columns.user).in_(list(users)))
    found: Transferred = {}
    for realm, user, day, octets in connection.execute(wanted):
        found.setdefault(Whose(realm, user), {})[day] = octets
    return found


class Transfers(Bystander):
    """Counts (``observers.SessionObserver``).

    Args:
        postgresql_dialect: The database is PostgreSQL.
        wall_clock: Aware time.
    """

    def __init__(self, wall_clock: Callable[[], datetime], *, postgresql_dialect: bool) -> None:
        self._wall_clock = wall_clock
        self._known: Transferred = {}
        self._unwritten: defaultdict[tuple[Whose, date], int] = defaultdict(int)
        self._since_read: defaultdict[tuple[Whose, date], int] = defaultdict(int)
        insert = postgresql.insert if postgresql_dialect else sqlite.insert
        added = insert(_TRANSFERS).values({column.name: bindparam(column.name) for column in _TRANSFERS.c})
        self._add = added.on_conflict_do_update(
            index_elements=["realm", "user", "day"], set_={"octets": _TRANSFERS.c.octets + added.excluded.octets}
        )

    def used_up(self, user: Whose, policy: AccessPolicy, now: datetime) -> int | None:
        """Give what a user transferred in its period if that is as much as the policy allows."""
        if not policy.quota_octets or policy.quota_period is None:
            return None
        used = self.used(user, policy.quota_period, now)
        return used if used >= policy.quota_octets else None

    def used(self, user: Whose, period: QuotaPeriod, now: datetime) -> int:
        """Give what a user transferred in the period that ``now`` is in."""
        since = first_day(period, now.astimezone(UTC).date())
        known = sum(octets for day, octets in self._known.get(user, {}).items() if day >= since)
        return known + sum(
            octets for (whose, day), octets in self._since_read.items() if whose == user and day >= since
        )

    def about_to_read(self, users: Collection[Whose] | None = None) -> None:
        """What is counted from now on is not in what will be read; all before has been written."""
        for whose, day in list(self._since_read):
            if users is None or whose in users:
                del self._since_read[whose, day]

    def read(self, transferred: Transferred, users: Collection[Whose] | None = None) -> None:
        """This is what the table says, of these users or (``None``) of all."""
        if users is None:
            self._known = transferred
        else:
            self._known |= {user: transferred.get(user, {}) for user in users}

    async def catch_up(self, reader: DatabaseThread, users: Collection[Whose] | None = None) -> None:
        """Read what these users transferred, or (``None``) all; what was counted here must have been written."""
        self.about_to_read(users)
        today = self._wall_clock().astimezone(UTC).date()
        self.read(await reader.run(partial(read_transfers, today=today, users=users)), users)

    # ---- SessionObserver ----

    def changed(self, stay: Stay) -> None:
        """Count what came since the last time."""
        if stay.terms is None or not stay.terms.effective.policy.quota_octets:
            return
        traffic = stay.traffic()
        total = traffic["octets_in"] + traffic["octets_out"]
        more, stay.octets_counted = total - stay.octets_counted, total
        if more > 0:
            key = (stay.whose, self._wall_clock().astimezone(UTC).date())
            self._unwritten[key] += more
            self._since_read[key] += more

    def collect(self) -> Sequence[Written]:
        """Give what to add to the table."""
        unwritten, self._unwritten = self._unwritten, defaultdict(int)
        rows = [whose._asdict() | {"day": day, "octets": octets} for (whose, day), octets in unwritten.items()]
        return [Written(self._add, rows)] if rows else []


def forget_old_transfers(connection: Connection, today: date) -> None:
    """Keep a year and a bit."""
    connection.execute(delete(_TRANSFERS).where(_TRANSFERS.c.day < today - _KEPT))

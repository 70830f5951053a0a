"""All that stands around a login, put together: the chain of realms, what slows guessing down, one-time codes, history.

question -> chain -> throttle, realms, codes
projector -> observers -> history -> events, hook
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from appliance import models
from appliance.auth.chain import Chain
from appliance.auth.pam.client import PamWorker
from appliance.auth.realm_answers import RealmAnswers
from appliance.auth.second_factor import OneTimeCodes
from appliance.auth.throttle import Throttle
from appliance.gateway.authentication.second_factors import StoredSecondFactors
from appliance.gateway.compile import Problem
from appliance.gateway.record.history import History
from appliance.gateway.record.hook import Hook
from appliance.gateway.record.observers import Bystander, Written
from appliance.history import repository as history
from appliance.lockouts import repository as lockouts
from appliance.lockouts.rules import Door, Record
from appliance.models.columns import now as utc_now

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Insert

    from appliance.auth.verdicts import Claim
    from appliance.gateway.record.database_thread import DatabaseThread
    from appliance.gateway.record.observers import SessionObserver
    from appliance.gateway.record.stay import Stay
    from appliance.installation import Installation
    from appliance.policy.attributes import SecondFactor

FOLLOWED: Final = frozenset({"throttles", "second_factors"})
"""Topics of the change feed."""

_LAST_HOOKS_SECONDS: Final = 3.0
# What another gateway committed late is not missed.
_OVERLAP: Final = timedelta(seconds=10)

_THROTTLES = models.Throttle.__table__
_COLUMNS: Final = ("failures", "failed_at", "blocked_until", "changed_at")
_NEWER: Final = select(_THROTTLES.c.subject, *(_THROTTLES.c[name] for name in _COLUMNS)).where(
    _THROTTLES.c.subject.startswith(f"{Door.VPN}/"), _THROTTLES.c.changed_at > bindparam("since")
)


class Logins:
    """What one gateway needs to judge logins and to remember them.

    Args:
        installation: Settings, database and master key.
        reader, writer: Threads with a connection each.
        demand: What policy says of one-time codes, by the profile and what the realm said.
        pam: The channel to the PAM worker; ``None`` when there is none.
        wake: Called when there is something to write.

    Attributes:
        answers: Counts what realms say.
        chain: Judges logins.
        observers: Who is to be told of sessions.
        pam: Talks to PAM; ``None`` when nobody does.
    """

    def __init__(
        self,
        installation: Installation,
        reader: DatabaseThread,
        writer: DatabaseThread,
        *,
        demand: Callable[[str, Claim], SecondFactor],
        pam: socket.socket | None,
        wake: Callable[[], None],
    ) -> None:
        settings = installation.settings
        self._installation = installation
        self._reader = reader
        self._throttle = Throttle(wake=wake)
        self._read_until: datetime | None = None
        self._hook = Hook(settings.hook)
        self._hooking: asyncio.Task[None] | None = None
        self._history = History(settings.node_name, self._hook.tell)
        self.pam = PamWorker(pam) if pam is not None else None
        self._factors = StoredSecondFactors(reader, writer, installation.master_key)
        codes = OneTimeCodes(self._factors, demand, utc_now)
        self.answers = RealmAnswers(codes.judge)
        self.chain = Chain((), self._throttle, judge=self.answers.judge)
        throttled = _Throttled(self._throttle, _upsert(sqlite_database=installation.database.is_sqlite))
        self.observers: Sequence[SessionObserver] = (self._history, throttled, _PamSessions(self.pam))

    async def start(self) -> None:
        """Know who failed before, and who is enrolled; begin to tell the hook.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
            FactorsUnavailable: the same.
        """
        await self.follow(FOLLOWED)
        self._hooking = asyncio.create_task(self._hook.run())

    async def follow(self, topics: frozenset[str]) -> None:
        """Take over which lockouts others made or lifted since the last time, and who is enrolled."""
        if "second_factors" in topics:
            await self._factors.follow()
        if "throttles" not in topics:
            return
        at = utc_now()
        since = self._read_until or at - timedelta(days=1)
        self._throttle.adopt(await self._reader.run(lambda connection: _newer(connection, since)))
        self._read_until = at - _OVERLAP

    async def forget(self) -> None:
        """Forget what is too old to be kept."""
        at = utc_now()
        async with self._installation.database.transaction() as session:
            await history.forget(session, at - timedelta(days=self._installation.settings.history_days))
            await lockouts.forget(session, at)

    def problems(self) -> list[Problem]:
        """Say what is off."""
        obstacle = self._hook.obstacle
        return [Problem(obstacle, "name a program that the service user may run by COATI_HOOK")] if obstacle else []

    async def close(self) -> None:
        """Tell the hook of the last ones, and end the sessions of PAM."""
        self._history.hurry()
        if self._hooking is not None:
            await self._hook.finish(_LAST_HOOKS_SECONDS)
            self._hooking.cancel()
            await asyncio.gather(self._hooking, return_exceptions=True)
        if self.pam is not None:
            self.pam.close()


class _Throttled(Bystander):
    """Has the counting of failures written along with the sessions."""

    def __init__(self, throttle: Throttle, upsert: Insert) -> None:
        self._throttle = throttle
        self._upsert = upsert

    def collect(self) -> Sequence[Written]:
        """Give what to write."""
        changes = self._throttle.take_changes()
        rows = [
            {"subject": subject} | {name: getattr(record, name) for name in _COLUMNS}
            for subject, record in changes.items()
        ]
        return (Written(self._upsert, rows),)


class _PamSessions(Bystander):
    """Has PAM's sessions end with the stays that they were opened for."""

    def __init__(self, pam: PamWorker | None) -> None:
        self._pam = pam

    def began(self, stay: Stay) -> None:
        """The session has its stay."""
        if self._pam is not None and (number := _pam_session(stay)) is not None:
            self._pam.keep(number)

    def resumed(self, stay: Stay) -> None:
        """The worker has outlived the gateway, and so has its session."""
        if self._pam is not None and _pam_session(stay) is not None:
            self._pam.go_on()

    def ended(self, stay: Stay) -> None:
        """The stay is over, and its session with it."""
        if self._pam is not None and (number := _pam_session(stay)) is not None:
            self._pam.end(number)


def _pam_session(stay: Stay) -> int | None:
    return stay.claim.pam_session if stay.claim is not None else None


def _upsert(*, sqlite_database: bool) -> Insert:
    """Write a record unless the table has a newer one: an administrator may just have lifted the lockout."""
    insert = (sqlite.insert if sqlite_database else postgresql.insert)(models.Throttle)
    return insert.on_conflict_do_update(
        index_elements=["subject"],
        set_={name: insert.excluded[name] for name in _COLUMNS},
        where=_THROTTLES.c.changed_at <= insert.excluded.changed_at,
    )


def _newer(connection: Connection, since: datetime) -> list[tuple[str, Record]]:
    return [(row[0], Record(*row[1:])) for row in connection.execute(_NEWER, {"since": since})]

"""Slows guessing down at the gateway: by the rules of ``lockouts``, in memory, with the table following behind.

A login waits for no disk, so the gateway counts here; what changed is written by the group commit and
read at the next start. What others write (another gateway, an administrator who lifts a lockout) is
taken over when it is newer.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from appliance.lockouts import rules
from appliance.lockouts.rules import RULES, Door, Record, Rule, Subject
from appliance.models.columns import now as utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

LONGEST_WAIT: Final = timedelta(seconds=8)  # clients give a login up after about 14 s
_MOST_RECORDS: Final = 50_000


class Throttle:
    """Counts failures by account, address and network.

    Args:
        wall_clock: Aware time: what is counted outlives the process.
        wake: Called when there is something to write.
    """

    def __init__(
        self, wall_clock: Callable[[], datetime] = utc_now, *, wake: Callable[[], None] = lambda: None
    ) -> None:
        self._wall_clock = wall_clock
        self._wake = wake
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._changed: dict[str, Record] = {}

    def reserve(self, username: str, source: str) -> float | None:
        """Tell how many seconds this attempt must wait before it is judged.

        Attempts at the same time wait behind each other once failures count, and the chain judges few of an
        account at the same time before that: opening many exchanges at once gains a guesser little. ``None``:
        the wait is longer than a client's, refuse at once.
        """
        at = self._wall_clock()
        known = self._known(username, source)
        wait = max((record.blocked(at) for _, _, record in known), default=timedelta())
        if wait > LONGEST_WAIT:
            return None
        for subject, rule, record in known:
            if pause := rule.wait(record.left(rule, at)):
                # The one behind us waits longer; that is no failure, and not written.
                self._records[str(subject)] = replace(record, blocked_until=at + wait + pause)
        return wait.total_seconds()

    def failed(self, username: str, source: str) -> None:
        """Count a failure."""
        at = self._wall_clock()
        for subject in rules.subjects(Door.VPN, username, source):
            rule = RULES[subject.door, subject.counted]
            self._note(str(subject), rules.after_failure(self._records.get(str(subject)), rule, at))

    def succeeded(self, username: str, source: str) -> None:
        """Forget the failures of this user; those of the network stay, for a guesser may have an account, too."""
        at = self._wall_clock()
        for subject in rules.subjects(Door.VPN, username, source):
            record = self._records.get(str(subject))
            if record is not None and record.failures and subject.account:
                self._note(str(subject), rules.forgiven(at))

    def take_changes(self) -> dict[str, Record]:
        """Give what is to be written since the last call, by subject."""
        changes, self._changed = self._changed, {}
        return changes

    def adopt(self, rows: Iterable[tuple[str, Record]]) -> None:
        """Take over what the table says, where that is newer."""
        for subject, record in rows:
            known = self._records.get(subject)
            if known is None or known.changed_at < record.changed_at:
                self._keep(subject, record)

    def _known(self, username: str, source: str) -> list[tuple[Subject, Rule, Record]]:
        return [
            (subject, RULES[subject.door, subject.counted], record)
            for subject in rules.subjects(Door.VPN, username, source)
            if (record := self._records.get(str(subject))) is not None
        ]

    def _note(self, subject: str, record: Record) -> None:
        self._keep(subject, record)
        self._changed[subject] = record
        self._wake()

    def _keep(self, subject: str, record: Record) -> None:
        self._records[subject] = record
        self._records.move_to_end(subject)
        while len(self._records) > _MOST_RECORDS:
            self._records.popitem(last=False)

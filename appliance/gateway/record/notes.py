"""What a gateway has noted and not yet written, and its way into one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.gateway.record.rows import CHANGING, TRAFFIC, Row, Rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from appliance.gateway.admission.leases import LeaseChange
    from appliance.gateway.record.observers import Written
    from appliance.gateway.record.stay import Stay


@dataclass(slots=True)
class Notes:
    """What happened since the last transaction; sessions are noted, not copied, until they are written."""

    changed: dict[Stay, None] = field(default_factory=dict)
    counted: dict[Stay, None] = field(default_factory=dict)
    leases: dict[int, LeaseChange] = field(default_factory=dict)
    logins: dict[int, datetime] = field(default_factory=dict)
    refusals: list[Row] = field(default_factory=list)
    commands: list[Row] = field(default_factory=list)
    observed: list[Written] = field(default_factory=list)
    heartbeat: bool = False

    def any(self) -> bool:
        """Whether there is anything to write."""
        return bool(
            self.changed
            or self.counted
            or self.leases
            or self.logins
            or self.refusals
            or self.commands
            or self.observed
            or self.heartbeat
        )


class Noted:
    """Notes on their way to the database (``group_commit.Batch``)."""

    def __init__(self, notes: Notes, node: str, node_row: Row | None, put_back: Callable[[Notes], None]) -> None:
        self._notes = notes
        self._put_back = put_back
        self._added = [stay for stay in notes.changed if stay.id is None]
        self._rows = Rows(
            added=[stay.columns | stay.traffic() | stay.rates() for stay in self._added],
            changed=[_columns(stay, CHANGING) for stay in notes.changed if stay.id is not None],
            counted=[_columns(stay, TRAFFIC) for stay in notes.counted if stay.id is not None],
            leases=[_lease(change, node) for change in notes.leases.values()],
            logins=[{"row": account, "last_login_at": at} for account, at in notes.logins.items()],
            refusals=notes.refusals,
            commands=notes.commands,
            nodes=[node_row] if node_row is not None else (),
            observed=notes.observed,
        )
        self.write = self._rows.write
        self.write_one_by_one = self._rows.write_one_by_one

    def committed(self) -> None:
        """Sessions learn their keys."""
        for stay, key in zip(self._added, self._rows.keys, strict=True):
            stay.id = key

    def failed(self) -> None:
        """Nothing was written."""
        self._put_back(self._notes)


def _columns(stay: Stay, names: tuple[str, ...]) -> Row:
    columns = stay.columns | stay.traffic() | stay.rates()
    return {"row": stay.id} | {column: columns[column] for column in names}


def _lease(change: LeaseChange, node: str) -> Row:
    return {
        "row": change.row,
        "user": change.user,
        "taken_at": change.taken_at,
        "free_since": change.free_since,
        "networks": change.networks,
        "node": node if change.free_since is None else None,
        "of_node": node,
        "not_after": change.taken_at,
    }

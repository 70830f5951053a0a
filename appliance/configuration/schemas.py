"""Versions as they are shown, and what is asked of them."""

import enum
from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.audit.schemas import FieldChange
from appliance.schema import Filter, Schema, Since, SortableBy, Until

_NOUN = "What kind of thing: user, group, policy, realm, radius-server, pool, profile or setting."


class Side(enum.StrEnum):
    """Which of the two states of a change."""

    BEFORE = "before"
    AFTER = "after"


class VersionFilter(Filter):
    """Which versions to list, and in which order."""

    noun: Annotated[str, Field(description="Only of this kind of thing.")] = ""
    name: Annotated[str, Field(description="Only of the thing of this name.")] = ""
    who: Annotated[str, Field(description="Only by this one, for example: token ci.")] = ""
    since: Since = None
    until: Until = None
    sort: Annotated[str, SortableBy("at", "who", "target")] = "-at"


class VersionView(Schema):
    """One version of one thing: the change that made it."""

    number: int
    at: datetime
    who: str
    source: str
    noun: Annotated[str, Field(description=_NOUN)]
    name: str
    deed: str
    changes: Annotated[list[FieldChange], Field(description="What the change did; secrets are not in it.")]


class Fate(enum.StrEnum):
    """What becomes of a live session by a change."""

    DISCONNECTED = "disconnected"
    REFUSED_NEXT = "refused-next"
    AT_ONCE = "at-once"
    NEXT_LOGIN = "next-login"


class Consequence(Schema):
    """What a change does to live sessions."""

    fate: Fate
    fields: Annotated[tuple[str, ...], Field(description="Because of which fields; empty: because of all.")]
    sessions: Annotated[int, Field(description="How many it concerns.")]
    users: Annotated[tuple[str, ...], Field(description="Some of their users.")]
    words: str


class Rehearsal(Schema):
    """What a change would do, tried and undone."""

    changes: Annotated[list[VersionView], Field(description="What it would change; nothing, if all is so already.")]
    consequences: Annotated[list[Consequence], Field(description="What that would do to whoever is connected.")]


class Difference(Schema):
    """What differs between two states of one thing."""

    noun: Annotated[str, Field(description=_NOUN)]
    name: str
    there_before: Annotated[bool, Field(description="Whether the thing was there in the first state.")]
    there_after: Annotated[bool, Field(description="Whether it is there in the second.")]
    changes: list[FieldChange]


class Against(Filter):
    """What to compare a version with."""

    against: Annotated[
        int | None, Field(ge=1, le=2**63 - 1, description="Another version of the same thing; left out: the present.")
    ] = None


class Rollback(Schema):
    """The way back."""

    to: Annotated[Side, Field(description="To the state after the change, or to the one before it.")] = Side.AFTER

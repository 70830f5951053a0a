"""Realms as they go in and out."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from appliance.models import RealmKind
from appliance.names import PlainName
from appliance.schema import Filter, Password, Schema, SortableBy


class RealmChange(Schema):
    """What to change; what is left out stays."""

    kind: Annotated[RealmKind | None, Field(description="Who knows its users; it stays what it is.")] = None
    enabled: Annotated[bool, Field(description="Whether it is asked.")] = True
    settings: Annotated[
        dict[str, Any], Field(description="What its kind needs to know; settings that are left out stay.")
    ] = Field(default_factory=dict)


class RealmDefinition(RealmChange):
    """A realm as it shall be: what is left out takes its default."""

    kind: RealmKind


class NewRealm(RealmDefinition):
    """A realm to be; it is asked last."""

    name: PlainName


class RealmFilter(Filter):
    """Which realms to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in their name.")] = ""
    kind: RealmKind | None = None
    sort: Annotated[str, SortableBy("position", "name", "changed_at")] = "position"


class RealmOrder(Schema):
    """In which order realms are asked."""

    names: Annotated[tuple[PlainName, ...], Field(min_length=1, description="All realms, the first first.")]


class RealmTrial(Schema):
    """How to test a realm."""

    user: Annotated[str, Field(max_length=256, description="Log this user in; empty: only see whether it answers.")] = (
        ""
    )
    password: Annotated[Password | None, Field(description="The user's password.")] = None
    profile: Annotated[str, Field(max_length=128, description="As if a client of this profile had come.")] = ""
    node: Annotated[str, Field(max_length=128, description="The gateway to test it; empty: one that serves.")] = ""


class RealmHealthView(Schema):
    """How one gateway sees a realm."""

    node: str
    state: Annotated[str, Field(description="ok, degraded, down or unknown")]
    since: datetime | None = None
    words: Annotated[str, Field(description="What is the matter; empty when nothing is.")] = ""
    last_error: str = ""


class RealmView(Schema):
    """A realm."""

    name: str
    kind: RealmKind
    enabled: bool
    position: Annotated[int, Field(description="The lowest is asked first.")]
    settings: dict[str, Any]
    profiles: Annotated[tuple[str, ...], Field(description="Profiles that name it.")] = ()
    health: list[RealmHealthView] = Field(default_factory=list)
    created_at: datetime
    changed_at: datetime

"""Groups as they go in and out."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.names import PlainName
from appliance.policy.attributes import NOTHING_SAID, AccessPolicy, Said
from appliance.schema import Filter, Schema, SortableBy


class GroupChange(Schema):
    """What to change; what is left out stays."""

    description: Annotated[str, Field(max_length=512)] = ""
    policy: Annotated[
        AccessPolicy, Field(description="What is said for its users; null says nothing, what is left out stays.")
    ] = NOTHING_SAID


class GroupDefinition(GroupChange):
    """A group as it shall be: what is left out takes its default."""


class NewGroup(GroupDefinition):
    """A group to be."""

    name: PlainName


class GroupFilter(Filter):
    """Which groups to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in name or description.")] = ""
    sort: Annotated[str, SortableBy("name", "changed_at")] = "name"


class GroupView(Schema):
    """A group."""

    name: str
    description: str
    policy: Said
    users: Annotated[int, Field(description="How many local users are in it.")] = 0
    created_at: datetime
    changed_at: datetime

"""Client profiles and links as they go in and out."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from appliance.client_profiles.target import ClientFormat
from appliance.schema import Filter, Schema
from appliance.users.schemas import LoginName

LONGEST_LINK_HOURS: Final = 24 * 30


class Choice(Schema):
    """Whether a format serves a user by a connection profile."""

    format: ClientFormat
    client: Annotated[str, Field(description="The program that it is for.")]
    possible: bool
    why_not: str = ""
    remedy: str = ""


class Wanted(Schema):
    """Which client profile is wanted."""

    user: LoginName
    profile: Annotated[str, Field(min_length=1, max_length=64, description="Name of the connection profile.")]
    format: ClientFormat


class ExportView(Schema):
    """For the audit log: who was given what."""

    user: str
    profile: str
    format: ClientFormat
    with_secrets: bool


class NewLink(Wanted):
    """A link to be made."""

    with_secrets: Annotated[bool, Field(description="Group key and the user's private key go along.")] = False
    hours: Annotated[int, Field(ge=1, le=LONGEST_LINK_HOURS, description="How long it can be used.")] = 24


class LinkView(Schema):
    """A link, without what makes it one."""

    happens = frozenset({"used_at", "used_from"})

    id: int
    user: str
    profile: str
    format: ClientFormat
    with_secrets: bool
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_from: str


class MadeLink(LinkView):
    """A new link: what it is, this once."""

    path: Annotated[str, Field(description="Below the panel's address; shown this once.")]
    url: Annotated[str, Field(description="With the public name; empty when there is none.")]


class LinkFilter(Filter):
    """Which links to list."""

    user: Annotated[str, Field(description="Only those for this user.")] = ""
    usable: Annotated[bool, Field(description="Only those that can still be used.")] = False

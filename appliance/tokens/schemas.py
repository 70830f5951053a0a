"""Tokens as they go in and out. The secret comes out once, when the token is made."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.models import Scope
from appliance.names import PlainName
from appliance.schema import Filter, Schema, SortableBy


class NewToken(Schema):
    """A token to be."""

    name: PlainName
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = (Scope.READ,)
    days: Annotated[int | None, Field(ge=1, le=3650, description="How long it is good; null: until revoked.")] = 365


class TokenFilter(Filter):
    """Which tokens to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in their name.")] = ""
    sort: Annotated[str, SortableBy("name", "created_at", "created_by", "expires_at", "used_at")] = "name"


class TokenView(Schema):
    """A token, without its secret."""

    happens = frozenset({"used_at", "used_from"})

    name: str
    handle: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    used_at: Annotated[datetime | None, Field(description="Last use, to the minute.")]
    used_from: Annotated[str, Field(description="Network address that the last use came from.")]
    revoked_at: datetime | None


class CreatedToken(TokenView):
    """A new token with its secret, which is shown this once."""

    token: str

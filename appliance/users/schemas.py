"""Users as they go in and out. A password goes in and never comes out."""

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from appliance.schema import Filter, Schema, SortableBy

# ``\`` and ``/`` belong to ``REALM\user``; the others cannot be typed into some client or file of one.
_NOT_IN_NAMES = re.compile(r"[\s\x00-\x1f\x7f\\/:,;\"'`<>|&*?%#=]")


def login_name(text: str) -> str:
    """Give the canonical form of a login name: NFC and lower case, as clients disagree about both.

    Raises:
        ValueError: it cannot be one.
    """
    name = unicodedata.normalize("NFC", text).strip().lower()
    if not 1 <= len(name) <= 64:
        raise ValueError("a login name has 1 to 64 characters")
    if wrong := _NOT_IN_NAMES.search(name):
        raise ValueError(f"a login name must not contain {wrong.group()!r}")
    if name.startswith(("-", ".", "@")):
        raise ValueError("a login name begins with a letter or a digit")
    return name


LoginName = Annotated[str, AfterValidator(login_name)]


class NewUser(Schema):
    """A user to be."""

    name: Annotated[LoginName, Field(description="Login name; upper and lower case are the same.")]
    password: SecretStr
    full_name: Annotated[str, Field(max_length=200)] = ""
    enabled: bool = True


class UserChange(Schema):
    """What to change; what is left out stays."""

    full_name: Annotated[str, Field(max_length=200)] = ""
    enabled: bool = True
    password: SecretStr | None = None


class UserDefinition(UserChange):
    """A user as it shall be: what is left out takes its default, but the password stays."""


class UserFilter(Filter):
    """Which users to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in login name or full name.")] = ""
    enabled: Annotated[bool | None, Field(description="Only those who may log in, or only those who may not.")] = None
    sort: Annotated[str, SortableBy("name", "full_name", "created_at", "changed_at", "last_login_at")] = "name"


class _Named(Schema):
    name: LoginName


class DefineUser(_Named, UserDefinition):
    """Have this user so."""

    do: Literal["define"]


class ChangeUser(_Named, UserChange):
    """Change of this user what is given."""

    do: Literal["change"]


class RemoveUser(_Named):
    """Remove this user."""

    do: Literal["remove"]


Operation = Annotated[DefineUser | ChangeUser | RemoveUser, Field(discriminator="do")]


class UserOperations(Schema):
    """Many changes at once; each is done or refused by itself, in this order."""

    operations: Annotated[list[Operation], Field(min_length=1, max_length=500)]


class UserView(Schema):
    """A user."""

    name: str
    full_name: str
    enabled: bool
    created_at: datetime
    changed_at: datetime
    password_changed_at: datetime
    last_login_at: datetime | None
    live_sessions: int = 0

"""Users as they go in and out. A password goes in and never comes out."""

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from appliance.names import PlainName
from appliance.policy.attributes import NOTHING_SAID, AccessPolicy, Said
from appliance.schema import Filter, Moment, Password, Schema, SortableBy

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
        what = "blanks" if wrong.group().isspace() else repr(wrong.group())
        raise ValueError(f"a login name must not contain {what}")
    if name.startswith(("-", ".", "@")):
        raise ValueError("a login name begins with a letter or a digit")
    return name


LoginName = Annotated[str, AfterValidator(login_name)]


class _Settings(Schema):
    full_name: Annotated[str, Field(max_length=200)] = ""
    enabled: bool = True
    expires_at: Annotated[
        Moment | None, Field(description="Refused from this moment on, for example 2026-12-31T18:00:00Z; null: never.")
    ] = None
    must_change_password: Annotated[
        bool, Field(description="The next login is only accepted along with a new password.")
    ] = False
    group: Annotated[
        PlainName | None, Field(description="Whose policy holds, unless the realm names another; null: none.")
    ] = None
    policy: Annotated[
        AccessPolicy, Field(description="What is said for this user; null says nothing, what is left out stays.")
    ] = NOTHING_SAID


class NewUser(_Settings):
    """A user to be."""

    name: Annotated[LoginName, Field(description="Login name; upper and lower case are the same.")]
    password: Password


class UserChange(_Settings):
    """What to change; what is left out stays."""

    password: Annotated[
        Password | None, Field(description="A new one; it ends must_change_password, unless that is given too.")
    ] = None


class UserDefinition(UserChange):
    """A user as it shall be: what is left out takes its default, but the password stays."""


class UserFilter(Filter):
    """Which users to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in login name or full name.")] = ""
    enabled: Annotated[bool | None, Field(description="Only those who may log in, or only those who may not.")] = None
    group: Annotated[str, Field(description="Only those in this group.")] = ""
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
    expires_at: datetime | None
    must_change_password: bool
    password_strength: Annotated[
        int | None, Field(description="How hard it was to guess when it was set, 0 to 4; null: not judged then.")
    ]
    group: str | None = None
    policy: Said
    created_at: datetime
    changed_at: datetime
    password_changed_at: datetime
    last_login_at: datetime | None
    live_sessions: int = 0


class PasswordQuestion(Filter):
    """Which passwords to report."""

    older_than_days: Annotated[int, Field(ge=1, le=36_500, description="Set longer ago than this: stale.")] = 365


class PasswordFinding(Schema):
    """A user whose password should be changed, and why."""

    user: str
    enabled: bool
    password_changed_at: datetime
    last_login_at: datetime | None
    weaknesses: Annotated[tuple[str, ...], Field(description="What is wrong with it.")]

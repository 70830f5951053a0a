"""Users as they go in and out. A password goes in and never comes out."""

import re
import unicodedata
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from appliance.schema import Schema

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


class UserFilter(Schema):
    """Which users to list."""

    text: Annotated[str, Field(description="Only those with this in login name or full name.")] = ""


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

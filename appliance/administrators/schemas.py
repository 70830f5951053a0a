"""Administrators as they go in and out. Passwords go in and never come out."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.models import Role
from appliance.names import PlainName
from appliance.schema import Filter, Password, Schema, SortableBy

WhatOneMay = Annotated[Role, Field(description="owner: everything; operator: runs the place; auditor: looks.")]


class AdministratorChange(Schema):
    """What to change; what is left out stays."""

    role: WhatOneMay = Role.OWNER
    enabled: bool = True
    password: Annotated[Password | None, Field(description="A new one signs the administrator out everywhere.")] = None


class AdministratorDefinition(AdministratorChange):
    """An administrator as it shall be: what is left out takes its default, but the password stays."""

    role: WhatOneMay


class NewAdministrator(AdministratorDefinition):
    """An administrator to be."""

    name: PlainName
    password: Password


class AdministratorFilter(Filter):
    """Which administrators to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in their name.")] = ""
    role: Annotated[Role | None, Field(description="Only those with this role.")] = None
    enabled: Annotated[bool | None, Field(description="Only those who may sign in, or only those who may not.")] = None
    sort: Annotated[str, SortableBy("name", "role", "created_at", "last_sign_in_at")] = "name"


class AdministratorView(Schema):
    """An administrator."""

    name: str
    role: Role
    enabled: bool
    has_password: bool
    has_codes: Annotated[bool, Field(description="Signing in needs a one-time code (or a passkey) as well.")]
    passkeys: int
    identity_provider: Annotated[bool, Field(description="Comes by the identity provider.")]
    created_at: datetime
    changed_at: datetime
    password_changed_at: datetime
    last_sign_in_at: datetime | None


class SignInView(Schema):
    """A browser that is signed in."""

    happens = frozenset({"seen_at", "expires_at"})

    id: int
    method: str
    address: str
    user_agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class PasskeyView(Schema):
    """A passkey, by the name that its holder gave it."""

    happens = frozenset({"used_at"})

    id: int
    name: str
    created_at: datetime
    used_at: datetime | None

"""What the portal shows of its user."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.client_profiles.schemas import Choice
from appliance.schema import Schema
from appliance.second_factors.schemas import SecondFactorView
from appliance.sessions.schemas import SessionView


class Visitor(Schema):
    """Who is signed in on the portal."""

    user: Annotated[str, Field(description="Canonical name in the realm.")]
    login: Annotated[str, Field(description="What the user types into a VPN client.")]
    realm: Annotated[str, Field(description="Name of the realm that judged the password.")]
    local: Annotated[bool, Field(description="A local user, whose password is kept here.")] = False
    complete: Annotated[bool, Field(description="The second factor was shown as well, or there is none.")]
    question: Annotated[str, Field(description="What the realm asks before it decides; empty: nothing.")] = ""
    must_change_password: bool = False


class ProfileChoices(Schema):
    """What a user can download for one connection profile."""

    profile: str
    choices: list[Choice]


class Home(Schema):
    """The user's own page."""

    login: str
    full_name: str
    realm: str
    password_changed_at: Annotated[datetime | None, Field(description="null: the password is not kept here.")]
    must_change_password: bool
    second_factor: SecondFactorView | None
    second_factor_required: Annotated[bool, Field(description="Without one no VPN client of the user gets in.")] = False
    live: list[SessionView]
    ended: list[SessionView]
    profiles: list[ProfileChoices]

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

    user: str
    realm: Annotated[str, Field(description="Name of the realm that judged the password.")]
    complete: Annotated[bool, Field(description="The second factor was shown as well, or there is none.")]
    must_change_password: bool


class ProfileChoices(Schema):
    """What a user can download for one connection profile."""

    profile: str
    choices: list[Choice]


class Home(Schema):
    """The user's own page."""

    user: str
    full_name: str
    password_changed_at: datetime
    must_change_password: bool
    second_factor: SecondFactorView | None
    live: list[SessionView]
    ended: list[SessionView]
    profiles: list[ProfileChoices]

"""Policy as it is shown: what is said for everybody, and what counts for one user."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from appliance.policy.attributes import Said
from appliance.schema import Filter, Schema


class BasePolicyView(Schema):
    """What is said for everybody."""

    policy: Said
    changed_at: datetime | None


class PolicyQuestion(Filter):
    """For which login the effective policy is asked."""

    profile: Annotated[str, Field(description="The connection profile that serves it; empty: the first.")] = ""


class EffectiveValue(Schema):
    """What counts of one attribute."""

    attribute: str
    value: Any
    level: Annotated[str, Field(description="Where it comes from: default, base, group NAME, user, login.")]


class EffectiveView(Schema):
    """What counts for a user, but for what a realm may say at a login."""

    user: str
    profile: str
    group: str | None
    values: list[EffectiveValue]

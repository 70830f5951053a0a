"""What happened over time, in equal steps."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.schema import Filter, Schema


class Span(Filter):
    """How far to look back, and how finely."""

    hours: Annotated[int, Field(ge=1, le=744, description="So many hours up to now.")] = 24
    steps: Annotated[int, Field(ge=2, le=720, description="In at most so many steps of whole minutes.")] = 144
    node: Annotated[str, Field(description="Only this gateway; empty: all together.")] = ""


class Step(Schema):
    """What happened in one step."""

    at: Annotated[datetime, Field(description="Its beginning.")]
    sessions: Annotated[int, Field(description="The most there were in any of its minutes.")] = 0
    octets_in: Annotated[int, Field(description="Inner octets from clients.")] = 0
    octets_out: Annotated[int, Field(description="Inner octets to clients.")] = 0
    logins: int = 0
    refusals: int = 0


class History(Schema):
    """What happened over time; the last step is not over yet."""

    step_seconds: int
    steps: list[Step]

"""Lines of the log as they are shown."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, field_validator

from appliance.logs.reader import Cursor
from appliance.schema import Filter, Schema, Since, Until
from appliance.settings import LogLevel


def _cursor(text: str) -> str:
    if text:
        try:
            Cursor.from_text(text)
        except ValueError:
            raise ValueError("no place in the log: take older or newer of an answer") from None
    return text


class LogFilter(Filter):
    """Which lines are wanted."""

    level: Annotated[LogLevel, Field(description="Only lines so serious, or more.")] = LogLevel.DEBUG
    process: Annotated[str, Field(description="Only of this process: keeper, gateway, web, esp or pam.")] = ""
    user: Annotated[str, Field(description="Only those that name this user.")] = ""
    text: Annotated[str, Field(description="Only those with this in them, in upper or lower case.")] = ""
    session: Annotated[int | None, Field(ge=1, le=2**63 - 1, description="Only those about this session.")] = None
    refusal: Annotated[int | None, Field(ge=1, le=2**63 - 1, description="Only those about this attempt.")] = None
    since: Since = None
    until: Until = None


class LogPart(Filter):
    """Which part of the lines that match is wanted: the last ones, those before a place, or those after one."""

    limit: Annotated[int, Field(ge=1, le=1000, description="At most so many lines.")] = 100
    before: Annotated[str, Field(description="The last ones before this place.")] = ""
    after: Annotated[str, Field(description="The first ones after this place.")] = ""

    _place = field_validator("before", "after")(_cursor)


class LogLine(Schema):
    """One line."""

    id: Annotated[str, Field(description="Its place in the log.")]
    at: datetime | None
    level: str
    process: str
    event: Annotated[str, Field(description="What happened.")]
    fields: Annotated[dict[str, Any], Field(description="What else the line says, by name.")]
    exception: Annotated[str, Field(description="The traceback, if there is one.")] = ""


class LogPage(Schema):
    """A part of the log of the machine that answers."""

    node: Annotated[str, Field(description="Whose log it is.")]
    elsewhere: Annotated[str, Field(description="The gateway that has what was asked for in its own log.")] = ""
    items: Annotated[list[LogLine], Field(description="The latest first.")]
    older: Annotated[str, Field(description="For before, to read on towards the past; empty: that was all.")] = ""
    newer: Annotated[str, Field(description="For after, to read on as more is written.")] = ""

"""What a service refused, or what was not valid, as values that programs read (RFC 9457).

How a request is answered with one is the business of ``api.failures``.
"""

import http
from collections.abc import Sequence
from typing import Annotated, Final, Protocol

from pydantic import BaseModel, Field
from pydantic_core import ErrorDetails

from appliance.errors import ApplianceError
from appliance.wording import mistake

_TYPE: Final = "urn:coati:problem:"
_SEND_JSON: Final = "send a JSON object, and Content-Type: application/json"
# RFC 9110 has new names for these, Python's later versions as well.
_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    detail: str


class ProblemDocument(BaseModel):
    """The body of every failure; empty members are left out."""

    type: Annotated[str, Field(description="Stable: urn:coati:problem:not-found and the like.")]
    title: str
    status: int
    detail: str
    field: Annotated[str, Field(description="The input that is wrong, if one is.")] = ""
    remedy: Annotated[str, Field(description="What to do about it.")] = ""
    errors: Annotated[list[FieldProblem], Field(description="All fields that are wrong.")] = []


class Unacceptable(Protocol):
    """What pydantic, or FastAPI for it, says of values that are not acceptable."""

    def errors(self) -> Sequence[ErrorDetails]:
        """Say what is wrong, one by one."""


def described(error: ApplianceError | Unacceptable) -> ProblemDocument:
    """Give what a service refused, or what was not valid, as a problem."""
    if isinstance(error, ApplianceError):
        return document(error.status, error.kind, str(error), field=error.field, remedy=error.remedy)
    errors = error.errors()
    if any(each["loc"] == ("body",) or each["type"] == "json_invalid" for each in errors):
        return document(422, "invalid", _no_body(errors[0]), remedy=_SEND_JSON)
    wrong = [
        FieldProblem(
            field=".".join(str(part) for part in each["loc"] if part not in ("body", "query", "path")),
            detail=mistake(each),
        )
        for each in errors
    ]
    detail = "; ".join(f"{each.field}: {each.detail}" if each.field else each.detail for each in wrong) or "not valid"
    return document(422, "invalid", detail, field=wrong[0].field if wrong else "", errors=wrong)


def _no_body(error: ErrorDetails) -> str:
    match error["type"]:
        case "missing":
            return "there is no body"
        case "json_invalid":
            return f"the body is not JSON: {error.get('ctx', {}).get('error', '')} at character {error['loc'][-1]}"
        case _:
            return f"the body cannot be read: {mistake(error)}"


def document(
    status: int, kind: str, detail: str, *, field: str = "", remedy: str = "", errors: Sequence[FieldProblem] = ()
) -> ProblemDocument:
    """Make one, with the title of its HTTP status."""
    return ProblemDocument(
        type=f"{_TYPE}{kind}",
        title=_TITLES.get(status) or http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        field=field,
        remedy=remedy,
        errors=list(errors),
    )

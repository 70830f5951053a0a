"""Failures as ``application/problem+json`` (RFC 9457): a stable type, the field, and what to do."""

import http
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from starlette.exceptions import HTTPException

from appliance import errors
from appliance.errors import ApplianceError, TooManyAttempts
from appliance.wording import mistake

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:coati:problem:"
_SEND_JSON: Final = "send a JSON object, and Content-Type: application/json"
# RFC 9110 has new names for these, Python's later versions as well.
_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}
_ELSEWHERE: Final = {
    404: "/api/openapi.json names all paths; those of this API begin with /api/v1/",
    405: "/api/openapi.json says what can be done there",
}

logger = structlog.get_logger(__name__)


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


_MEANINGS: Final = {
    400: "The request cannot be read",
    401: "No token, or one that is no good (any more)",
    403: "The token lacks the scope that this needs",
    404: "There is no such thing",
    409: "It is taken, in use, or was changed in this moment",
    412: "Somebody else changed it since you looked (If-Match)",
    413: "The body is too large",
    422: "The input is not acceptable; every field that is wrong is named",
    429: "Too many requests; Retry-After says how long to wait",
    500: "A fault of Coati; its log says more",
    503: "The database does not answer, or what else would have to",
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe these failures for the OpenAPI document; its schema of problems is put there by ``api``."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in sorted(statuses)}


def install(app: FastAPI) -> None:
    """Have every failure of ``app`` answered as a problem."""
    for failure, answer in HANDLERS.items():
        app.add_exception_handler(failure, answer)


def described(error: ApplianceError | RequestValidationError | ValidationError) -> ProblemDocument:
    """Give what a service refused, or what was not valid, as a problem."""
    if isinstance(error, ApplianceError):
        return _document(error.status, error.kind, str(error), field=error.field, remedy=error.remedy)
    errors = error.errors()
    if any(each["loc"] == ("body",) or each["type"] == "json_invalid" for each in errors):
        return _document(422, "invalid", _no_body(errors[0]), remedy=_SEND_JSON)
    wrong = [
        FieldProblem(
            field=".".join(str(part) for part in each["loc"] if part not in ("body", "query", "path")),
            detail=mistake(each),
        )
        for each in errors
    ]
    detail = "; ".join(f"{each.field}: {each.detail}" if each.field else each.detail for each in wrong) or "not valid"
    return _document(422, "invalid", detail, field=wrong[0].field if wrong else "", errors=wrong)


def _no_body(error: ErrorDetails) -> str:
    match error["type"]:
        case "missing":
            return "there is no body"
        case "json_invalid":
            return f"the body is not JSON: {error.get('ctx', {}).get('error', '')} at character {error['loc'][-1]}"
        case _:
            return f"the body cannot be read: {mistake(error)}"


def problem(status: int, kind: str, detail: str, *, remedy: str = "") -> JSONResponse:
    """Give a problem as an answer."""
    return _answer(_document(status, kind, detail, remedy=remedy))


def _document(
    status: int, kind: str, detail: str, *, field: str = "", remedy: str = "", errors: Sequence[FieldProblem] = ()
) -> ProblemDocument:
    return ProblemDocument(
        type=f"{_TYPE}{kind}",
        title=_TITLES.get(status) or http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        field=field,
        remedy=remedy,
        errors=list(errors),
    )


def _answer(document: ProblemDocument) -> JSONResponse:
    members = {name: value for name, value in document.model_dump(mode="json").items() if value}
    return JSONResponse(members, document.status, media_type=MEDIA_TYPE)


def _refused(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ApplianceError):
        raise error
    answer = _answer(described(error))
    if isinstance(error, TooManyAttempts):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == http.HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError | ValidationError):
        raise error
    return _answer(described(error))


def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    remedy = _ELSEWHERE.get(error.status_code, "")
    answer = problem(error.status_code, "http", str(error.detail), remedy=remedy)
    answer.headers.update(error.headers or {})
    return answer


def _conflict(_request: Request, _error: Exception) -> JSONResponse:
    return problem(409, "conflict", "somebody else changed the same thing just now", remedy="look again, then retry")


def _unstorable(_request: Request, _error: Exception) -> JSONResponse:
    return problem(422, "invalid", "the input has a character or a number that the database cannot hold")


def _database(request: Request, error: Exception) -> JSONResponse:
    logger.error("the database does not answer", path=request.url.path, error=str(error))
    return problem(503, "database", "the database does not answer", remedy="try again in a moment; see the log")


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("a request failed", method=request.method, path=request.url.path, exc_info=error)
    return problem(500, "unexpected", "this is a fault of Coati", remedy="the log of the web process says more")


KINDS: Final[Mapping[str, tuple[int, str]]] = {
    **{each.kind: (each.status, (each.__doc__ or "").partition("\n")[0]) for each in errors.REFUSALS},
    "conflict": (409, "Somebody else changed the same thing in this moment."),
    "http": (400, "The request itself: no such path, method or media type, or too large (4xx)."),
    "unexpected": (500, "A fault of Coati."),
    "database": (503, "The database does not answer."),
}
"""The last part of every problem's type, its status, and what it means."""

HANDLERS: Final[Mapping[type[Exception], Callable[[Request, Exception], JSONResponse]]] = {
    ApplianceError: _refused,
    RequestValidationError: _invalid,
    ValidationError: _invalid,
    HTTPException: _http,
    IntegrityError: _conflict,
    DataError: _unstorable,
    SQLAlchemyError: _database,
    Exception: _unexpected,
}

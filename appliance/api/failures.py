"""Failures as ``application/problem+json`` (RFC 9457): a stable type, the field, and what to do."""

import http
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance import errors
from appliance.errors import ApplianceError, TooManyAttempts
from appliance.problems import ProblemDocument, described, document

MEDIA_TYPE: Final = "application/problem+json"
_TOO_LARGE: Final = 413
_ELSEWHERE: Final = {
    404: "/api/openapi.json names all paths; those of this API begin with /api/v1/",
    405: "/api/openapi.json says what can be done there",
}

logger = structlog.get_logger(__name__)


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
    """Describe these failures for the OpenAPI document; its schema of problems is put there by ``api.document``."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in sorted(statuses)}


def install(app: FastAPI) -> None:
    """Have every failure of ``app`` answered as a problem."""
    for failure, answer in HANDLERS.items():
        app.add_exception_handler(failure, answer)


def problem(status: int, kind: str, detail: str, *, remedy: str = "") -> JSONResponse:
    """Give a problem as an answer."""
    return _answer(document(status, kind, detail, remedy=remedy))


def _answer(shown: ProblemDocument) -> JSONResponse:
    members = {name: value for name, value in shown.model_dump(mode="json").items() if value}
    return JSONResponse(members, shown.status, media_type=MEDIA_TYPE)


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


class TooLarge:
    """Answers a body that is too large with a problem: the framework's limit does so in one plain line.

    Args:
        app: All of the application, that limit included.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and look at what is answered."""
        refused = False

        async def send_problem(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == _TOO_LARGE:
                refused = True
            if not refused:
                await send(message)

        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, send_problem)
        if refused:
            remedy = "send less at once, for example users in several requests"
            await problem(_TOO_LARGE, "http", "the body is too large", remedy=remedy)(scope, receive, send)


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

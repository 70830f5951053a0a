"""Failures as ``application/problem+json`` (RFC 9457): a stable type, the field, and what to do."""

import http
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from appliance.errors import ApplianceError, TooManyAttempts

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:coati:problem:"


def install(app: FastAPI) -> None:
    """Have every failure of ``app`` answered as a problem."""
    app.add_exception_handler(ApplianceError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(SQLAlchemyError, _database)


def problem(status: int, kind: str, detail: str, **more: object) -> JSONResponse:
    """Give the answer; empty members are left out."""
    members: dict[str, Any] = {
        "type": f"{_TYPE}{kind}",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **{name: value for name, value in more.items() if value},
    }
    return JSONResponse(members, status, media_type=MEDIA_TYPE)


def _refused(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ApplianceError):
        raise error
    answer = problem(error.status, error.kind, str(error), field=error.field, remedy=error.remedy)
    if isinstance(error, TooManyAttempts):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == http.HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError | ValidationError):
        raise error
    wrong = [
        {
            "field": ".".join(str(part) for part in each["loc"] if part not in ("body", "query", "path")),
            "detail": each["msg"].removeprefix("Value error, "),
        }
        for each in error.errors()
    ]
    first = wrong[0] if wrong else {"field": "", "detail": "not valid"}
    detail = "; ".join(f"{each['field']}: {each['detail']}" if each["field"] else each["detail"] for each in wrong)
    return problem(422, "invalid", detail, field=first["field"], errors=wrong)


def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    answer = problem(error.status_code, "http", str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _database(_request: Request, _error: Exception) -> JSONResponse:
    return problem(503, "database", "the database does not answer", remedy="try again in a moment; see the log")

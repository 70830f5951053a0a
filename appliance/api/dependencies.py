"""What routes of the API are made of: a permission, one transaction, a version, and whether anything was changed.

Every route names its permission in its signature: ``Reading``, ``Writing``, ``Owning`` or ``OwnersReading``; a test
walks all routes.
"""

import http
import json
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator
from typing import Annotated, Any, ClassVar, Final, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Depends, Path, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from appliance.api import failures
from appliance.errors import Forbidden, Invalid, NotFound, TooManyRequests, Unauthenticated
from appliance.installation import Actor, Installation, Transaction
from appliance.lockouts.rules import network
from appliance.models import Scope
from appliance.runtime_settings import service as runtime_settings
from appliance.runtime_settings.schemas import RuntimeSettings
from appliance.schema import Schema, version_of
from appliance.tokens import service as tokens
from appliance.tokens.rates import Rates

_BEARER: Final = "bearer "
# For the OpenAPI document; what is in the header is judged below, in the words of a problem.
_DOCUMENTED: Final = Security(
    HTTPBearer(auto_error=False, scheme_name="token", description="Made by: coati token create NAME --scope write")
)
_ALWAYS: Final = (401, 403, 422, 429, 500, 503)
_SETTINGS_SECONDS: Final = 2.0
_EXPECTED: Final = "If-Match"
_ONLY_NEW: Final = "If-None-Match"
CHANGED: Final = "Coati-Changed"
"""Header of what a change answers: ``true``, or ``false`` when all was so already."""
_DRY_RUN: Final = "dry_run"
_JSON: Final = "application/json"
_IF_MATCH: Final = {
    "name": _EXPECTED,
    "in": "header",
    "description": "The ETag that you have seen: if somebody else changed the thing since, nothing happens (412).",
    "schema": {"type": "string"},
}

_IF_NONE_MATCH: Final = {
    "name": _ONLY_NEW,
    "in": "header",
    "description": "*: only if it is not there yet; otherwise nothing happens (412).",
    "schema": {"type": "string", "enum": ["*"]},
}
VERSIONED: Final[dict[str, Any]] = {"parameters": [_IF_MATCH]}
"""For the ``openapi_extra`` of a ``POST`` that asks whether the thing still is as it was seen."""

_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

T = TypeVar("T")

Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="Its number.")]


def installation(request: Request) -> Installation:
    """Give what the process holds open."""
    found: Installation = request.app.state.installation
    return found


def source(request: Request) -> str:
    """Give the network address that the request came from."""
    return request.client.host if request.client else ""


class Pace:
    """Slows programs down to what the settings allow.

    Args:
        installation: Whose settings.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._rates = Rates()
        self._settings = RuntimeSettings()
        self._read_at: float | None = None

    async def take(self, request: Request) -> None:
        """Count a request for where it comes from.

        Raises:
            TooManyRequests: it has to wait.
        """
        if self._read_at is None or time.monotonic() - self._read_at > _SETTINGS_SECONDS:
            async with self._installation.snapshot() as work:
                self._settings = await runtime_settings.current(work.session)
            self._read_at = time.monotonic()
        address = source(request)
        # An IPv6 host has a whole /64 to itself.
        self._count(
            f"source {network(address) if ':' in address else address}", self._settings.api_source_requests_per_minute
        )

    def take_for(self, token: str) -> None:
        """Count a request for its token.

        Raises:
            TooManyRequests: it has to wait.
        """
        self._count(f"token {token}", self._settings.api_requests_per_minute)

    def _count(self, subject: str, per_minute: int) -> None:
        if wait := self._rates.take(subject, per_minute):
            raise TooManyRequests(
                f"{subject} asks more than {per_minute} times a minute", retry_after_seconds=math.ceil(wait)
            )


async def _actor(request: Request, needed: Scope) -> Actor:
    pace: Pace = request.app.state.pace
    await pace.take(request)
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(_BEARER):
        raise Unauthenticated("no token", remedy="send Authorization: Bearer coati_...; make one: coati token create")
    token = await tokens.recognise(installation(request), header[len(_BEARER) :].strip(), source(request))
    if token is None:
        raise Unauthenticated("the token is unknown, expired or revoked", remedy="make one: coati token create")
    pace.take_for(token.name)
    if not any(scope.includes(needed) for scope in token.scopes):
        raise Forbidden(
            f"the token {token.name} has not the scope {needed}",
            remedy=f"take one that has: coati token create NAME --scope {needed}",
        )
    return Actor(f"token {token.name}", source(request), max(token.scopes, key=list(Scope).index))


class Permission:
    """Lets in who has the scope: to a consistent view, or to a transaction that is committed before the answer leaves.

    Attributes:
        needed: The scope.
    """

    def __init__(self, needed: Scope, *, changes: bool) -> None:
        self.needed: Final = needed
        self.changes: Final = changes

    async def __call__(self, request: Request, _: Annotated[object, _DOCUMENTED]) -> AsyncIterator[Transaction]:
        """Give the transaction."""
        actor = await _actor(request, self.needed)
        opened = (
            installation(request).transaction(
                actor, expected=request.headers.get(_EXPECTED, ""), only_new=_ONLY_NEW in request.headers
            )
            if self.changes
            else installation(request).snapshot(actor)
        )
        trial: Rehearsing | None = getattr(request.state, "dry_run", None)
        _expect_known_parameters(request)
        _expect_known_conditions(request)
        async with opened as work:
            request.state.work = work
            if trial is not None:
                await trial.begin(work)
            yield work
            if trial is not None:
                raise await trial.end(work)


def _expect_known_parameters(request: Request) -> None:
    """Have no parameter be without effect in silence.

    Raises:
        Invalid: nobody would look at one.
    """
    route = request.scope.get("route")
    if not isinstance(route, NounRoute):
        return
    for name in request.query_params:
        if name in route.parameters:
            continue
        if name == _DRY_RUN:  # who means to try it must not find it done
            raise Invalid("this cannot be tried", field=name, remedy="leave it out; docs/api.md says what can be")
        known = f"there are: {', '.join(sorted(route.parameters))}" if route.parameters else "leave it out"
        raise Invalid(f"there is no parameter {name} here", field=name, remedy=known)


def _expect_known_conditions(request: Request) -> None:
    """Have no condition be without effect in silence (RFC 9110 section 13.1).

    Raises:
        Invalid: nobody would look at one.
    """
    route = request.scope.get("route")
    if not isinstance(route, NounRoute) or request.method == "GET":
        return
    for name in (_EXPECTED, _ONLY_NEW):
        if name in request.headers and name not in route.conditions:
            raise Invalid("this does not depend on how a thing is", field=name, remedy="leave the header out")
    if request.headers.get(_ONLY_NEW, "*") != "*":
        raise Invalid("write If-None-Match: * (only if it is not there yet)", field=_ONLY_NEW)


Reading = Annotated[Transaction, Depends(Permission(Scope.READ, changes=False), scope="function")]
Writing = Annotated[Transaction, Depends(Permission(Scope.WRITE, changes=True), scope="function")]
Owning = Annotated[Transaction, Depends(Permission(Scope.OWN, changes=True), scope="function")]
OwnersReading = Annotated[Transaction, Depends(Permission(Scope.OWN, changes=False), scope="function")]


OCTETS: Final = "application/octet-stream"


def file(*media_types: str) -> dict[str, Any]:
    """Describe, for the OpenAPI document, a body that is a file of one of these types."""
    return {"content": {each: {"schema": {"type": "string", "format": "binary"}} for each in media_types}}


SENDS_FILE: Final[dict[str, Any]] = {"requestBody": {"required": True, **file(OCTETS)}}
"""For the ``openapi_extra`` of a route that takes a file."""


async def sent_octets(request: Request) -> AsyncIterator[bytes]:
    """Give what is sent piece by piece, as it comes."""
    return request.stream()


SentOctets = Annotated[AsyncIterator[bytes], Depends(sent_octets)]


class Rehearsed(Exception):
    """A change was tried, and is to be undone.

    Attributes:
        told: What it would do.
    """

    def __init__(self, told: BaseModel) -> None:
        super().__init__("rehearsed")
        self.told = told


class Rehearsing(Protocol):
    """Tells what a change would do: called around the route's function, in its transaction."""

    def __init__(self, given: Collection[str]) -> None:
        """A change that names these fields."""

    async def begin(self, work: Transaction) -> None:
        """Remember how it was."""

    async def end(self, work: Transaction) -> Rehearsed:
        """Tell what was done since."""


class NounRoute(APIRoute):
    """Says in headers of which version the one thing is that it answers with, and whether it changed anything.

    Attributes:
        rehearsing: Tries changes; ``None``: they cannot be tried.
        parameters: Names of what may stand behind the question mark.
        conditions: Headers that make a change depend on how the thing is.
    """

    rehearsing: ClassVar[type[Rehearsing] | None] = None

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401
        methods, one = set(options.get("methods") or ()), "}" in path
        # What changes may name other things in its body, which are not there either.
        statuses = {*_ALWAYS, *({404} if one else ()), *(set() if methods == {"GET"} else {400, 404, 409, 413})}
        if methods & {"PUT", "PATCH", "DELETE"}:
            only_new = [_IF_NONE_MATCH] if "PUT" in methods else []
            options["openapi_extra"] = {"parameters": [_IF_MATCH, *only_new]} | (options.get("openapi_extra") or {})
        described = (options.get("openapi_extra") or {}).get("parameters", ())
        self.conditions: Final = frozenset(each["name"] for each in described if each["in"] == "header")
        if self.conditions:
            statuses.add(412)
        options["responses"] = failures.responses(*statuses) | (options.get("responses") or {})
        super().__init__(path, endpoint, **options)
        asked = (self.dependant, *self.dependant.dependencies)
        self.parameters: Final = frozenset(name for each in asked for name in _names(each.query_params))
        self._named: Final = self.parameters | frozenset(_names(self.dependant.body_params))
        model = self.response_model
        shown = model.model_fields if isinstance(model, type) and issubclass(model, Schema) else {}
        self._one: Final = model if shown and "items" not in shown else None
        self._tells_changes = False
        for dependency in self.dependant.dependencies:
            if isinstance(dependency.call, Permission):
                self.openapi_extra = {**(self.openapi_extra or {}), "x-coati-scope": dependency.call.needed.value}
                self._tells_changes = dependency.call.changes and self.status_code != http.HTTPStatus.ACCEPTED
        if self.rehearsing is not None and methods != {"GET"}:
            self.openapi_extra = {**(self.openapi_extra or {}), "x-coati-dry-run": True}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give what FastAPI calls."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            _expect_text(request.scope.get("raw_path", b"") + b"?" + request.scope["query_string"])
            if self.body_field is not None:
                _expect_text_in(await request.body())
            try:
                answer = await handle(request)
            except HTTPException as error:
                if isinstance(error.__cause__, RecursionError):
                    raise Invalid("the body is nested too deeply") from None
                raise
            except NotFound as error:
                # What is named in the path is not there: 404. What is named in the body or query: a wrong input.
                if error.field.partition(".")[0] in self._named:
                    raise error.as_input() from None
                raise
            if self._tells_changes:
                answer.headers[CHANGED] = "true" if request.state.work.deeds else "false"
            if self._one is not None and answer.status_code < 300 and answer.body and answer.media_type == _JSON:
                answer.headers["ETag"] = version_of(self._one, json.loads(bytes(answer.body)))
            return answer

        return handler


def _expect_text(address: bytes) -> None:
    """Have an address be text that a database can hold.

    Raises:
        Invalid: it is not.
    """
    try:
        text = unquote_to_bytes(address).decode()
    except UnicodeDecodeError:
        raise Invalid("the address is not UTF-8", remedy="write é as %C3%A9") from None
    if "\0" in text:
        raise Invalid("the address has the character NUL (%00), which nothing here has")


def _expect_text_in(body: bytes) -> None:
    """The same of a JSON body; that it is JSON is judged later."""
    try:
        text = body.decode(json.detect_encoding(body))
    except UnicodeDecodeError as error:
        raise Invalid(f"the body is not UTF-8 at octet {error.start}", remedy="send JSON in UTF-8") from None
    if _NUL.search(text):
        raise Invalid(r"the body has the character NUL (\u0000), which nothing here has")


def _names(params: Iterable[Any]) -> Iterator[str]:
    """Give the names of parameters, or of the fields of a model of them."""
    for field in params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from model.model_fields
        else:
            yield field.alias


MADE: Final[dict[int | str, dict[str, Any]]] = {201: {"description": "It is new"}}


def made(answer: Response, defined: tuple[T, bool]) -> T:
    """Answer with what a service defined: 201 if it is new, else 200."""
    shown, new = defined
    if new:
        answer.status_code = 201
    return shown


class Noun(APIRouter):
    """The routes of one noun, below ``/api/v1/<noun>``."""

    def __init__(self, noun: str, *, tag: str = "", route: type[NounRoute] = NounRoute) -> None:
        super().__init__(prefix=f"/{noun}", tags=[tag or noun], route_class=route)

"""Operations of the API as values: what each needs and where it goes, read from the routes themselves.

So whoever calls an operation writes it once: it can be carried out here, by the route's own function
in a transaction, or over the network, by its method and path. Nothing is listed a second time.
"""

import dataclasses
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, SecretStr, TypeAdapter, create_model
from pydantic_core import to_json

from appliance.api.dependencies import OCTETS, NounRoute, Permission, Rehearsing, sent_octets
from appliance.installation import Transaction

Endpoint = Callable[..., Awaitable[Any]]
_JSON_TYPE: Final = "application/json"
_FILE_NAME: Final = re.compile(r'filename="([^"/\\\\]+)"')


@dataclass(frozen=True, slots=True)
class File:
    """What an operation hands out that is no JSON."""

    name: str
    media_type: str
    content: bytes = dataclasses.field(repr=False)

    @classmethod
    def of(cls, headers: Mapping[str, str], content: bytes) -> "File":
        """Read how it is called."""
        name = _FILE_NAME.search(headers.get("content-disposition", ""))
        return cls(name[1] if name else "", headers.get("content-type", "").partition(";")[0], content)


@dataclass(frozen=True, slots=True)
class Bound:
    """An operation with all that it needs.

    Attributes:
        arguments: Of the route's function, but for the transaction.
        path: Below ``/api/v1``, filled in.
        query: What stands behind the question mark.
        body: JSON, or a file; ``None``: there is none.
        media_type: Of the body.
        trial: Tells what it would do, instead of doing it; ``None``: it is done.
    """

    arguments: Mapping[str, Any]
    path: str
    query: Mapping[str, Any]
    body: bytes | None
    media_type: str
    trial: Rehearsing | None


class Operation:
    """One route.

    Attributes:
        name: ``list_users``: of the function, and in the OpenAPI document.
        method: HTTP method.
        path: Below ``/api/v1``, with its parameters in braces.
        changes: Whether it needs a transaction that may write.
    """

    def __init__(self, route: APIRoute) -> None:
        self.name: Final = route.endpoint.__name__
        self.endpoint: Final[Endpoint] = route.endpoint
        self.path: Final = route.path
        (self.method,) = route.methods or {"GET"}
        self.changes: Final = any(
            each.call.changes for each in route.dependant.dependencies if isinstance(each.call, Permission)
        )
        self._takes_file = any(each.call is sent_octets for each in route.dependant.dependencies)
        self._dependant = route.dependant
        in_path = {field.name: (field.field_info.annotation, field.field_info) for field in route.dependant.path_params}
        self._path_parameters: Final[type[BaseModel]] = create_model(self.name, **in_path)  # type: ignore[call-overload]
        self._rehearsing = route.rehearsing if isinstance(route, NounRoute) and self.method != "GET" else None
        self._gives_file = route.response_class is Response
        self._answer: TypeAdapter[Any] | None = TypeAdapter(route.response_model) if route.response_model else None

    def bind(self, *path: object, **given: Any) -> Bound:  # noqa: ANN401  each operation has its own
        """Give the operation what it needs.

        Args:
            path: The path's parameters in their order; they may be named as well.
            given: Fields of the query and of the body; the body as a whole under its own name, if it is there already.
                ``dry_run``: try it only.

        Raises:
            pydantic.ValidationError: a value is not acceptable.
            TypeError: something is missing, or nobody knows it, or it cannot be tried.
        """
        rest = dict(given)
        trial = self._trial(rest)
        names = [field.name for field in self._dependant.path_params]
        arguments: dict[str, Any] = dict(zip(names, path, strict=False))
        arguments |= {name: rest.pop(name) for name in names if name in rest}
        if missing := [name for name in names if name not in arguments]:
            raise TypeError(f"{self.name} needs {', '.join(missing)}")
        parameters = self._path_parameters(**{name: arguments[name] for name in names})
        arguments |= {name: getattr(parameters, name) for name in names}
        filled = self.path.format_map({name: quote(str(arguments[name]), safe="") for name in names})
        query = self._query(arguments, rest) if trial is None else {"dry_run": "true"}
        if self._takes_file:
            body, media_type = rest.pop("content"), OCTETS
            arguments["content"] = _whole(body)
        else:
            body, media_type = self._body(arguments, rest), _JSON_TYPE
        if rest:
            raise TypeError(f"{self.name} does not know {', '.join(rest)}")
        return Bound(arguments, filled, query, body, media_type, trial)

    async def carry_out(self, work: Transaction, bound: Bound) -> Any:  # noqa: ANN401
        """Do it here, in this transaction.

        Raises:
            Rehearsed: it was tried only; the transaction is to be taken back.
        """
        named = self._dependant.response_param_name
        if bound.trial is not None:
            await bound.trial.begin(work)
        answer = await self.endpoint(work=work, **bound.arguments, **({named: Response()} if named else {}))
        if bound.trial is not None:
            raise await bound.trial.end(work)
        return File.of(answer.headers, bytes(answer.body)) if self._gives_file else answer

    def read(self, answer: bytes, headers: Mapping[str, str]) -> Any:  # noqa: ANN401
        """Read what a gateway answered; a later one may say more than we know."""
        if self._gives_file:
            return File.of(headers, answer)
        return self._answer.validate_json(answer, extra="ignore") if self._answer and answer else None

    def _trial(self, rest: dict[str, Any]) -> Rehearsing | None:
        if not rest.pop("dry_run", False):
            return None
        if self._rehearsing is None:
            raise TypeError(f"{self.name} cannot be tried")
        return self._rehearsing([name for name, value in rest.items() if value is not None])

    def _query(self, arguments: dict[str, Any], rest: dict[str, Any]) -> Mapping[str, Any]:
        for field in self._dependant.query_params:
            model = field.field_info.annotation
            if isinstance(model, type) and issubclass(model, BaseModel):
                wanted = model(**{name: rest.pop(name) for name in list(rest) if name in model.model_fields})
                arguments[field.name] = wanted
                return wanted.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        return {}

    def _body(self, arguments: dict[str, Any], rest: dict[str, Any]) -> bytes | None:
        for field in self._dependant.body_params:
            fields = rest.pop(field.name) if field.name in rest else dict(rest)
            if not isinstance(fields, BaseModel):
                rest.clear()
                if not fields and not field.field_info.is_required():
                    return None
            body = arguments[field.name] = TypeAdapter[Any](field.field_info.annotation or Any).validate_python(fields)
            return _json(body)
        return None


@cache
def of(endpoint: Endpoint) -> Operation:
    """Give the operation that this function of an ``endpoints`` module is, from the routers that stand beside it."""
    routers = [each for each in vars(sys.modules[endpoint.__module__]).values() if isinstance(each, APIRouter)]
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    return Operation(next(route for route in routes if route.endpoint is endpoint))


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _json(body: BaseModel) -> bytes:
    """Write a body, secrets included: this is where they are meant to go."""
    written, meant = (body.model_dump(mode=mode, exclude_unset=True) for mode in ("json", "python"))
    return to_json(_revealed(written, meant))


def _revealed(written: Any, meant: Any) -> Any:  # noqa: ANN401  JSON, and what it was written from
    match written, meant:
        case _, SecretStr():
            return meant.get_secret_value()
        case dict(), dict():
            return {name: _revealed(each, meant.get(name)) for name, each in written.items()}
        case list(), list() | tuple():
            return [_revealed(*pair) for pair in zip(written, meant, strict=True)]
        case _:
            return written

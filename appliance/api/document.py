"""The OpenAPI document: what FastAPI reads from the routes, and what no route says but any answer may have.

People read it at ``/api/docs``, programs make clients of it (decision 135).
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from appliance.api.dependencies import CHANGED
from appliance.api.examples import EXAMPLES
from appliance.configuration.rehearsal import MEDIA_TYPE as TRIED
from appliance.configuration.schemas import Rehearsal
from appliance.problems import ProblemDocument

_JSON: Final = "application/json"
_SCHEMAS: Final = "#/components/schemas/"
_GENERIC: Final = re.compile(r'\b(Page|Held)_([A-Za-z]+?)(?:View)?_(?=")')
_ETAG: Final = {
    "description": "The version of the thing, for If-Match.",
    "schema": {"type": "string", "examples": ['W/"fbb09845766a0d559829"']},
}
_CHANGED: Final = {
    "description": "Whether anything is other than before. What is so already stays unchanged.",
    "schema": {"type": "string", "enum": ["true", "false"]},
}
_OF_FAILURES: Final[dict[str, dict[str, Any]]] = {
    "401": {"WWW-Authenticate": {"description": "Bearer: send a token.", "schema": {"type": "string"}}},
    "429": {"Retry-After": {"description": "Wait so many seconds.", "schema": {"type": "integer", "minimum": 1}}},
}


def tags(routers: Iterable[APIRouter]) -> list[dict[str, str]]:
    """Describe the nouns by the first line of the module that their routes are in."""
    described: dict[str, str] = {}
    for router in routers:
        route = router.routes[0]
        if isinstance(route, APIRoute):
            words = (sys.modules[route.endpoint.__module__].__doc__ or "").partition("\n")[0]
            words = words.partition(": ")[2] or words
            described.setdefault(str(router.tags[0]), words[:1].upper() + words[1:])
    return [{"name": name, "description": words} for name, words in described.items()]


def complete(app: FastAPI) -> None:
    """Have ``app`` put into its document what its routes do not say; ``Page[UserView]`` is ``UserPage`` there."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if (kept := app.openapi_schema) is not None:
            return kept
        document: dict[str, Any] = json.loads(_GENERIC.sub(r"\2\1", json.dumps(generate())))
        schemas = document["components"]["schemas"]
        for shown in (ProblemDocument, Rehearsal):
            described = shown.model_json_schema(mode="serialization", ref_template=f"{_SCHEMAS}{{model}}")
            schemas |= described.pop("$defs", {}) | {shown.__name__: described}
        for name, example in EXAMPLES.items():
            if name in schemas:
                schemas[name]["examples"] = [example]
        for name, schema in schemas.items():
            schema["title"] = name
        for method, operation in _operations(document):
            _describe_answers(method, operation, schemas)
        app.openapi_schema = document
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for methods in document["paths"].values():
        yield from methods.items()


def _describe_answers(method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    answers = operation["responses"]
    if "201" in answers and "content" not in answers["201"]:
        answers["201"]["content"] = answers["200"]["content"]
    for status, answer in answers.items():
        if status in _OF_FAILURES:
            answer["headers"] = _OF_FAILURES[status]
        elif status.startswith("2") and "x-coati-scope" in operation:
            answer["headers"] = dict(_headers(method, status, answer, schemas))
    if operation.get("x-coati-dry-run"):
        done = answers.setdefault("200", {"description": "Tried, and undone"})
        # A type of its own: who makes a client of this shall not get "one or the other" of every change.
        done["content"] = done.get("content", {}) | {TRIED: {"schema": {"$ref": f"{_SCHEMAS}{Rehearsal.__name__}"}}}


def _headers(
    method: str, status: str, answer: dict[str, Any], schemas: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    one = answer.get("content", {}).get(_JSON, {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    if one and "items" not in schemas[one]["properties"]:
        yield "ETag", _ETAG
    if method != "get" and status != "202":
        yield CHANGED, _CHANGED

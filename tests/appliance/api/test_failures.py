"""Failures of the API: always a problem document, always the right status, never a stack trace."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from appliance.api import application, failures
from appliance.errors import TooManyAttempts
from appliance.installation import Actor, Installation
from appliance.models import Scope
from appliance.settings import Settings
from appliance.tokens import service as tokens
from appliance.tokens.schemas import NewToken

FAILURES = {
    "/integrity": (IntegrityError("INSERT", {}, Exception("unique")), 409, "conflict"),
    "/data": (DataError("SELECT", {}, Exception("out of range")), 422, "invalid"),
    "/away": (OperationalError("SELECT", {}, Exception("no server")), 503, "database"),
    "/fault": (RuntimeError("the secret is 4711"), 500, "unexpected"),
    "/patience": (TooManyAttempts("too many failed attempts", retry_after_seconds=7), 429, "too-many-attempts"),
}


@pytest.mark.parametrize("path", FAILURES)
async def test_every_failure_is_a_problem(path: str) -> None:
    failure, status, kind = FAILURES[path]
    app = FastAPI()
    failures.install(app)

    @app.get(path)
    async def fails() -> None:
        raise failure

    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:coati:problem:{kind}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "4711" not in answer.text
    assert answer.headers.get("retry-after") == ("7" if status == 429 else None)


@pytest.fixture
async def reader(data_dir: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with Installation.open(Settings(data_dir=data_dir)) as installation:
        async with installation.transaction(Actor("a test")) as work:
            token = await tokens.create(work, NewToken(name="reader", scopes=(Scope.WRITE,)))
        transport = httpx2.ASGITransport(app=application.create(installation))
        headers = {"Authorization": f"Bearer {token.token}"}
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test", headers=headers) as client:
            yield client


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/sessions/1", 404),
        ("/api/v1/sessions/0", 422),
        ("/api/v1/sessions/99999999999999999999", 422),
        ("/api/v1/refusals/99999999999999999999", 422),
        ("/api/v1/commands/-1", 422),
        ("/api/v1/sessions?offset=99999999999999999999", 422),
        ("/api/v1/users?limit=1001", 422),
        ("/api/v1/users?colour=red", 422),
        ("/api/v1/users/%00", 422),
        ("/api/v1/users/%FF", 422),
        ("/api/v1/users?text=%00", 422),
        ("/api/v1/users?text=%FF", 422),
        ("/api/v1/pools/none", 404),
        ("/api/v1/profiles/none", 404),
        ("/api/v1/leases/192.0.2.1", 404),
        ("/api/v1/certificates/authority", 404),
    ],
)
async def test_odd_questions_are_answered(reader: httpx2.AsyncClient, path: str, status: int) -> None:
    answer = await reader.get(path)
    assert answer.status_code == status, answer.text
    assert answer.json()["type"].startswith("urn:coati:problem:")


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("path", "body", "headers", "words"),
    [
        ("users", b'{"name": ', JSON, ("", "the body is not JSON: Expecting value at character 9")),
        ("users", b'{"name": "a"}', {"Content-Type": "text/plain"}, ("", "the body cannot be read: write an object")),
        ("users", b"[]", JSON, ("", "the body cannot be read: write an object")),
        ("users", b"", JSON, ("", "there is no body")),
        ("users", b'{"name": "alice", "fullname": ""}', JSON, ("password", "fullname: there is no such field")),
        ("pools", b'{"name": "x", "networks": "10.0.0.0/8"}', JSON, ("networks", "write a list")),
        ("pools", b'{"name": "x", "networks": []}', JSON, ("networks", "at least 1 must be given")),
        ("groups", b'{"name": 5}', JSON, ("name", "write a text")),
        ("groups", rb'{"name": "\ud800"}', JSON, ("name", "write a text")),
        ("users", b'{"name": "a", "password": 5}', JSON, ("password", "write a text")),
        ("users", b'{"name": "a", "enabled": "perhaps"}', JSON, ("enabled", "enabled: write true or false")),
        ("users", b'{"name": "a", "expires_at": 5}', JSON, ("expires_at", "expires_at: write a moment like this")),
        ("users/bulk", b'{"operations": [{"do": "paint"}]}', JSON, ("operations.0", "do is one of 'define', 'change'")),
    ],
)
async def test_a_wrong_body_is_said_in_words(
    reader: httpx2.AsyncClient, path: str, body: bytes, headers: dict[str, str], words: tuple[str, str]
) -> None:
    answer = await reader.post(f"/api/v1/{path}", content=body, headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem.get("field", "")) == (422, words[0])
    assert words[1] in problem["detail"]
    assert words[0] or "Content-Type: application/json" in problem["remedy"]


async def test_a_path_that_is_none_says_where_all_are(reader: httpx2.AsyncClient) -> None:
    for answer in (await reader.get("/api/v1/userz"), await reader.put("/api/v1/users", json={})):
        assert "/api/openapi.json" in answer.json()["remedy"]


async def test_a_body_that_is_too_large_is_refused(reader: httpx2.AsyncClient) -> None:
    answer = await reader.post("/api/v1/users", json={"name": "alice", "password": "x" * 1_100_000})
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:coati:problem:http")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_only_looks_like_nul_is_text(reader: httpx2.AsyncClient) -> None:
    answer = await reader.post("/api/v1/groups", content=rb'{"name": "x", "description": "\\u0000"}', headers=JSON)
    assert answer.json()["description"] == r"\u0000"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"name": "\xff"}', "the body is not UTF-8 at octet 10"),
        (rb'{"name": "x", "description": "\u0000"}', "the character NUL"),
        (b'{"name": ' + b"[" * 100_000, "nested too deeply"),
    ],
)
async def test_a_body_that_no_database_could_keep_is_said_in_words(
    reader: httpx2.AsyncClient, body: bytes, words: str
) -> None:
    answer = await reader.post("/api/v1/groups", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:coati:problem:invalid")
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("limit", "words"), [("0", "at least 1"), ("1001", "at most 1000"), ("ten", "write a whole number")]
)
async def test_a_wrong_number_is_said_in_words(reader: httpx2.AsyncClient, limit: str, words: str) -> None:
    answer = await reader.get("/api/v1/users", params={"limit": limit})
    assert (answer.status_code, answer.json()["detail"]) == (422, f"limit: {words}")


async def test_the_document_tells_how_to_sign_in_and_what_failures_look_like(reader: httpx2.AsyncClient) -> None:
    document = (await reader.get("/api/openapi.json")).json()
    show = document["paths"]["/api/v1/users/{name}"]["get"]
    assert show["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for status in ("401", "403", "404", "422", "500", "503"):
        assert "application/problem+json" in show["responses"][status]["content"]
    assert {"type", "detail", "field", "remedy"} <= document["components"]["schemas"]["ProblemDocument"][
        "properties"
    ].keys()

"""The API over a real database: permissions, problems, and no secret in any answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi.routing import APIRoute

from appliance.api import application
from appliance.api.dependencies import Permission
from appliance.installation import Actor, Installation
from appliance.models import Scope
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SettingDefinition
from appliance.tokens import service as tokens
from appliance.tokens.schemas import NewToken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from tests.begun import Begun

HERE = Actor("a test")
PASSWORD = "correct horse battery"
# What needs no token: who watches the process, and who checks certificates, has none.
PUBLISHED = {
    "/healthz",
    "/ca.pem",
    "/ca.cer",
    "/crl.pem",
    "/crl.der",
    "/crl/{name}.der",
    "/ca/{name}.cer",
    "/crl/{name}.pem",
}


@pytest.fixture
async def installation(begun: Begun) -> AsyncIterator[Installation]:
    async with Installation.open(begun.settings) as opened:
        yield opened


@pytest.fixture
def app(installation: Installation) -> FastAPI:
    return application.create(installation)


async def client(app: FastAPI, installation: Installation, *scopes: Scope) -> httpx2.AsyncClient:
    headers = {}
    if scopes:
        async with installation.transaction(HERE) as work:
            token = await tokens.create(work, NewToken(name="-".join(("t", *scopes)), scopes=scopes))
        headers["Authorization"] = f"Bearer {token.token}"
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="https://coati.test", headers=headers)


@pytest.fixture
async def writer(app: FastAPI, installation: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    async with await client(app, installation, Scope.WRITE) as opened:
        yield opened


@pytest.fixture
async def owner(app: FastAPI, installation: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    async with await client(app, installation, Scope.OWN) as opened:
        yield opened


def routes(app: FastAPI) -> list[APIRoute]:
    found: list[APIRoute] = []

    def walk(router: Any) -> None:
        for route in router.routes:
            if isinstance(route, APIRoute):
                found.append(route)
            elif (inner := getattr(route, "original_router", None)) is not None:
                walk(inner)

    walk(app)
    return found


TRANSACTIONS_OF_THEIR_OWN = {"/backups/{name}/file", "/backups/{name}/verify", "/backup-schedule/runs"}
"""They take their time, over a file; nobody else shall wait for it to write."""


def test_every_route_names_its_permission(app: FastAPI) -> None:
    walked = routes(app)
    assert len(walked) > 25
    for route in walked:
        if route.path in PUBLISHED:
            assert route.methods == {"GET"}
            continue
        calls = [dependency.call for dependency in route.dependant.dependencies]
        (permission,) = (call for call in calls if isinstance(call, Permission))
        changes = bool(route.methods - {"GET"}) and route.path not in TRANSACTIONS_OF_THEIR_OWN
        assert permission.changes == changes, route.path
        assert permission.needed is not Scope.READ or not permission.changes, route.path


async def test_health_needs_no_token(app: FastAPI, installation: Installation) -> None:
    async with await client(app, installation) as nobody:
        assert (await nobody.get("/healthz")).json() == {"status": "ok"}


@pytest.mark.parametrize("header", [None, "Bearer coati_nonsense", "Basic YTpi"])
async def test_without_a_good_token(app: FastAPI, installation: Installation, header: str | None) -> None:
    async with await client(app, installation) as nobody:
        answer = await nobody.get("/api/v1/users", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:coati:problem:unauthenticated"
    assert "coati token create" in answer.json()["remedy"]


async def test_a_reader_cannot_write(app: FastAPI, installation: Installation) -> None:
    async with await client(app, installation, Scope.READ) as reader:
        assert (await reader.get("/api/v1/users")).status_code == 200
        answer = await reader.post("/api/v1/users", json={"name": "alice", "password": PASSWORD})
    assert answer.status_code == 403


async def test_whom_to_trust_is_for_owners(writer: httpx2.AsyncClient, owner: httpx2.AsyncClient) -> None:
    new = {"name": "terraform", "scopes": ["write"]}
    assert (await writer.post("/api/v1/tokens", json=new)).status_code == 403
    assert (await writer.post("/api/v1/certificates/renew")).status_code == 403
    assert (await owner.post("/api/v1/tokens", json=new)).status_code == 201
    shown = await owner.get("/api/v1/tokens/terraform")
    assert shown.json()["scopes"] == ["write"]
    assert "token" not in shown.json()


async def test_the_life_of_a_user(writer: httpx2.AsyncClient) -> None:
    made = await writer.post("/api/v1/users", json={"name": "Alice", "password": PASSWORD})
    assert made.status_code == 201
    assert made.json()["name"] == "alice"
    assert (await writer.get("/api/v1/users", params={"text": "ali"})).json()["total"] == 1
    again = await writer.post("/api/v1/users", json={"name": "alice", "password": PASSWORD})
    assert (again.status_code, again.json()["field"]) == (409, "name")
    assert (await writer.patch("/api/v1/users/alice", json={"enabled": False})).json()["enabled"] is False
    assert (await writer.delete("/api/v1/users/alice")).status_code == 204
    assert (await writer.get("/api/v1/users/alice")).status_code == 404


async def test_bad_input_names_the_field(writer: httpx2.AsyncClient) -> None:
    weak = await writer.post("/api/v1/users", json={"name": "alice", "password": "alice"})
    assert (weak.status_code, weak.json()["field"]) == (422, "password")
    misspelt = await writer.patch("/api/v1/pools/default", json={"dsn": ["10.0.0.1"]})
    assert (misspelt.status_code, misspelt.json()["field"]) == (422, "dsn")
    assert (await writer.get("/api/v1/sessions", params={"limit": 0})).status_code == 422
    assert (await writer.get("/api/v1/nothing")).json()["status"] == 404


async def test_a_group_key_goes_in_and_never_comes_out(writer: httpx2.AsyncClient) -> None:
    new = {
        "name": "phones",
        "authentication": ["xauth-psk"],
        "preset": "compatible",
        "pre_shared_key": "xK29 phones only 77",
    }
    made = await writer.post("/api/v1/profiles", json=new)
    assert made.status_code == 201, made.text
    assert made.json()["has_pre_shared_key"] is True
    assert made.json()["weaknesses"]
    pages = [(await writer.get(f"/api/v1/{noun}")).text for noun in ("profiles", "audit", "certificates", "status")]
    assert not [page for page in pages if "xK29" in page or "PRIVATE KEY" in page]


async def test_status_and_the_authority(writer: httpx2.AsyncClient) -> None:
    status = (await writer.get("/api/v1/status")).json()
    assert "vpn.example.net" in status["gateway_names"]
    assert any("coati serve" in problem["remedy"] for problem in status["problems"])
    assert (await writer.get("/api/v1/certificates/authority")).json()["pem"].startswith("-----BEGIN CERTIFICATE")


async def test_the_document_describes_all(writer: httpx2.AsyncClient, app: FastAPI) -> None:
    document = (await writer.get("/api/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert len(document["paths"]) == len({route.path for route in routes(app)})


async def test_a_token_that_asks_too_fast_has_to_wait_and_others_need_not(
    app: FastAPI, installation: Installation
) -> None:
    async with installation.transaction(HERE) as work:
        await settings.define(work, "api_requests_per_minute", SettingDefinition(value=2))
    async with await client(app, installation, Scope.READ) as fast:
        assert [(await fast.get("/api/v1/users")).status_code for _ in range(3)] == [200, 200, 429]
        refused = await fast.get("/api/v1/users")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:coati:problem:too-many-requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    async with await client(app, installation, Scope.WRITE) as other:
        assert (await other.get("/api/v1/users")).status_code == 200


async def test_an_address_that_asks_too_fast_has_to_wait_whatever_it_shows(
    app: FastAPI, installation: Installation
) -> None:
    async with installation.transaction(HERE) as work:
        await settings.define(work, "api_source_requests_per_minute", SettingDefinition(value=3))
    async with await client(app, installation) as nobody:
        assert [(await nobody.get("/api/v1/users")).status_code for _ in range(4)] == [401, 401, 401, 429]


async def test_a_token_tells_when_and_from_where_it_was_used(app: FastAPI, installation: Installation) -> None:
    async with await client(app, installation, Scope.READ) as reader:
        await reader.get("/api/v1/users")
        shown = (await reader.get("/api/v1/tokens/t-read")).json()
    assert shown["used_from"] == "127.0.0.1"
    assert shown["used_at"] is not None

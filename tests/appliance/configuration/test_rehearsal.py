"""A change that is tried is refused as it would be, told field by field, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from sqlalchemy import select

from appliance.api import application
from appliance.configuration.rehearsal import DryRun
from appliance.installation import Actor, Installation
from appliance.models import AuditEntry, Command, Profile, Scope
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile, ProfileChange
from appliance.tokens import service as tokens
from appliance.tokens.schemas import NewToken
from appliance.users import service as users
from appliance.users.schemas import NewUser
from tests.appliance.configuration.test_consequences import session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Actor("a test")
TRIED = {"dry_run": "true"}


@pytest.fixture
async def owner(installation: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    """The API of a place where Ada is connected."""
    async with installation.transaction(HERE) as work:
        await pools.add(work, NewPool.model_validate({"name": "office", "networks": ["10.99.0.0/29"]}))
        await profiles.add(work, NewProfile(name="office"))
        await users.add(work, NewUser.model_validate({"name": "ada", "password": "analytical engine"}))
        work.session.add(session(1, "ada", pool="office"))
        token = await tokens.create(work, NewToken(name="t", scopes=(Scope.OWN,)))
    transport = httpx2.ASGITransport(app=application.create(installation))
    headers = {"Authorization": f"Bearer {token.token}"}
    async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test/api/v1", headers=headers) as client:
        yield client


async def traces(installation: Installation) -> list[Any]:
    async with installation.snapshot() as work:
        return [
            (await work.session.scalars(select(AuditEntry.id))).all(),
            (await work.session.scalars(select(Command.id))).all(),
            [(await users.show(work, "ada")).model_dump(), (await pools.show(work, "office")).model_dump()],
            (await work.session.scalars(select(Profile.changed_at))).all(),
        ]


async def test_what_is_tried_is_told_and_not_done(owner: httpx2.AsyncClient, installation: Installation) -> None:
    before = await traces(installation)
    told = await owner.patch("/users/ada", json={"enabled": False}, params=TRIED)
    assert told.status_code == 200, told.text
    (change,) = told.json()["changes"]
    assert (change["noun"], change["name"], change["who"]) == ("user", "ada", "token t")
    assert {"field": "enabled", "before": True, "after": False} in change["changes"]
    (consequence,) = told.json()["consequences"]
    assert (consequence["fate"], consequence["sessions"], consequence["users"]) == ("disconnected", 1, ["ada"])
    assert await traces(installation) == before


@pytest.mark.parametrize(
    ("method", "path", "body", "fates"),
    [
        ("PUT", "/pools/office", {"networks": ["10.99.0.0/29"], "dns": ["10.0.0.53"]}, ["next-login"]),
        ("PUT", "/pools/office", {"networks": ["10.99.0.0/29"]}, []),
        ("PUT", "/pools/branch", {"networks": ["10.98.0.0/29"]}, []),
        ("POST", "/pools", {"name": "branch", "networks": ["10.98.0.0/29"]}, []),
        ("PATCH", "/profiles/office", {"pre_shared_key": "7d1c6f04a25e4f3b9a0c"}, ["refused-next"]),
        ("PATCH", "/policy", {"reachable": ["10.0.0.0/8"]}, ["at-once"]),
        ("DELETE", "/profiles/office", None, ["refused-next"]),
        ("POST", "/profiles/order", {"names": ["office"]}, []),
    ],
)
async def test_every_kind_of_change_can_be_tried(
    owner: httpx2.AsyncClient,
    installation: Installation,
    *,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    fates: list[str],
) -> None:
    before = await traces(installation)
    told = await owner.request(method, path, json=body, params=TRIED)
    assert told.status_code == 200, told.text
    assert [each["fate"] for each in told.json()["consequences"]] == fates
    assert await traces(installation) == before


async def test_what_would_be_refused_is_refused(owner: httpx2.AsyncClient) -> None:
    taken = await owner.post("/pools", json={"name": "office", "networks": ["10.98.0.0/29"]}, params=TRIED)
    assert (taken.status_code, taken.json()["type"]) == (409, "urn:coati:problem:already-exists")
    wrong = await owner.patch("/pools/office", json={"networks": ["10.99.0.1/24"]}, params=TRIED)
    assert (wrong.status_code, wrong.json()["field"]) == (422, "networks.0")
    stale = await owner.patch("/pools/office", json={"domain": "a.net"}, params=TRIED, headers={"If-Match": 'W/"old"'})
    assert stale.status_code == 412
    assert (await owner.delete("/pools/nowhere", params=TRIED)).status_code == 404
    assert (await owner.patch("/users/ada", json={}, params={"dry_run": "perhaps"})).status_code == 422


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/users/bulk", {"operations": [{"do": "change", "name": "ada", "enabled": False}]}),
        ("/realms/local/test", {}),
        ("/sessions/1/disconnect", {}),
        ("/tokens", {"name": "another", "scopes": ["read"]}),
    ],
)
async def test_what_cannot_be_tried_is_refused_and_not_done(
    owner: httpx2.AsyncClient, installation: Installation, path: str, body: dict[str, Any]
) -> None:
    before = await traces(installation)
    refused = await owner.post(path, json=body, params=TRIED)
    assert (refused.status_code, refused.json()["field"]) == (422, "dry_run")
    assert await traces(installation) == before


async def test_without_it_it_is_done(owner: httpx2.AsyncClient) -> None:
    done = await owner.patch("/users/ada", json={"full_name": "Ada"}, params={"dry_run": "false"})
    assert done.json()["full_name"] == "Ada"
    assert (await owner.get("/users/ada")).json()["full_name"] == "Ada"


async def test_a_key_leaves_no_trace_in_what_is_told(installation: Installation) -> None:
    async with installation.transaction(HERE) as work:
        await profiles.add(work, NewProfile(name="office"))
        trial = DryRun(["pre_shared_key"])
        await trial.begin(work)
        change = ProfileChange.model_validate({"pre_shared_key": "7d1c6f04a25e4f3b9a0c"})
        await profiles.change(work, "office", change)
        told = (await trial.end(work)).told
        await work.session.rollback()
    assert "7d1c6f04a25e4f3b9a0c" not in told.model_dump_json()

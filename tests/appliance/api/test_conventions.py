"""What all nouns of the API share: pages, filters, order, versions, definitions that repeat themselves, bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from sqlalchemy import select

from appliance.api import application
from appliance.installation import Actor, Installation
from appliance.models import Command, RealmKind, Revision, Scope, Session
from appliance.realms.kinds import SETTINGS
from appliance.schema import Schema
from appliance.tokens import service as tokens
from appliance.tokens.schemas import NewToken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.begun import Begun

HERE = Actor("a test")
PASSWORD = "correct horse battery"
V1 = "/api/v1"

# One of each noun that can be defined by PUT: what makes it, and what changes it.
DEFINED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "administrators/carol": ({"role": "auditor", "password": PASSWORD}, {"role": "operator"}),
    "users/alice": ({"password": PASSWORD, "full_name": "Alice"}, {"full_name": "Alice Liddell"}),
    "pools/office": ({"networks": ["10.77.0.0/24"], "dns": ["10.0.0.53"]}, {"banner": "Welcome"}),
    "profiles/phones": (
        {"authentication": ["xauth-psk"], "pre_shared_key": "a key for phones only", "preset": "compatible"},
        {"enabled": False},
    ),
    "groups/staff": (
        {"description": "Staff", "policy": {"reachable": ["10.0.0.0/8"], "banner": "Hello"}},
        {"description": "All of the staff"},
    ),
    "realms/corp": ({"kind": "radius", "settings": {"server": "192.0.2.1"}}, {"enabled": False}),
    "authorities/second": ({"for_clients": False, "crl_url": "http://pki.example.net/crl"}, {"check": "hard"}),
}


class _Server(Schema):
    """Settings of a kind of realm that these tests make up: a second local one cannot be."""

    server: str


@pytest.fixture(autouse=True)
def _another_kind_of_realm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETTINGS, RealmKind.RADIUS, _Server)


@pytest.fixture
async def installation(begun: Begun) -> AsyncIterator[Installation]:
    async with Installation.open(begun.settings) as opened:
        yield opened


@pytest.fixture
async def client(installation: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    async with installation.transaction(HERE) as work:
        token = await tokens.create(work, NewToken(name="ci", scopes=(Scope.OWN,)))
    transport = httpx2.ASGITransport(app=application.create(installation))
    headers = {"Authorization": f"Bearer {token.token}"}
    async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test", headers=headers) as opened:
        yield opened


async def audited(client: httpx2.AsyncClient) -> int:
    total: int = (await client.get(f"{V1}/audit")).json()["total"]
    return total


def session_of(user: str, number: int) -> Session:
    where = {"node": "gw", "peer_id": number, "peer_address": "192.0.2.1", "peer_port": 500}
    return Session(user=user, profile="default", authentication="hybrid-rsa", mode="main", **where)


async def revisions(installation: Installation) -> dict[str, int]:
    async with installation.snapshot() as work:
        return {row.topic: row.number for row in await work.session.scalars(select(Revision))}


@pytest.mark.parametrize("path", DEFINED)
async def test_what_is_so_already_changes_nothing(
    client: httpx2.AsyncClient, installation: Installation, path: str
) -> None:
    whole, change = DEFINED[path]
    first = await client.put(f"{V1}/{path}", json=whole)
    assert first.status_code == 201, first.text
    assert first.headers["coati-changed"] == "true"
    before = await audited(client), await revisions(installation)
    second = await client.put(f"{V1}/{path}", json=whole)
    assert (second.status_code, second.json()) == (200, first.json())
    assert second.headers["coati-changed"] == "false"
    # A password that is given to PATCH is set anew, as on the command line.
    without = {name: value for name, value in whole.items() if name != "password"}
    patched = await client.patch(f"{V1}/{path}", json=without)
    assert (patched.json(), patched.headers["coati-changed"]) == (first.json(), "false")
    assert (await audited(client), await revisions(installation)) == before
    third = await client.put(f"{V1}/{path}", json=whole | change)
    assert (third.status_code, third.headers["coati-changed"]) == (200, "true")
    assert change.items() <= third.json().items()
    assert await audited(client) == before[0] + 1
    gone = await client.delete(f"{V1}/{path}")
    assert (gone.status_code, gone.headers["coati-changed"]) == (204, "true")
    assert (await client.delete(f"{V1}/{path}")).status_code == 404


async def test_a_setting_and_an_order_say_whether_they_changed_anything(client: httpx2.AsyncClient) -> None:
    async def changed(method: str, path: str, **body: Any) -> str:
        answer = await client.request(method, f"{V1}/{path}", json=body or None)
        assert answer.status_code == 200, answer.text
        return answer.headers["coati-changed"]

    assert [await changed("PUT", "settings/session_days", value=30) for _ in range(2)] == ["true", "false"]
    assert [await changed("DELETE", "settings/session_days") for _ in range(2)] == ["true", "false"]
    assert [await changed("PATCH", "policy", idle_limit_seconds=60) for _ in range(2)] == ["true", "false"]
    assert [await changed("PUT", "policy", banner="Hello") for _ in range(2)] == ["true", "false"]
    assert (await client.get(f"{V1}/policy")).json()["policy"] == {"banner": "Hello"}
    await client.put(f"{V1}/profiles/phones", json={})
    assert [await changed("POST", "profiles/order", names=["phones", "default"]) for _ in range(2)] == ["true", "false"]
    assert await changed("POST", "authorities/coati/choose") == "false"
    assert "coati-changed" not in (await client.get(f"{V1}/policy")).headers


@pytest.mark.parametrize("path", ["authorities", "gateways", "users/alice", "status", "backups"])
async def test_a_parameter_that_nobody_knows_is_refused(client: httpx2.AsyncClient, path: str) -> None:
    await client.put(f"{V1}/users/alice", json={"password": PASSWORD})
    answer = await client.get(f"{V1}/{path}", params={"limmit": 3})
    assert (answer.status_code, answer.json()["field"]) == (422, "limmit")


async def test_every_list_is_cut_as_asked(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/api/openapi.json")).json()
    for path, methods in document["paths"].items():
        answer = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {}).get("application/json")
        if answer and answer["schema"].get("$ref", "").endswith("Page") and path != f"{V1}/logs":
            assert {"limit", "offset"} <= {each["name"] for each in methods["get"]["parameters"]}, path
    await client.put(f"{V1}/authorities/second", json={})
    whole = (await client.get(f"{V1}/authorities")).json()
    cut = (await client.get(f"{V1}/authorities", params={"limit": 1, "offset": 1})).json()
    assert (cut["items"], cut["total"]) == (whole["items"][1:2], 2)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("users/alice", {"password": PASSWORD, "group": "nobody"}),
        ("users/alice", {"password": PASSWORD, "policy": {"pool": "nobody"}}),
        ("profiles/phones", {"pool": "nobody"}),
        ("profiles/phones", {"realms": ["nobody"]}),
    ],
)
async def test_what_a_body_names_and_is_not_there_is_a_wrong_input(
    client: httpx2.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    """404 would say that the thing itself is gone, and have tools forget it."""
    answer = await client.put(f"{V1}/{path}", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:coati:problem:invalid")
    assert answer.json()["field"].partition(".")[0] in body
    assert "there is no" in answer.json()["detail"]
    assert (await client.get(f"{V1}/groups/nobody")).status_code == 404


@pytest.mark.parametrize("path", DEFINED)
async def test_an_update_is_not_lost(client: httpx2.AsyncClient, path: str) -> None:
    whole, change = DEFINED[path]
    await client.put(f"{V1}/{path}", json=whole)
    seen = (await client.get(f"{V1}/{path}")).headers["etag"]
    changed = await client.patch(f"{V1}/{path}", json=change, headers={"If-Match": seen})
    assert (changed.status_code, changed.headers["etag"] == seen) == (200, False)
    for answer in (
        await client.patch(f"{V1}/{path}", json=change, headers={"If-Match": seen}),
        await client.put(f"{V1}/{path}", json=whole, headers={"If-Match": seen}),
        await client.delete(f"{V1}/{path}", headers={"If-Match": seen}),
        await client.put(f"{V1}/{path}-of-another-name", json=whole, headers={"If-Match": seen}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (412, "urn:coati:problem:lost-update")
    latest = f'"something else", {changed.headers["etag"]}'
    assert (await client.delete(f"{V1}/{path}", headers={"If-Match": latest})).status_code == 204


async def test_every_thing_that_can_be_defined_is_among_those_above(client: httpx2.AsyncClient) -> None:
    paths = (await client.get("/api/openapi.json")).json()["paths"]
    definitions = {path for path, methods in paths.items() if "201" in methods.get("put", {}).get("responses", ())}
    assert {path.split("/")[3] for path in definitions} == {path.split("/")[0] for path in DEFINED}
    for methods in paths.values():
        for method in methods.keys() & {"put", "patch", "delete"}:
            assert "If-Match" in [each["name"] for each in methods[method]["parameters"]]


async def test_a_list_is_cut_and_ordered(client: httpx2.AsyncClient) -> None:
    for name, full_name in (("carol", "A"), ("alice", "B"), ("bob", "A")):
        await client.post(f"{V1}/users", json={"name": name, "password": PASSWORD, "full_name": full_name})

    async def names(**query: Any) -> list[str]:
        answer = await client.get(f"{V1}/users", params=query)
        assert answer.json()["total"] == 3, answer.text
        return [user["name"] for user in answer.json()["items"]]

    assert await names() == ["alice", "bob", "carol"]
    assert await names(sort="-name", limit=2) == ["carol", "bob"]
    assert await names(sort="full_name,-name", offset=1) == ["bob", "alice"]
    wrong = await client.get(f"{V1}/users", params={"sort": "name,-password_hash"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "sort")
    assert "created_at" in wrong.json()["detail"]


async def test_a_user_is_not_given_a_new_password_by_the_same_one(client: httpx2.AsyncClient) -> None:
    made = await client.put(f"{V1}/users/alice", json={"password": PASSWORD})
    await client.put(f"{V1}/users/alice", json={"password": PASSWORD, "enabled": False})
    assert (await client.put(f"{V1}/users/alice", json={})).json()["enabled"] is True
    shown = (await client.get(f"{V1}/users/alice")).json()
    assert shown["password_changed_at"] == made.json()["password_changed_at"]
    other = await client.put(f"{V1}/users/alice", json={"password": "another horse battery"})
    assert other.json()["password_changed_at"] != made.json()["password_changed_at"]
    nobody = await client.put(f"{V1}/users/bob", json={})
    assert (nobody.status_code, nobody.json()["field"]) == (422, "password")


async def test_many_users_at_once_have_an_outcome_each(client: httpx2.AsyncClient) -> None:
    operations = [
        {"do": "define", "name": "alice", "password": PASSWORD},
        {"do": "define", "name": "bob", "password": "bob"},
        {"do": "change", "name": "alice", "enabled": False},
        {"do": "remove", "name": "carol"},
        {"do": "define", "name": "alice", "full_name": "Alice"},
    ]
    answer = await client.post(f"{V1}/users/bulk", json={"operations": operations})
    assert answer.status_code == 200, answer.text
    outcomes = answer.json()["outcomes"]
    assert [each["status"] for each in outcomes] == [201, 422, 200, 404, 200]
    assert [each["changed"] for each in outcomes] == [True, False, True, False, True]
    assert answer.headers["coati-changed"] == "true"
    assert [outcomes[1]["problem"]["field"], outcomes[3]["problem"]["type"]] == [
        "password",
        "urn:coati:problem:not-found",
    ]
    assert (answer.json()["done"], answer.json()["refused"]) == (3, 2)
    assert [user["name"] for user in (await client.get(f"{V1}/users")).json()["items"]] == ["alice"]


async def test_many_sessions_at_once_are_told_to_end(client: httpx2.AsyncClient, installation: Installation) -> None:
    async with installation.transaction(HERE) as work:
        work.session.add_all(session_of(user, number) for number, user in enumerate(("alice", "bob", "alice"), 1))
    answer = await client.post(f"{V1}/sessions/disconnect", json={"ids": [2, 99]})
    assert [each["status"] for each in answer.json()["outcomes"]] == [202, 404]
    answer = await client.post(f"{V1}/sessions/disconnect", json={"matching": {"user": "alice"}, "reason": "closing"})
    assert [each["item"] for each in answer.json()["outcomes"]] == ["1", "3"]
    async with installation.snapshot() as work:
        orders = (await work.session.scalars(select(Command).order_by(Command.session_id))).all()
        assert [(order.session_id, order.reason) for order in orders][::2] == [(1, "closing"), (3, "closing")]
    assert (await client.get(f"{V1}/commands", params={"outcome": "pending"})).json()["total"] == 3
    assert (await client.post(f"{V1}/sessions/disconnect", json={})).status_code == 422


async def test_who_is_blocked_stays_out(client: httpx2.AsyncClient, installation: Installation) -> None:
    await client.put(f"{V1}/users/alice", json={"password": PASSWORD})
    async with installation.transaction(HERE) as work:
        work.session.add_all(session_of(user, number) for number, user in enumerate(("alice", "bob", "alice"), 1))
    answer = await client.post(f"{V1}/sessions/1/disconnect", json={"block": True})
    assert answer.status_code == 202, answer.text
    assert (await client.get(f"{V1}/users/alice")).json()["enabled"] is False
    orders = (await client.get(f"{V1}/commands")).json()["items"]
    assert {order["session_id"] for order in orders} == {1, 3}
    not_ours = await client.post(f"{V1}/sessions/disconnect", json={"ids": [2], "block": True})
    assert not_ours.json()["outcomes"][0]["problem"]["field"] == "block"
    assert (await client.get(f"{V1}/commands")).json()["total"] == 2


async def test_the_audit_log_can_be_searched(client: httpx2.AsyncClient) -> None:
    await client.put(f"{V1}/users/alice", json={"password": PASSWORD})
    await client.delete(f"{V1}/users/alice")

    async def deeds(**query: str) -> list[str]:
        return [each["deed"] for each in (await client.get(f"{V1}/audit", params=query)).json()["items"]]

    assert await deeds(target="alice") == ["user.remove", "user.add"]
    assert await deeds(who="token ci", sort="at") == ["user.add", "user.remove"]
    assert await deeds(deed="user.", until="2026-01-01T00:00:00Z") == []
    assert "pool.add" in await deeds(text="first start", since="2026-01-01T00:00:00+02:00")
    out_of_reach = await client.get(f"{V1}/audit", params={"since": "0001-01-01T00:00:00+14:00"})
    assert (out_of_reach.status_code, out_of_reach.json()["field"]) == (422, "since")

"""Every page says in its signature whom it is for; those that are for everybody are listed here."""

import re
from pathlib import Path

import httpx2
from fastapi.routing import APIRoute
from pydantic import SecretStr

from appliance.administrators import service as administrators
from appliance.administrators import signing_in
from appliance.administrators.schemas import NewAdministrator
from appliance.groups import service as groups
from appliance.groups.schemas import NewGroup
from appliance.installation import Actor, Installation
from appliance.models import Role, Scope
from appliance.settings import Settings
from appliance.users import service as users
from appliance.users.schemas import NewUser
from tests.webui.signing_in import sign_in
from webui import pages, panel, security

FOR_EVERYBODY = {
    "/sign-in",
    "/sign-in/code",
    "/sign-in/passkey",
    "/sign-in/passkey/options",
    "/sign-in/oidc",
    "/sign-in/oidc/back",
    "/api/docs",
}
OWN_AFFAIRS = {"/sign-out", "/scheme"}
PASSWORD = SecretStr("correct horse battery")


def test_every_page_says_whom_it_is_for() -> None:
    routes = [route for noun in pages.NOUNS for route in noun.router.routes if isinstance(route, APIRoute)]
    assert len(routes) > 40
    for page in routes:
        needed = [
            dependency.call.needed
            for dependency in page.dependant.dependencies
            if isinstance(dependency.call, security.Admission)
        ]
        assert bool(needed) != (page.path in FOR_EVERYBODY), page.path
        own = page.path.startswith("/account") or page.path in OWN_AFFAIRS | FOR_EVERYBODY
        if "POST" in page.methods and not own:
            assert needed[0] is not Scope.READ, f"{page.path}: Operating, or Ruling where it is about whom to trust"


GIVES_TRUST_AWAY = {
    ("GET", "/administrators/add"),
    ("POST", "/administrators"),
    ("POST", "/administrators/{name}"),
    ("POST", "/administrators/{name}/password"),
    ("POST", "/administrators/{name}/codes/reset"),
    ("GET", "/administrators/{name}/remove"),
    ("POST", "/administrators/{name}/remove"),
    ("POST", "/tokens"),
    ("GET", "/backups/{name}/file"),
    ("POST", "/backups/{name}/replace"),
    ("POST", "/certificates/{number}/export"),
    ("POST", "/client-profiles/file"),
    ("POST", "/client-profiles/links"),
    ("POST", "/settings"),
    ("POST", "/account/codes"),
    ("POST", "/account/passkeys/options"),
    ("POST", "/account/passkeys/{passkey_id}/remove"),
}
"""Owners, tokens, everything in a file, private keys, the identity provider, ways in."""


def test_what_gives_trust_away_is_for_who_showed_lately_who_it_is() -> None:
    found = {
        (method, route.path)
        for noun in pages.NOUNS
        for route in noun.router.routes
        if isinstance(route, APIRoute)
        for dependency in route.dependant.dependencies
        if isinstance(dependency.call, security.Admission) and dependency.call.proof
        for method in route.methods
    }
    assert found == GIVES_TRUST_AWAY


async def test_who_may_only_look_changes_nothing(data_dir: Path) -> None:
    async with Installation.open(Settings(data_dir=data_dir)) as installation:
        cookies = {}
        for role in (Role.AUDITOR, Role.OPERATOR):
            new = NewAdministrator(name=role.value, role=role, password=PASSWORD)
            async with installation.transaction(Actor("a test")) as work:
                await administrators.add(work, new)
            proven = await signing_in.sign_in(installation, role.value, PASSWORD, signing_in.Visitor("192.0.2.1"))
            assert proven.cookie is not None
            cookies[role] = proven.cookie.decode()
        transport = httpx2.ASGITransport(app=panel.create(installation))
        same_site = {"Sec-Fetch-Site": "same-origin"}
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test", headers=same_site) as client:

            async def status(role: Role, method: str, path: str, **data: str) -> int:
                headers = {"Cookie": f"{security.COOKIE}={cookies[role]}"}
                return (await client.request(method, path, data=data or None, headers=headers)).status_code

            alice = {"name": "alice", "password": PASSWORD.get_secret_value()}
            assert await status(Role.AUDITOR, "GET", "/users") == 200
            assert await status(Role.AUDITOR, "POST", "/users", **alice) == 403
            assert await status(Role.OPERATOR, "POST", "/users", **alice) == 303
            assert await status(Role.OPERATOR, "POST", "/tokens", name="mine", scopes="own") == 403
            assert await status(Role.AUDITOR, "POST", "/sign-out") == 303


async def test_people_get_a_page_where_machines_get_a_document(data_dir: Path) -> None:
    async with Installation.open(Settings(data_dir=data_dir)) as installation:
        transport = httpx2.ASGITransport(app=panel.create(installation))
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
            page = await client.get("/nothing")
            document = await client.get("/api/v1/nothing")
    assert (page.status_code, document.status_code) == (404, 404)
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>Not Found</h1>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert document.headers["content-type"] == "application/problem+json"


async def test_what_goes_wrong_is_told_within_the_house(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    page = await browser.get("/users/nobody")
    assert page.status_code == 404
    assert "there is no user nobody" in page.text
    assert '<nav class="side"' in page.text
    assert "Back to users" in page.text
    assert '<nav class="side"' not in (await browser.get("/nothing/at-all")).text


async def test_who_may_only_look_gets_forms_that_are_only_to_be_looked_at(browser: httpx2.AsyncClient) -> None:
    async with browser.installation.transaction(Actor("a test")) as work:
        new = NewAdministrator(name="guest", role=Role.AUDITOR, password=PASSWORD)
        await administrators.add(work, new)
        await users.add(work, NewUser(name="alice", password=PASSWORD))
        await groups.add(work, NewGroup(name="staff"))
    await browser.post("/sign-in", data={"name": "guest", "password": PASSWORD.get_secret_value()})
    shown = ("/users/alice", "/groups/staff", "/policy", "/profiles/default/change", "/realms/local", "/settings")
    for path in shown:
        page = (await browser.get(path)).text
        fields = re.findall(r'<(?:input|select|textarea)\b[^>]*\bid="f-[^>]*>', page)
        assert fields, path
        assert [field for field in fields if " disabled" not in field] == [], path

"""What a page offers can be done by who sees it: each role follows every link, and looks at each form there."""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import TYPE_CHECKING

import pytest
from fastapi.routing import APIRoute
from pydantic import SecretStr
from starlette.routing import Match

from appliance import models
from appliance.administrators import service as administrators
from appliance.administrators.schemas import NewAdministrator
from appliance.certificates import service as certificates
from appliance.certificates.schemas import NewCertificate
from appliance.groups import service as groups
from appliance.groups.schemas import NewGroup
from appliance.installation import Actor
from appliance.models.columns import now
from appliance.radius_servers import service as radius_servers
from appliance.radius_servers.schemas import NewRadiusServer
from appliance.realms import service as realms
from appliance.realms.schemas import NewRealm
from appliance.second_factors import service as second_factors
from appliance.users import service as users
from appliance.users.schemas import NewUser
from tests.e2e import appliance as furniture
from webui import pages, security

if TYPE_CHECKING:
    import httpx2

    from appliance.installation import Transaction

PASSWORD = "correct horse battery"
_OWN_AFFAIRS = re.compile(r"/(scheme|sign-out|account)(/|$)")
_FORM = re.compile(r'<form\b(?=[^>]*\bmethod="post")[^>]*>.*?</form>', re.DOTALL)
_ACTION = re.compile(r'\baction="([^"]*)"')
_LINK = re.compile(r'\bhref="(/[^"#]*)')
# Files, what is no page of the panel, the same list sorted otherwise, and what waits for a gateway to answer.
_NOT_FOLLOWED = re.compile(r"/(static|ca\.|crl|api/|portal|configuration/\d+\?)|format=|sort=|page=|/sessions/\d+/")
# Pages of one kind differ by what the things are that they show: a few of each are enough.
_OF_A_KIND = 3


async def furnish(work: Transaction) -> None:
    await groups.add(work, NewGroup(name="staff"))
    await users.add(work, NewUser(name="alice", password=SecretStr(PASSWORD), group="staff"))
    await users.add(work, NewUser(name="gone", password=SecretStr(PASSWORD), enabled=False))
    await realms.add(work, NewRealm(name="corp", kind=models.RealmKind.RADIUS, enabled=False))
    server = {"name": "first", "address": "192.0.2.7", "secret": "a secret that is long"}
    await radius_servers.add(work, "corp", NewRadiusServer.model_validate(server))
    await certificates.issue(work, NewCertificate(owner="alice"))
    await second_factors.enrol(work, "local", "alice")
    # The first two: of what a gateway holds, some belongs to sessions of these numbers.
    work.session.add_all([furniture.session(1, user="alice"), furniture.session(2, user="alice")])
    work.session.add_all([furniture.node(), furniture.inventory(), furniture.refusal()])
    work.session.add(models.Throttle(subject="vpn/account/alice", failures=7, failed_at=now(), changed_at=now()))
    await work.session.flush()


@pytest.mark.parametrize("role", [models.Role.AUDITOR, models.Role.OPERATOR])
async def test_nobody_is_shown_a_deed_that_is_refused(browser: httpx2.AsyncClient, role: models.Role) -> None:
    async with browser.installation.transaction(Actor("a test")) as work:
        await furnish(work)
        await administrators.add(work, NewAdministrator(name="guest", role=role, password=SecretStr(PASSWORD)))
    answer = await browser.post("/sign-in", data={"name": "guest", "password": PASSWORD})
    assert answer.status_code == 303
    seen, wrong, visits = {"/"}, set(), Counter[str]()
    waiting = deque(["/"])
    while waiting:
        path = waiting.popleft()
        visits[kind := _route("GET", path.partition("?")[0]).path] += 1
        if visits[kind] > _OF_A_KIND:
            continue
        answer = await browser.get(path)
        if not answer.headers.get("content-type", "").startswith("text/html") or answer.is_redirect:
            continue
        if answer.status_code != 200:
            wrong.add((path, answer.status_code))
            continue
        for form in _FORM.findall(answer.text):
            action = _ACTION.search(form)
            target = (action[1] if action else path).partition("?")[0]
            if "<button" in form and not _OWN_AFFAIRS.match(target) and not role.scope.includes(_needed(target)):
                wrong.add((path, target))
        for link in _LINK.findall(answer.text):
            address = link.replace("&amp;", "&")
            if address not in seen and not _NOT_FOLLOWED.search(address):
                seen.add(address)
                waiting.append(address)
    assert len(visits) > 40
    assert wrong == set()


def _route(method: str, path: str) -> APIRoute:
    scope = {"type": "http", "method": method, "path": path}
    for route in (each for noun in pages.NOUNS for each in noun.router.routes):
        if isinstance(route, APIRoute) and route.matches(scope)[0] is Match.FULL:
            return route
    raise AssertionError(f"nothing is at {method} {path}")


def _needed(path: str) -> models.Scope:
    """Give what a role has to allow for a form that is sent there."""
    dependencies = _route("POST", path).dependant.dependencies
    return next(each.call.needed for each in dependencies if isinstance(each.call, security.Admission))

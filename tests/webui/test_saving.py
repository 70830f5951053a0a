"""Two administrators never overwrite each other unseen, and a save says first what it does to who is connected."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from appliance.administrators import service as administrators
from appliance.administrators.schemas import AdministratorChange, NewAdministrator
from appliance.certificates import authorities
from appliance.certificates.schemas import AuthorityChange
from appliance.groups import service as groups
from appliance.groups.schemas import GroupChange, NewGroup
from appliance.installation import Actor
from appliance.models import RealmKind, Role
from appliance.policy.attributes import AccessPolicy
from appliance.pools import service as pools
from appliance.pools.schemas import PoolChange
from appliance.profiles import service as profiles
from appliance.profiles.schemas import ProfileChange
from appliance.radius_servers import service as radius_servers
from appliance.radius_servers.schemas import NewRadiusServer, RadiusServerChange
from appliance.realms import service as realms
from appliance.realms.schemas import NewRealm, RealmChange
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SettingDefinition
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange
from tests.webui.live_session import a_session
from tests.webui.signing_in import sign_in

if TYPE_CHECKING:
    import httpx2

PASSWORD = SecretStr("correct horse battery")


def form_of(page: str, action: str) -> dict[str, list[str]]:
    """Give what a browser would send of the form that goes there."""
    found = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert found is not None, action
    sent: dict[str, list[str]] = {}
    inputs = r"<input ([^>]*)>|<textarea ([^>]*)>\n?(.*?)</textarea>|<select ([^>]*)>(.*?)</select>"
    for tag, area, text, select, options in re.findall(inputs, found[0], re.DOTALL):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag or area or select))
        value = attributes.get("value", "")
        if "name" not in attributes or (attributes.get("type") == "checkbox" and " checked" not in tag):
            continue
        if area:
            value = text
        elif select:
            chosen = re.search(r'<option value="([^"]*)" selected>', options)
            value = chosen[1] if chosen else (re.search(r'<option value="([^"]*)"', options) or ["", ""])[1]
        sent.setdefault(attributes["name"], []).append(html.unescape(value))
    return sent


async def other(browser: httpx2.AsyncClient, deed: object, *arguments: object) -> None:
    """Have somebody else do something meanwhile."""
    async with browser.installation.transaction(Actor("administrator bob", "192.0.2.7")) as work:
        await deed(work, *arguments)  # type: ignore[operator]


async def test_who_saves_over_a_newer_version_sees_it_and_takes_it_field_by_field(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    path = "/pools/default/change"
    mine = form_of((await browser.get(path)).text, path)
    await other(browser, pools.change, "default", PoolChange.model_validate({"dns": ["10.0.0.53"], "domain": "b.net"}))
    stale = await browser.post(path, data=mine | {"banner": ["Welcome"], "domain": ["a.net"]})
    assert stale.status_code == 422
    assert "administrator bob changed this" in stale.text
    assert "after you had opened it" in stale.text
    assert ">\nWelcome</textarea>" in stale.text
    assert '<td data-label="Now"><strong>10.0.0.53</strong></td>' in stale.text
    again = form_of(stale.text, path)
    assert again["theirs"] == ["dns"]
    saved = await browser.post(path, data=again)
    assert saved.status_code == 303, saved.text
    async with browser.installation.snapshot() as work:
        pool = await pools.show(work, "default")
    assert ([str(one) for one in pool.dns], pool.domain, pool.banner) == (["10.0.0.53"], "a.net", "Welcome")


async def test_what_is_not_left_as_it_is_now_is_written_over(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    path = "/pools/default/change"
    mine = form_of((await browser.get(path)).text, path)
    await other(browser, pools.change, "default", PoolChange.model_validate({"dns": ["10.0.0.53"]}))
    again = form_of((await browser.post(path, data=mine)).text, path)
    await other(browser, pools.change, "default", PoolChange(domain="c.net"))
    third = await browser.post(path, data={name: sent for name, sent in again.items() if name != "theirs"})
    assert (third.status_code, "c.net" in third.text) == (422, True)
    last = form_of(third.text, path)
    assert (await browser.post(path, data=last | {"theirs": []})).status_code == 303
    async with browser.installation.snapshot() as work:
        pool = await pools.show(work, "default")
    assert (pool.dns, pool.domain) == ((), "")


async def test_what_a_form_does_not_show_is_nobodys_quarrel(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await other(browser, users.add, NewUser(name="alice", password=PASSWORD))
    mine = form_of((await browser.get("/users/alice")).text, "/users/alice")
    await other(browser, users.change, "alice", UserChange(policy=AccessPolicy(domain="b.net")))
    await other(browser, users.change, "alice", UserChange(password=SecretStr("battery horse correct")))
    assert (await browser.post("/users/alice", data=mine | {"full_name": ["Alice"]})).status_code == 303
    async with browser.installation.snapshot() as work:
        user = await users.show(work, "alice")
    assert (user.full_name, user.policy.domain) == ("Alice", "b.net")


FORMS = {
    "/users/alice": (users.change, "alice", UserChange(full_name="B")),
    "/users/alice/policy": (users.change, "alice", UserChange(policy=AccessPolicy(domain="b.net"))),
    "/groups/staff": (groups.change, "staff", GroupChange(description="B")),
    "/profiles/default/change": (profiles.change, "default", ProfileChange(xauth_timeout_seconds=77)),
    "/pools/default/change": (pools.change, "default", PoolChange(domain="b.net")),
    "/setup/pool": (pools.change, "default", PoolChange.model_validate({"dns": ["10.0.0.53"]})),
    "/realms/corp": (realms.change, "corp", RealmChange(enabled=True)),
    "/realms/corp/servers/one": (radius_servers.change, "corp", "one", RadiusServerChange(enabled=False)),
    "/settings": (settings.define, "panel_notice", SettingDefinition(value="Hello")),
    "/administrators/carol": (administrators.change, "carol", AdministratorChange(role=Role.AUDITOR)),
    "/certificates/authorities/coati": (authorities.change, "coati", AuthorityChange(crl_url="http://b.net/crl")),
}


@pytest.mark.parametrize("path", FORMS)
async def test_every_form_notices(browser: httpx2.AsyncClient, path: str) -> None:
    await sign_in(browser)
    await other(browser, users.add, NewUser(name="alice", password=PASSWORD))
    await other(browser, groups.add, NewGroup(name="staff"))
    await other(browser, realms.add, NewRealm(name="corp", kind=RealmKind.RADIUS, enabled=False))
    server = NewRadiusServer(name="one", address="192.0.2.9", secret=SecretStr("a secret of theirs"))
    await other(browser, radius_servers.add, "corp", server)
    await other(browser, administrators.add, NewAdministrator(name="carol", role=Role.OPERATOR, password=PASSWORD))
    mine = form_of((await browser.get(path)).text, path)
    deed, *arguments = FORMS[path]
    await other(browser, deed, *arguments)
    stale = await browser.post(path, data=mine)
    assert (stale.status_code, "administrator bob changed this" in stale.text) == (422, True)
    again = form_of(stale.text, path)
    assert len(again["theirs"]) == 1
    assert (await browser.post(path, data=again)).status_code == 303
    fresh = form_of((await browser.get(path)).text, path)
    assert (await browser.post(path, data=fresh)).status_code == 303


async def test_a_save_that_concerns_who_is_connected_is_shown_first(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await a_session(browser)
    path = "/profiles/default/change"
    form = form_of((await browser.get(path)).text, path)
    sent = form | {"dpd_interval_seconds": ["11"], "pre_shared_key": ["a key that nobody sees"]}
    preview = await browser.post(path, data=sent)
    assert preview.status_code == 200
    for words in ("Save these changes?", "1 session", "alice", "dpd interval seconds", "<ins>11.0</ins>"):
        assert words in preview.text
    assert "clients with the old group key are refused" in preview.text
    assert "a key that nobody sees" not in preview.text
    assert "profile.change" not in (await browser.get("/audit")).text
    sealed = form_of(preview.text, path)
    back = await browser.post(path, data=sealed | {"deed": ["again"]})
    assert (back.status_code, form_of(back.text, path)["dpd_interval_seconds"]) == (200, ["11"])
    assert (await browser.post(path, data=sealed | {"deed": ["save"]})).status_code == 303
    async with browser.installation.snapshot() as work:
        profile = await profiles.show(work, "default")
    assert (profile.dpd_interval_seconds, profile.has_pre_shared_key) == (11, True)
    late = await browser.post(path, data=sealed | {"deed": ["save"]})
    assert (late.status_code, "changed this" in late.text) == (422, True)


async def test_a_save_that_concerns_nobody_is_done_at_once(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    path = "/profiles/default/change"
    form = form_of((await browser.get(path)).text, path)
    assert (await browser.post(path, data=form | {"dpd_interval_seconds": ["11"]})).status_code == 303


async def test_a_preview_that_is_not_ours_does_nothing(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await a_session(browser)
    path = "/profiles/default/change"
    form = form_of((await browser.get(path)).text, path)
    preview = await browser.post(path, data=form | {"dpd_interval_seconds": ["11"]})
    for sealed in ("rubbish", "AAAA", form_of(preview.text, path)["sealed"][0]):
        answer = await browser.post("/pools/default/change", data={"sealed": sealed, "deed": "save"})
        assert (answer.status_code, "this page is of another time" in answer.text) == (422, True)

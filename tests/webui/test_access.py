"""Who may come in and what they may do: policy at three levels, realms, second factors, lockouts, history."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pyotp
import pytest
from starlette.datastructures import FormData

from appliance import models
from appliance.groups import service as groups
from appliance.installation import Actor
from appliance.profiles import service as profiles
from appliance.profiles.schemas import ProfileChange
from appliance.realms import service as realms
from appliance.runtime_settings.schemas import RuntimeSettings
from tests.webui.signing_in import sign_in
from webui import access_policy
from webui.pages import settings

if TYPE_CHECKING:
    import httpx2


async def test_what_the_form_does_not_show_stays(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    async with browser.installation.transaction(Actor("a test")) as work:
        await profiles.change(work, "default", ProfileChange(realms=("local",), require_pfs=True))
    sent = {"position": "7", "shown": "enabled"}
    assert (await browser.post("/profiles/default/change", data=sent)).status_code == 303
    async with browser.installation.snapshot() as work:
        profile = await profiles.show(work, "default")
    assert (profile.position, profile.enabled, profile.require_pfs, profile.realms) == (7, False, True, ("local",))


async def test_policy_is_said_at_three_levels_and_shown_with_where_it_comes_from(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    everybody = {"idle_limit_seconds": "10 min", "dns": "10.0.0.53\n10.0.0.54", "save_password": "false"}
    assert (await browser.post("/policy", data=everybody)).status_code == 303
    assert "10.0.0.53, 10.0.0.54" in (await browser.get("/groups")).text
    staff = {"name": "staff", "description": "Who works here", "simultaneous_sessions": "2", "split_dns": "none"}
    assert (await browser.post("/groups", data={**staff, "access_hours": "sometimes"})).status_code == 422
    assert (await browser.post("/groups", data=staff)).status_code == 303
    assert ">\nnone</textarea>" in (await browser.get("/groups/staff")).text
    new = {"name": "alice", "password": "correct horse battery", "group": "staff"}
    assert (await browser.post("/users", data=new)).status_code == 303
    assert (await browser.post("/users/alice/policy", data={"idle_limit_seconds": "60"})).status_code == 303
    page = (await browser.get("/users/alice")).text
    for attribute, value, source in (
        ("Longest silence", "1 min", '<a href="/users/alice/policy">this user</a>'),
        ("Sessions at the same time", "2", '<a href="/groups/staff">group staff</a>'),
        ("DNS servers", "10.0.0.53, 10.0.0.54", '<a href="/policy">everybody</a>'),
        ("Traffic quota", "no limit", '<span class="quiet">profile and pool</span>'),
    ):
        row = f'>{attribute}</td><td data-label="Value">{value}</td><td data-label="From">{source}'
        assert row in page, attribute
    assert (await browser.post("/groups/staff/remove")).status_code == 409
    assert (await browser.post("/users/alice", data={"group": ""})).status_code == 303
    assert (await browser.post("/groups/staff/remove")).status_code == 303


async def test_the_policy_form_takes_units_and_shows_what_counts_where_it_is_left_open(
    browser: httpx2.AsyncClient,
) -> None:
    await sign_in(browser)
    staff = {"name": "staff", "session_limit_seconds": "8 h", "quota_octets": "1.5", "second_factor": "required"}
    refused = await browser.post("/groups", data=staff)
    assert (refused.status_code, "write it like this: 20 GB" in refused.text) == (422, True)
    assert 'value="8 h"' in refused.text
    assert (await browser.post("/groups", data={**staff, "quota_octets": "20GB"})).status_code == 303
    await browser.post("/policy", data={"idle_limit_seconds": "1 h 30 min"})
    await browser.post("/users", data={"name": "alice", "password": "correct horse battery", "group": "staff"})
    async with browser.installation.snapshot() as work:
        said = (await groups.show(work, "staff")).policy
    assert (said.session_limit_seconds, said.quota_octets) == (28_800, 20_000_000_000)
    group = (await browser.get("/groups/staff")).text
    for shown in ('value="8 h"', 'value="20 GB"', 'placeholder="for everybody: 1 h 30 min"'):
        assert shown in group
    alice = (await browser.get("/users/alice/policy")).text
    for shown in (
        'placeholder="by group staff: 8 h"',
        'placeholder="by group staff: 20 GB"',
        'placeholder="by profile default: no limit"',
        ">by group staff: from everybody</option>",
        "Longest session",
    ):
        assert shown in alice
    assert "by group staff" not in group


@pytest.mark.parametrize(
    ("number", "unit", "words"),
    [
        ("28800", "span", "8 h"),
        ("5400", "span", "1 h 30 min"),
        ("90061", "span", "1 d 1 h 1 min 1 s"),
        ("0", "span", "0"),
        ("20000000000", "octets", "20 GB"),
        ("1500", "octets", "1500 B"),
        ("never", "span", "never"),
    ],
)
def test_numbers_are_shown_in_units_exactly_and_read_back(number: str, unit: str, words: str) -> None:
    field = {"span": "session_limit_seconds", "octets": "quota_octets"}[unit]
    assert access_policy.in_units(number, unit) == words
    assert access_policy.in_numbers(FormData([(field, words)]))[field] == number


async def test_the_life_of_a_realm(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    assert (await browser.post("/realms/add/pam", data={"name": "unix", "service": "../x"})).status_code == 422
    new = {"name": "unix", "service": "vpn", "enabled": "true", "timeout_seconds": "5"}
    assert (await browser.post("/realms/add/pam", data=new)).status_code == 303
    assert 'value="vpn"' in (await browser.get("/realms/unix")).text
    assert (await browser.post("/realms/unix/up")).status_code == 303
    async with browser.installation.snapshot() as work:
        assert [realm.name for realm in (await realms.page(work)).items] == ["unix", "local"]
    tried = await browser.post("/realms/unix/test", data={"user": "", "password": ""})
    assert (tried.status_code, "only a gateway can try a realm" in tried.text) == (422, True)
    assert (await browser.post("/realms/unix", data={"service": "login", "shown": "enabled"})).status_code == 303
    assert "disabled" in (await browser.get("/realms/unix")).text
    assert (await browser.post("/realms/unix/remove", data={"typed": "unix"})).status_code == 303


async def test_a_second_factor_is_enrolled_confirmed_and_taken_away(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await browser.post("/users", data={"name": "alice", "password": "correct horse battery"})
    page = (await browser.post("/second-factors/local/alice")).text
    assert "<svg" in page
    seed = re.search(r"<code>([A-Z2-7]{32,})</code>", page)[1]
    assert (await browser.post("/second-factors/local/alice/confirm", data={"code": "000000"})).status_code == 422
    code = pyotp.TOTP(seed).now()
    assert "recovery codes" in (await browser.post("/second-factors/local/alice/confirm", data={"code": code})).text
    assert "enrolled" in (await browser.get("/users/alice")).text
    assert (await browser.post("/second-factors/local/alice/reset")).status_code == 303
    assert "None: a password is enough" in (await browser.get("/users/alice")).text


async def test_whoever_mistyped_too_often_is_forgiven(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    for _ in range(2):
        await browser.post("/sign-in", data={"name": "mallory", "password": "not this one"})
    page = (await browser.get("/lockouts?all=true")).text
    subject = re.search(r'name="subject" value="([^"]*mallory[^"]*)"', page)[1]
    assert (await browser.post("/lockouts/lift", data={"subject": html.unescape(subject)})).status_code == 303
    assert f'value="{subject}"' not in (await browser.get("/lockouts?all=true")).text


async def test_history_tells_of_logins_and_failures(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    async with browser.installation.transaction(Actor("a test")) as work:
        seen = {"node": "gw", "peer_address": "198.51.100.7", "peer_port": 4500, "realm": "local", "profile": "default"}
        work.session.add(models.Event(kind=models.EventKind.LOGIN, user="alice", **seen))
        work.session.add(models.Event(kind=models.EventKind.FAILURE, user="mallory", reason="wrong password", **seen))
    assert "wrong password" in (await browser.get("/history")).text
    assert "mallory" not in (await browser.get("/history?kind=login")).text


async def test_the_life_of_a_radius_server(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    assert (await browser.post("/realms/add/radius", data={"name": "corp", "shown": "enabled"})).status_code == 303
    assert "No server yet" in (await browser.get("/realms/corp")).text
    new = {"name": "first", "address": "192.0.2.18", "secret": "short", "shown": ["enabled", "accounting"]}
    refused = await browser.post("/realms/corp/servers", data=new)
    assert (refused.status_code, "8 to 128 octets" in refused.text, "short" in refused.text) == (422, True, False)
    new["secret"] = "a secret of the two of us"
    assert (await browser.post("/realms/corp/servers", data={**new, "enabled": "true"})).status_code == 303
    assert "192.0.2.18:1812" in (await browser.get("/realms/corp")).text
    changed = {"address": "192.0.2.19", "secret": "", "timeout_seconds": "2.5"}
    assert (await browser.post("/realms/corp/servers/first", data=changed)).status_code == 303
    page = (await browser.get("/realms/corp/servers/first")).text
    assert 'value="2.5"' in page
    assert "of the two of us" not in page
    assert (await browser.post("/realms/corp/servers/first/remove")).status_code == 303


async def test_the_first_steps_are_told_by_what_there_is(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    assert "Set up: 2 of 5 done" in (await browser.get("/")).text
    assert (await browser.get("/setup")).headers["location"] == "/setup/password"
    for step in ("password", "name", "pool", "user", "connect"):
        assert (await browser.get(f"/setup/{step}")).status_code == 200
    assert (await browser.get("/setup/nothing")).status_code == 404
    pool = {"networks": "10.55.0.0/29", "reachable": "10.0.0.0/8", "dns": "", "shown": "masquerade"}
    assert (await browser.post("/setup/pool", data=pool)).headers["location"] == "/setup/user"
    assert (await browser.post("/setup/user", data={"name": "alice", "password": "alice"})).status_code == 422
    user = {"name": "alice", "password": "correct horse battery"}
    assert (await browser.post("/setup/user", data=user)).headers["location"] == "/setup/connect"
    assert "Set up: 3 of 5 done" in (await browser.get("/")).text
    assert "10.55.0.0/29" in (await browser.get("/pools/default")).text


async def test_roles_decide_what_is_shown_and_what_is_done(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    password = {"password": "correct horse battery"}
    weak = {"name": "eve", "role": "auditor", "password": "eve"}
    assert (await browser.post("/administrators", data=weak)).status_code == 422
    for name, role in (("eve", "auditor"), ("olaf", "operator")):
        assert (await browser.post("/administrators", data={"name": name, "role": role, **password})).status_code == 303
    assert (await browser.post("/administrators/admin", data={"role": "auditor"})).status_code == 422
    new = {"name": "alice", "password": "correct horse battery"}
    for name, may_add, may_rule in (("eve", False, False), ("olaf", True, False)):
        await browser.post("/sign-in", data={"name": name, **password})
        assert ('href="/users/add"' in (await browser.get("/users")).text) == may_add
        assert ('action="/tokens"' in (await browser.get("/tokens")).text) == may_rule
        assert (await browser.post("/users", data=new)).status_code == (303 if may_add else 403)
        assert (await browser.post("/tokens", data={"name": "ci", "scopes": "read"})).status_code == 403
        assert (await browser.post("/settings", data={"panel_notice": "x"})).status_code == 403


def test_every_setting_has_an_administrators_words() -> None:
    assert set(settings.LABELS) == set(RuntimeSettings.model_fields)


async def test_settings_are_changed_while_it_runs(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    sent = {"panel_idle_minutes": "2", "audit_days": "", "panel_notice": "Staff only"}
    assert (await browser.post("/settings", data=sent)).status_code == 422
    assert (await browser.post("/settings", data={**sent, "panel_idle_minutes": "30"})).status_code == 303
    page = (await browser.get("/settings")).text
    assert 'value="30"' in page
    assert "Staff only" in page

"""The portal and the one-time links, as a browser without scripts sees them."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import httpx2
import pyotp
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from appliance.client_profiles import links
from appliance.client_profiles.schemas import NewLink
from appliance.client_profiles.target import ClientFormat
from appliance.installation import Actor, Installation
from appliance.lockouts import service as lockouts
from appliance.lockouts.schemas import Lifting
from appliance.models import AuditEntry, Command, SecondFactor, Session, Throttle
from appliance.models.columns import now
from appliance.policy import service as policy
from appliance.policy.attributes import AccessPolicy
from appliance.policy.attributes import SecondFactor as Demand
from appliance.portal import signing_in
from appliance.runtime_settings import service as runtime_settings
from appliance.runtime_settings.schemas import SettingDefinition
from appliance.second_factors.service import SEED
from appliance.settings import Settings
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange
from tests.appliance.guessing import hold_the_clock
from webui import panel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.begun import Begun

PASSWORD = "correct horse battery"
TEST = Actor("a test")


@pytest.fixture
async def installation(begun: Begun) -> AsyncIterator[Installation]:
    async with Installation.open(begun.settings) as opened:
        async with opened.transaction(TEST) as work:
            for name in ("alice", "bob"):
                await users.add(work, NewUser(name=name, password=SecretStr(PASSWORD)))
        yield opened


@pytest.fixture
async def browser(installation: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=panel.create(installation))
    async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
        client.headers["Sec-Fetch-Site"] = "same-origin"
        yield client


async def sign_in(browser: httpx2.AsyncClient, password: str = PASSWORD) -> httpx2.Response:
    return await browser.post("/portal/sign-in", data={"login": "Alice", "password": password})


def sane(answer: httpx2.Response) -> str:
    """No script within it, no inline style, nothing from elsewhere."""
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]* src=)", answer.text)
    assert not re.search(r"\sstyle=|<style|https?://(?!www\.w3\.org)", re.sub(r"<code>.*?</code>", "", answer.text))
    return html.unescape(answer.text)


async def test_nobody_sees_anything_without_signing_in(browser: httpx2.AsyncClient) -> None:
    for path in ("/portal", "/portal/password", "/portal/second-factor", "/portal/set-up/default", "/portal/code"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/portal/sign-in")
    assert "Your VPN" in sane(await browser.get("/portal/sign-in"))


async def test_a_users_cookie_is_no_administrators_and_the_other_way_round(browser: httpx2.AsyncClient) -> None:
    coming = await sign_in(browser)
    assert (coming.status_code, coming.headers["location"]) == (303, "/portal")
    cookie = coming.headers["set-cookie"].lower()
    for word in ("__host-coati-portal=", "secure", "httponly", "samesite=strict", "path=/"):
        assert word in cookie
    assert (await browser.get("/users")).headers["location"].startswith("/sign-in")
    browser.cookies.set("__Host-coati", browser.cookies["__Host-coati-portal"])
    assert (await browser.get("/users")).headers["location"].startswith("/sign-in")


async def test_what_a_user_finds(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    shown = sane(await browser.get("/portal"))
    for words in ("You are not connected", "strongSwan", "vpnc", "By hand", "Second factor"):
        assert words in shown
    assert "vpn.example.net" in sane(await browser.get("/portal/set-up/default"))
    sane(await browser.get("/portal/password"))
    await browser.post("/portal/sign-out")
    assert (await browser.get("/portal")).status_code == 303


async def test_guessing_is_slowed_down_by_the_same_lockouts(
    browser: httpx2.AsyncClient, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_the_clock(monkeypatch, signing_in)
    for _ in range(12):
        answer = await sign_in(browser, "not this one")
        assert "not this one" not in answer.text
        if answer.status_code == 429:
            break
        assert answer.status_code == 401
        assert 'value="Alice"' in answer.text
    assert answer.status_code == 429
    assert (await sign_in(browser)).status_code == 429  # the right one has to wait as well
    async with installation.snapshot() as work:
        subjects = [row.subject for row in await work.session.scalars(select(Throttle))]
    assert any("alice" in subject for subject in subjects)


async def test_a_disabled_user_is_out_at_once(browser: httpx2.AsyncClient, installation: Installation) -> None:
    await sign_in(browser)
    async with installation.transaction(TEST) as work:
        await users.change(work, "alice", UserChange(enabled=False))
    assert (await browser.get("/portal")).headers["location"] == "/portal/sign-in"
    assert (await sign_in(browser)).status_code == 401


async def test_changing_the_password(browser: httpx2.AsyncClient, installation: Installation) -> None:
    await sign_in(browser)
    elsewhere = dict(browser.cookies)
    await sign_in(browser)
    for present, new, words in (
        ("wrong", "another battery staple", "not the present password"),
        (PASSWORD, "short", "too weak"),
        (PASSWORD, PASSWORD, "is the present password"),
    ):
        answer = await browser.post("/portal/password", data={"present": present, "new": new})
        assert answer.status_code == 422
        assert words in sane(answer)
    answer = await browser.post("/portal/password", data={"present": PASSWORD, "new": "another battery staple"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal")
    assert (await browser.get("/portal")).status_code == 200
    browser.cookies.clear()
    browser.cookies.update(elsewhere)
    assert (await browser.get("/portal")).status_code == 303  # signed out everywhere else
    assert (await sign_in(browser)).status_code == 401
    assert (await sign_in(browser, "another battery staple")).status_code == 303
    async with installation.snapshot() as work:
        entry = await work.session.scalar(select(AuditEntry).where(AuditEntry.deed == "user.password"))
    assert entry is not None
    assert entry.who == "user alice on the portal"


async def test_a_second_factor_is_enrolled_and_asked_for_from_then_on(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    enrolled = sane(await browser.post("/portal/second-factor"))
    assert "<svg" in enrolled
    seed = re.search(r"<code>([A-Z2-7]{16,})</code>", enrolled)[1]
    wrong = await browser.post("/portal/second-factor/confirm", data={"code": "000000"})
    assert wrong.status_code == 422
    codes = sane(await browser.post("/portal/second-factor/confirm", data={"code": pyotp.TOTP(seed).now()}))
    recovery = re.findall(r"<li><code>(.+?)</code></li>", codes)
    assert len(recovery) >= 8
    await browser.post("/portal/sign-out")

    await sign_in(browser)
    assert (await browser.get("/portal")).headers["location"] == "/portal/code"
    assert (await browser.post("/portal/second-factor")).headers["location"] == "/portal/code"
    sane(await browser.get("/portal/code"))
    assert (await browser.post("/portal/code", data={"code": "000000"})).status_code == 422
    assert (await browser.post("/portal/code", data={"code": recovery[0]})).headers["location"] == "/portal"
    assert (await browser.get("/portal")).status_code == 200


def seed_in(shown: str) -> str:
    found = re.search(r"<code>([A-Z2-7]{16,})</code>", shown)
    assert found is not None
    return found[1]


def recovery_in(shown: str) -> list[str]:
    return re.findall(r"<li><code>(.+?)</code></li>", shown)


async def test_what_would_lead_round_the_second_factor_takes_a_code(
    browser: httpx2.AsyncClient, installation: Installation
) -> None:
    await sign_in(browser)
    seed = seed_in(sane(await browser.post("/portal/second-factor")))
    given = await browser.post("/portal/second-factor/confirm", data={"code": pyotp.TOTP(seed).now()})
    codes = recovery_in(sane(given))
    for path in ("recovery-codes", "another"):
        assert (await browser.post(f"/portal/second-factor/{path}")).status_code == 422
        refused = await browser.post(f"/portal/second-factor/{path}", data={"code": "nonsense"})
        assert refused.status_code == 422
        assert "not the code of now" in sane(refused)
    renewed = recovery_in(sane(await browser.post("/portal/second-factor/recovery-codes", data={"code": codes[0]})))
    assert len(renewed) == 10
    for _ in range(3):
        assert (await browser.post("/portal/second-factor/another", data={"code": codes[1]})).status_code == 422
    refused = await browser.post("/portal/second-factor/another", data={"code": renewed[0]})
    assert refused.status_code == 429, "guessing counts as at a login"
    async with installation.transaction(TEST) as work:
        await lockouts.lift(work, Lifting(all=True))
    another = seed_in(sane(await browser.post("/portal/second-factor/another", data={"code": renewed[0]})))
    async with installation.snapshot() as work:
        (row,) = await work.session.scalars(select(SecondFactor))
        assert installation.master_key.open(row.seed, SEED) == seed.encode(), "counts until the other one is confirmed"
    assert (await browser.post("/portal/second-factor/confirm", data={"code": "000000"})).status_code == 422
    moved = await browser.post("/portal/second-factor/confirm", data={"code": pyotp.TOTP(another).now()})
    assert set(recovery_in(sane(moved))).isdisjoint(renewed)
    async with installation.snapshot() as work:
        (row,) = await work.session.scalars(select(SecondFactor))
        assert installation.master_key.open(row.seed, SEED) == another.encode()
    assert (await browser.post("/portal/second-factor/confirm", data={"code": "000000"})).status_code == 409


async def test_who_must_have_a_second_factor_is_told_so(
    browser: httpx2.AsyncClient, installation: Installation
) -> None:
    words = "only with a second factor"
    await sign_in(browser)
    assert words not in sane(await browser.get("/portal"))
    async with installation.transaction(TEST) as work:
        await policy.change_base(work, AccessPolicy(second_factor=Demand.REQUIRED))
    assert words in sane(await browser.get("/portal"))
    async with installation.transaction(TEST) as work:
        await users.change(work, "alice", UserChange(policy=AccessPolicy(second_factor=Demand.OFF)))
    assert words not in sane(await browser.get("/portal"))


async def test_a_user_gets_files_for_the_own_clients_only(
    browser: httpx2.AsyncClient, installation: Installation
) -> None:
    await sign_in(browser)
    given = await browser.post("/portal/file", data={"profile": "default", "format": "mobileconfig"})
    assert given.status_code == 200
    assert given.headers["content-type"] == "application/x-apple-aspen-config"
    assert 'filename="default.mobileconfig"' in given.headers["content-disposition"]
    async with installation.snapshot() as work:
        entry = await work.session.scalar(select(AuditEntry).where(AuditEntry.deed == "client-profile.export"))
    assert entry is not None
    assert (entry.who, entry.target) == ("user alice on the portal", "alice")


async def test_own_sessions_are_seen_and_ended_and_no_others(
    browser: httpx2.AsyncClient, installation: Installation
) -> None:
    numbers = {}
    async with installation.transaction(TEST) as work:
        for name in ("alice", "bob"):
            row = Session(
                node="here",
                peer_id=len(numbers) + 1,
                user=name,
                realm="local",
                profile="default",
                pool="default",
                authentication="hybrid-rsa",
                mode="main",
                identity=name,
                behind_nat=False,
                client_software=f"client of {name}",
                peer_address="198.51.100.7",
                peer_port=4500,
                local_address="192.0.2.1",
                virtual_ip="10.99.0.1",
                liveness="alive",
                started_at=now(),
                last_heard_at=now(),
            )
            work.session.add(row)
            await work.session.flush()
            numbers[name] = row.id
    await sign_in(browser)
    shown = sane(await browser.get("/portal"))
    assert "client of alice" in shown
    assert "client of bob" not in shown
    assert (await browser.post(f"/portal/sessions/{numbers['bob']}/disconnect")).status_code == 404
    assert (await browser.post(f"/portal/sessions/{numbers['alice']}/disconnect")).status_code == 303
    async with installation.snapshot() as work:
        (command,) = await work.session.scalars(select(Command))
    assert (command.session_id, command.created_by) == (numbers["alice"], "user alice on the portal")


async def test_another_site_changes_nothing(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    foreign = {"Sec-Fetch-Site": "cross-site"}
    data = {"present": PASSWORD, "new": "another battery staple"}
    assert (await browser.post("/portal/password", data=data, headers=foreign)).status_code == 403


async def test_the_portal_can_be_switched_off(tmp_path: Path) -> None:
    async with Installation.open(Settings(data_dir=tmp_path / "data", portal=False)) as opened:
        transport = httpx2.ASGITransport(app=panel.create(opened))
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
            for path in ("/portal", "/portal/sign-in"):
                answer = await client.get(path)
                assert answer.status_code == 404
                assert "switched off" in answer.text


async def test_a_one_time_link_is_a_page_with_a_button(browser: httpx2.AsyncClient, installation: Installation) -> None:
    async with installation.transaction(TEST) as work:
        new = NewLink(user="alice", profile="default", format=ClientFormat.MOBILECONFIG)
        made = await links.make(work, new)
    assert "default" in sane(await browser.get(made.path))
    assert (await browser.get(made.path)).status_code == 200
    given = await browser.post(made.path)
    assert given.headers["content-type"] == "application/x-apple-aspen-config"
    assert (await browser.get(made.path)).status_code == 404
    assert "has been used" in html.unescape((await browser.post(made.path)).text)


async def test_the_switch_is_a_setting_that_counts_more_than_how_it_was_started(
    browser: httpx2.AsyncClient, installation: Installation
) -> None:
    for value, status in ((False, 404), (True, 200), (None, 200)):
        async with installation.transaction(TEST) as work:
            await runtime_settings.define(work, "portal", SettingDefinition(value=value))
        assert (await browser.get("/portal/sign-in")).status_code == status

"""The panel as a browser without scripts sees it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, get_args

import httpx2
import pytest
from sqlalchemy import select

from appliance import first_start, models
from appliance.installation import Actor, Installation
from appliance.models.columns import now
from appliance.settings import Settings
from webui import panel
from webui.security import SignedIn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OURS = {"Sec-Fetch-Site": "same-origin"}
PAGES = ("/", "/sessions", "/sessions?which=all", "/users", "/refusals", "/configuration", "/audit", "/connect")


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with Installation.open(Settings(data_dir=tmp_path / "data", public_name="vpn.example.net")) as installation:
        prepared = await first_start.ensure(installation)
        transport = httpx2.ASGITransport(app=panel.create(installation))
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
            client.headers.update(OURS)
            client.installation = installation
            client.first_password = prepared.administrator_password.get_secret_value()
            yield client


async def sign_in(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/sign-in", data={"name": "admin", "password": browser.first_password})
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"]
    for word in ("__Host-coati=", "Secure", "HttpOnly", "SameSite=strict", "Path=/"):
        assert word.lower() in cookie.lower()
    assert "max-age" not in cookie.lower()


@pytest.mark.parametrize("path", PAGES)
async def test_nobody_sees_a_page_without_signing_in(browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


async def test_a_wrong_password_keeps_the_name_that_was_typed(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/sign-in", data={"name": "admin", "password": "not this one"})
    assert answer.status_code == 401
    assert 'value="admin"' in answer.text
    assert "not this one" not in answer.text


@pytest.mark.parametrize("path", PAGES)
async def test_pages(browser: httpx2.AsyncClient, path: str) -> None:
    await sign_in(browser)
    answer = await browser.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_the_panel_says_what_is_off_and_how_to_connect(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    assert "coati serve" in (await browser.get("/")).text
    assert "remote_addrs = vpn.example.net" in (await browser.get("/connect")).text
    assert (await browser.get("/ca.pem")).text.startswith("-----BEGIN CERTIFICATE")


async def test_the_life_of_a_user(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    new = {"name": "alice", "full_name": "Alice <A>", "password": "correct horse battery"}
    assert (await browser.post("/users", data=new)).status_code == 303
    assert "Alice &lt;A&gt;" in (await browser.get("/users")).text
    assert (await browser.post("/users/alice/enabled", data={"enabled": "false"})).status_code == 303
    assert "disabled" in (await browser.get("/users")).text
    assert (await browser.post("/users/alice/remove")).status_code == 303
    assert "Alice" not in (await browser.get("/users")).text


def test_every_page_but_these_needs_a_sign_in() -> None:
    needed = get_args(SignedIn)[1].dependency
    free = {
        route.path
        for route in panel.router.routes
        if needed not in [dependency.call for dependency in route.dependant.dependencies]
    }
    assert free == {"/sign-in", "/ca.pem"}


async def test_a_session_shows_its_liveness_and_is_ended_by_its_button(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    async with browser.installation.transaction(Actor("a test")) as work:
        live = models.Session(
            node="here",
            peer_id=1,
            user="alice",
            profile="default",
            authentication="hybrid-rsa",
            mode="main",
            peer_address="198.51.100.7",
            peer_port=4500,
            virtual_ip="10.99.0.1",
            client_software="strongSwan <5.9>",
            liveness="probing",
            dpd_probe=2,
            dpd_probes=5,
            last_heard_at=now() - timedelta(minutes=2, seconds=5),
        )
        work.session.add(live)
        await work.session.flush()
        number = live.id
    page = (await browser.get("/sessions")).text
    for shown in ("probing 2/5", "2 min ago", "198.51.100.7:4500", "10.99.0.1", "strongSwan &lt;5.9&gt;"):
        assert shown in page
    assert (await browser.post(f"/sessions/{number}/disconnect")).status_code == 303
    async with browser.installation.snapshot() as work:
        order = (await work.session.scalars(select(models.Command))).one()
    assert (order.session_id, order.verb, order.created_by) == (number, models.Verb.DISCONNECT, "administrator admin")
    missing = await browser.post("/sessions/4711/disconnect")
    assert missing.status_code == 404
    assert "there is no session 4711" in missing.text


async def test_a_refusal_says_what_was_offered_and_what_would_help(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    async with browser.installation.transaction(Actor("a test")) as work:
        work.session.add(
            models.Refusal(
                node="here",
                peer_address="198.51.100.7",
                peer_port=500,
                stage="phase 1 proposal",
                reason="no proposal is acceptable",
                remedy="allow 3des-sha1-modp1024 in the profile",
                identity="<script>alert(1)</script>",
                offered=("3des-sha1-modp1024",),
                accepted=("aes256-sha256-modp2048",),
            )
        )
    assert "no proposal is acceptable" in (await browser.get("/")).text
    page = (await browser.get("/refusals/1")).text
    for shown in ("3des-sha1-modp1024", "aes256-sha256-modp2048", "allow 3des", "&lt;script&gt;"):
        assert shown in page


async def test_a_change_shows_before_and_after(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await browser.post("/users", data={"name": "alice", "password": "correct horse battery"})
    await browser.post("/users/alice/enabled", data={"enabled": "false"})
    page = (await browser.get("/audit")).text
    assert "<dt>enabled</dt><dd><del>yes</del> <ins>no</ins></dd>" in page
    assert "correct horse" not in page


async def test_a_name_that_cannot_be_one_is_marked_in_words(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    answer = await browser.post("/users", data={"name": "a b", "password": "correct horse battery"})
    assert answer.status_code == 422
    assert "name: a login name must not contain" in answer.text
    assert 'value="a b"' in answer.text


async def test_a_weak_password_is_refused_and_the_rest_of_the_form_stays(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    answer = await browser.post("/users", data={"name": "alice", "full_name": "Alice A", "password": "alice"})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert 'value="Alice A"' in answer.text


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.test"}, {}]
)
async def test_what_another_site_sends_changes_nothing(browser: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    await sign_in(browser)
    del browser.headers["Sec-Fetch-Site"]
    data = {"name": "mallory", "password": "correct horse battery"}
    assert (await browser.post("/users", data=data, headers=headers)).status_code == 403
    assert "mallory" not in (await browser.get("/users")).text


async def test_signing_out_ends_it(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    cookie = browser.cookies["__Host-coati"]
    await browser.post("/sign-out")
    answer = await browser.get("/", headers={"Cookie": f"__Host-coati={cookie}"})
    assert answer.status_code == 303

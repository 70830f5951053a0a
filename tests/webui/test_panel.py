"""The panel as a browser without scripts sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

from appliance import first_start
from appliance.installation import Installation
from appliance.settings import Settings
from webui import panel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OURS = {"Sec-Fetch-Site": "same-origin"}
PAGES = ("/", "/sessions", "/sessions?which=all", "/users", "/refusals", "/configuration", "/audit")


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with Installation.open(Settings(data_dir=tmp_path / "data", public_name="vpn.example.net")) as installation:
        prepared = await first_start.ensure(installation)
        transport = httpx2.ASGITransport(app=panel.create(installation))
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
            client.headers.update(OURS)
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


async def test_the_overview_says_how_to_connect_and_what_is_off(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    page = (await browser.get("/")).text
    assert "remote_addrs = vpn.example.net" in page
    assert "coati serve" in page
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

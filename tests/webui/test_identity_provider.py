"""Signing in by OpenID Connect, with a small provider of our own: who gets in, with which role, and who does not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from pydantic import SecretStr

from appliance.administrators import identity_provider
from appliance.administrators import service as administrators
from appliance.administrators.schemas import NewAdministrator
from appliance.installation import Actor, Installation
from appliance.models import Role
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SettingDefinition
from appliance.settings import Settings
from tests.identity_provider import SECRET, Provider
from webui import panel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ISSUER = "https://id.example"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    made = Provider()
    transport = httpx2.ASGITransport(app=made.app)
    monkeypatch.setattr(identity_provider, "http_client", lambda: httpx2.AsyncClient(transport=transport))
    return made


@pytest.fixture
async def browser(data_dir: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with Installation.open(Settings(data_dir=data_dir)) as installation:
        wanted = {
            "oidc_issuer": ISSUER,
            "oidc_client_id": "coati",
            "oidc_client_secret": SECRET,
            "oidc_roles": {"ops": "operator", "bosses": "owner"},
        }
        for name, value in wanted.items():
            async with installation.transaction(Actor("a test")) as work:
                shown = await settings.define(work, name, SettingDefinition(value=value))
                assert SECRET not in shown.model_dump_json()
        transport = httpx2.ASGITransport(app=panel.create(installation))
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
            client.headers.update({"Sec-Fetch-Site": "same-origin"})
            client.installation = installation
            yield client


async def sign_in(browser: httpx2.AsyncClient, provider: Provider, **answer: str) -> httpx2.Response:
    assert ISSUER in (await browser.get("/sign-in")).text
    sent = await browser.get("/sign-in/oidc?next=/users")
    assert sent.status_code == 303, sent.text
    where = urlsplit(sent.headers["location"])
    provider.asked = {name: values[0] for name, values in parse_qs(where.query).items()}
    assert provider.asked["redirect_uri"] == "https://coati.test/sign-in/oidc/back"
    return await browser.get(
        "/sign-in/oidc/back", params={"state": provider.asked["state"], "code": "the code"} | answer
    )


async def role(browser: httpx2.AsyncClient, name: str) -> Role:
    async with browser.installation.snapshot() as work:
        return (await administrators.show(work, name)).role


async def test_groups_are_roles_and_are_looked_at_every_time(browser: httpx2.AsyncClient, provider: Provider) -> None:
    answer = await sign_in(browser, provider)
    assert (answer.status_code, 'content="0;url=/users"' in answer.text) == (200, True), answer.text
    assert (await browser.get("/users")).status_code == 200
    assert await role(browser, "olivia") is Role.OPERATOR
    assert "prompt" not in provider.asked
    provider.claims["groups"] = ["bosses", "ops"]
    await sign_in(browser, provider)
    assert provider.asked["prompt"] == "login"  # who is signed in already wants to show anew who is there
    assert await role(browser, "olivia") is Role.OWNER
    assert (await browser.post("/sign-in", data={"name": "olivia", "password": ""})).status_code in (401, 422)


async def test_what_the_provider_knows_from_long_ago_proves_nothing_now(
    browser: httpx2.AsyncClient, provider: Provider
) -> None:
    provider.claims |= {"groups": ["bosses"], "auth_time": int(time.time()) - 3600}
    await sign_in(browser, provider)
    assert int(provider.asked["max_age"]) > 0
    assert (await browser.get("/users")).status_code == 200
    asked = await browser.get("/administrators/add")
    assert asked.headers["location"] == "/account/proof?next=/administrators/add"
    # Whoever sits there leaves out the words that have the provider ask: it says itself that it did not.
    await sign_in(browser, provider)
    assert provider.asked["max_age"] == "0"
    assert (await browser.get("/administrators/add")).status_code == 303
    provider.claims["auth_time"] = int(time.time())
    await sign_in(browser, provider)
    assert (await browser.get("/administrators/add")).status_code == 200


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"groups": ["guests"]}, "no role here"),
        ({"aud": "another"}, "not to be believed"),
        ({"iss": "https://evil.example"}, "not to be believed"),
        ({"nonce": "of another sign-in"}, "not to be believed"),
        ({"exp": 1}, "not to be believed"),
    ],
)
async def test_whom_the_provider_does_not_vouch_for_stays_out(
    browser: httpx2.AsyncClient, provider: Provider, claims: dict[str, Any], words: str
) -> None:
    provider.claims |= claims
    answer = await sign_in(browser, provider)
    assert (answer.status_code, words in answer.text) == (401, True), answer.text
    assert (await browser.get("/users")).status_code == 303


async def test_an_answer_is_for_the_browser_that_asked(browser: httpx2.AsyncClient, provider: Provider) -> None:
    assert (await sign_in(browser, provider, state="guessed")).status_code == 401
    assert (await sign_in(browser, provider)).status_code == 200
    assert "begun elsewhere" in (await browser.get("/sign-in/oidc/back?state=x&code=y")).text
    assert "access_denied" in (await sign_in(browser, provider, error="access_denied")).text


async def test_a_name_of_ours_is_not_taken_over(browser: httpx2.AsyncClient, provider: Provider) -> None:
    async with browser.installation.transaction(Actor("a test")) as work:
        password = SecretStr("correct horse battery")
        await administrators.add(work, NewAdministrator(name="olivia", role=Role.OWNER, password=password))
    answer = await sign_in(browser, provider)
    assert (answer.status_code, "of ours already" in answer.text) == (401, True)

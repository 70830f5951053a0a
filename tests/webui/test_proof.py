"""What gives trust away is asked of who showed lately who is there: by password, by code, or by signing in anew."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx2
import pyotp
import pytest
from pydantic import SecretStr
from sqlalchemy import update

from appliance.administrators import codes
from appliance.administrators import service as administrators
from appliance.administrators.schemas import NewAdministrator
from appliance.configuration import service as configuration
from appliance.configuration.schemas import VersionFilter
from appliance.errors import InUse
from appliance.installation import Actor, Installation
from appliance.models import Administrator, Passkey, Role, SignIn
from appliance.models.columns import now
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SettingDefinition
from appliance.settings import Settings
from appliance.tokens import service as tokens
from webui import panel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PASSWORD = "correct horse battery"
TEST = Actor("a test")


@pytest.fixture
async def installation(data_dir: Path) -> AsyncIterator[Installation]:
    async with Installation.open(Settings(data_dir=data_dir)) as opened:
        async with opened.transaction(TEST) as work:
            new = NewAdministrator(name="olga", role=Role.OWNER, password=SecretStr(PASSWORD))
            await administrators.add(work, new)
        yield opened


@pytest.fixture
async def browser(installation: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=panel.create(installation))
    async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
        client.headers["Sec-Fetch-Site"] = "same-origin"
        await client.post("/sign-in", data={"name": "olga", "password": PASSWORD})
        yield client


async def later(installation: Installation, minutes: int) -> None:
    async with installation.transaction(TEST) as work:
        await work.session.execute(update(SignIn).values(proven_at=now() - timedelta(minutes=minutes)))


async def make_token(browser: httpx2.AsyncClient) -> httpx2.Response:
    return await browser.post("/tokens", data={"name": "mine", "scopes": "own", "days": "1"})


async def count_tokens(installation: Installation) -> int:
    async with installation.snapshot() as work:
        return (await tokens.page(work)).total


async def test_who_has_just_signed_in_is_not_asked(browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/administrators/add")).status_code == 200
    assert (await make_token(browser)).status_code == 200


async def test_a_cookie_of_long_ago_makes_no_token_before_the_password_was_shown(
    browser: httpx2.AsyncClient, installation: Installation
) -> None:
    await later(installation, 60)
    assert (await browser.get("/tokens")).status_code == 200  # looking is not asked about
    assert 'action="/tokens"' not in (await browser.get("/tokens")).text
    answer = await make_token(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/proof?next=/tokens")
    assert await count_tokens(installation) == 0
    script = await browser.post("/tokens", headers={"hx-request": "true"})
    assert script.headers["hx-redirect"] == "/account/proof?next=/tokens"

    assert "Your password" in (await browser.get("/account/proof?next=/tokens")).text
    wrong = await browser.post("/account/proof", data={"proof": "a guess", "next": "/tokens"})
    assert (wrong.status_code, "wrong name or password" in wrong.text) == (422, True)
    assert (await make_token(browser)).status_code == 303
    right = await browser.post("/account/proof", data={"proof": PASSWORD, "next": "/tokens"})
    assert (right.status_code, right.headers["location"]) == (303, "/tokens")
    assert 'action="/tokens"' in (await browser.get("/tokens")).text
    assert (await make_token(browser)).status_code == 200
    assert await count_tokens(installation) == 1


async def test_what_the_pages_of_owners_ask_for_is_asked_for_to_go_back_as_well(
    browser: httpx2.AsyncClient, installation: Installation
) -> None:
    async with installation.transaction(TEST) as work:
        await settings.define(work, "panel_notice", SettingDefinition(value="a slip"))
        number = (await configuration.page(work, VersionFilter(noun="setting"))).items[0].number
    back = f"/configuration/{number}/rollback"
    await later(installation, 60)
    assert back not in (await browser.get(f"/configuration/{number}")).text
    answer = await browser.post(back, data={"to": "before", "confirmed": "yes"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/account/proof?next=/configuration/{number}")
    await browser.post("/account/proof", data={"proof": PASSWORD})
    assert back in (await browser.get(f"/configuration/{number}")).text
    await browser.post(back, data={"to": "before", "confirmed": "yes"})
    async with installation.snapshot() as work:
        assert (await settings.show(work, "panel_notice")).value == ""


async def test_a_form_that_was_opened_in_time_may_be_filled_in(
    browser: httpx2.AsyncClient, installation: Installation
) -> None:
    await later(installation, 40)
    assert (await browser.get("/administrators/add")).status_code == 303
    new = {"name": "otto", "role": "operator", "password": PASSWORD}
    assert (await browser.post("/administrators", data=new)).headers["location"] == "/administrators"


async def test_where_codes_are_on_the_password_is_not_enough(
    browser: httpx2.AsyncClient, installation: Installation
) -> None:
    async with installation.transaction(TEST) as work:
        seed = (await codes.enrol(work, "olga")).seed
        recovery = (await codes.confirm(work, "olga", pyotp.TOTP(seed).now())).recovery_codes
    await later(installation, 60)
    assert "Code that your app shows" in (await browser.get("/account/proof")).text
    assert (await browser.post("/account/proof", data={"proof": PASSWORD})).status_code == 422
    assert (await browser.post("/account/proof", data={"proof": recovery[0]})).status_code == 303
    assert (await browser.get("/administrators/add")).status_code == 200
    await later(installation, 60)
    assert (await browser.post("/account/proof", data={"proof": recovery[0]})).status_code == 422  # each counts once


async def test_guessing_is_slowed_down(browser: httpx2.AsyncClient, installation: Installation) -> None:
    await later(installation, 60)
    said = [(await browser.post("/account/proof", data={"proof": "a guess"})).text for _ in range(7)]
    assert "too many failed attempts" in said[-1]


async def test_who_has_neither_signs_in_anew_and_keeps_the_last_way_in(
    browser: httpx2.AsyncClient, installation: Installation
) -> None:
    async with installation.transaction(TEST) as work:
        await work.session.execute(update(Administrator).values(password_hash=None))
        olga = await administrators.find(work, "olga")
        work.session.add(Passkey(administrator_id=olga.id, name="telephone", credential=b"one", public_key=b"key"))
    page = await browser.get("/account/proof?next=/tokens")
    assert "/sign-in?next=/tokens" in page.text
    assert 'name="proof"' not in page.text
    assert (await browser.post("/account/proof", data={"proof": ""})).status_code == 422
    refused = await browser.post("/account/passkeys/1/remove")
    assert (refused.status_code, "no other way in" in refused.text) == (InUse.status, True)


async def test_nobody_is_sent_elsewhere_by_the_page(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/account/proof", data={"proof": PASSWORD, "next": "https://evil.example/"})
    assert answer.headers["location"] == "/"

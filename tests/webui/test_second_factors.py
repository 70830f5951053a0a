"""Second factors of users whom this appliance does not know by name, and records of RADIUS accounting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyotp

from appliance import models
from appliance.installation import Actor
from appliance.models.columns import now
from appliance.realms import service as realms
from appliance.realms.schemas import NewRealm
from tests.webui.signing_in import sign_in

if TYPE_CHECKING:
    import httpx2


async def test_a_user_of_another_realm_is_enrolled_and_given_new_codes(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    assert "Nobody has a second factor" in (await browser.get("/second-factors")).text
    async with browser.installation.transaction(Actor("a test")) as work:
        await realms.add(work, NewRealm(name="corp", kind=models.RealmKind.RADIUS))
    page = (await browser.post("/second-factors", data={"realm": "corp", "user": "Zoe"})).text
    seed = re.search(r"<code>([A-Z2-7]{16,})</code>", page)
    assert seed is not None
    assert "not confirmed yet" in (await browser.get("/second-factors?realm=corp")).text
    wrong = await browser.post("/second-factors/corp/zoe/confirm", data={"code": "000000"})
    assert wrong.status_code == 422
    codes = (await browser.post("/second-factors/corp/zoe/confirm", data={"code": pyotp.TOTP(seed[1]).now()})).text
    assert "Recovery codes" in codes
    renewed = (await browser.post("/second-factors/corp/zoe/recovery-codes")).text
    assert "Recovery codes" in renewed
    assert renewed != codes
    assert [each["user"] for each in (await browser.get("/second-factors?format=json")).json()] == ["zoe"]
    assert "Take the second factor of zoe away?" in (await browser.get("/second-factors/corp/zoe/reset")).text
    assert (await browser.post("/second-factors/corp/zoe/reset")).headers["location"] == "/second-factors"
    assert "Nobody has a second factor" in (await browser.get("/second-factors")).text


async def test_administrators_codes_are_not_taken_away_here(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    assert (await browser.post("/second-factors/@panel/admin/reset")).status_code == 422


async def test_accounting_says_what_waits_and_why(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    assert "No record yet" in (await browser.get("/accounting")).text
    said = {"node": "gw-1", "realm": "corp", "status": models.AccountingStatus.START, "at": now(), "content": {}}
    async with browser.installation.transaction(Actor("a test")) as work:
        work.session.add(models.AccountingRecord(session="s-1", user="ann", sent_at=now(), server="radius-1", **said))
        work.session.add(models.AccountingRecord(session="s-2", user="ben", attempts=3, last_error="no answer", **said))
    page = (await browser.get("/accounting")).text
    assert "<strong>1 record waits</strong>" in page
    assert "tried 3 times: no answer" in page
    assert "by radius-1" in page
    waiting = (await browser.get("/accounting?waiting=true")).text
    assert "ben" in waiting
    assert "ann" not in waiting
    assert "No record matches" in (await browser.get("/accounting?status=stop")).text

"""What a data plane holds, with whose it is, what is left over and what is missing; asked on demand."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from appliance import models
from appliance.installation import Actor
from appliance.models.columns import now
from tests.e2e import appliance as furniture
from tests.webui.signing_in import sign_in
from webui import orders

if TYPE_CHECKING:
    import httpx2
    import pytest


PART = {"HX-Request": "true", "HX-Request-Type": "partial"}
NOTHING = (("/gateways/gw-1", "No association matches"), ("/gateways/gw-1/policies", "No policy matches"))


async def put(browser: httpx2.AsyncClient, *rows: models.Base) -> None:
    async with browser.installation.transaction(Actor("a test")) as work:
        work.session.add_all(rows)


async def test_each_entry_is_shown_with_its_session_and_what_is_odd_is_marked(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    assert "No gateway has run yet" in (await browser.get("/gateways")).text
    await put(browser, furniture.node())
    assert "Nobody has asked it yet" in (await browser.get("/gateways/gw-1")).text
    assert "Nobody has asked it yet" in (await browser.get("/gateways/gw-1/policies")).text
    await put(browser, furniture.inventory())
    page = (await browser.get("/gateways/gw-1")).text
    assert '<a href="/sessions/1"><strong>alice</strong></a>' in page
    assert '<span class="state bad">orphan</span>' in page
    assert "1 orphan</a>: held, but of no live session" in page
    assert "2 missing</a>" in page
    assert "as the kernel held them" in page
    odd = (await browser.get("/gateways/gw-1?state=orphan")).text
    assert odd.count("<tr>") == 2
    for path, nothing in NOTHING:
        for how in ({}, PART):
            shown = (await browser.get(f"{path}?user=zoe", headers=how)).text
            assert nothing in shown
            assert f'href="{path}"' in shown
    policies = (await browser.get("/gateways/gw-1/policies")).text
    assert "<code>10.99.0.2/32</code>" in policies
    assert "protect" in policies
    assert [each["spi"] for each in (await browser.get("/gateways/gw-1?format=json&state=orphan")).json()]
    assert (await browser.get("/gateways/none")).status_code == 404


async def test_a_gateway_is_asked_and_one_that_is_away_is_not(
    browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "_PATIENCE_SECONDS", 0.2)
    await sign_in(browser)
    await put(browser, furniture.node())
    assert (await browser.post("/gateways/gw-1/ask")).headers["location"] == "/gateways/gw-1"
    assert "has not answered yet" in (await browser.get("/gateways/gw-1")).text
    async with browser.installation.snapshot() as work:
        order = (await work.session.scalars(select(models.Command))).one()
    assert (order.verb, order.node) == (models.Verb.DUMP_SAD, "gw-1")
    assert (await browser.post("/gateways/gw-1/reload")).status_code == 303
    orders_page = (await browser.get("/gateways/gw-1/orders")).text
    assert orders_page.index("reload") < orders_page.index("dump-sad")
    assert '<span class="state warn">pending</span>' in orders_page
    async with browser.installation.transaction(Actor("a test")) as work:
        (await work.session.get_one(models.Node, "gw-1")).heartbeat_at = now() - timedelta(hours=1)
    away = await browser.post("/gateways/gw-1/ask")
    assert (away.status_code, "gives no sign of life" in away.text) == (409, True)

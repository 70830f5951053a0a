"""Times are the reader's: shown, filtered by and typed in one zone, which is the browser's or that of the setting."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from appliance import models
from appliance.installation import Actor
from appliance.users import service as users
from appliance.users.schemas import NewUser
from tests.webui.signing_in import sign_in
from webui import zone

if TYPE_CHECKING:
    import httpx2

    from appliance.installation import Transaction


@pytest.fixture
async def furnished(browser: httpx2.AsyncClient) -> httpx2.AsyncClient:
    async def put(work: Transaction) -> None:
        await users.add(work, NewUser(name="alice", password=SecretStr("correct horse battery")))
        seen = {"node": "gw-1", "peer_address": "198.51.100.7", "peer_port": 4500, "profile": "default"}
        for hour, user in ((21, "before-midnight"), (23, "after-midnight")):
            at = datetime(2026, 7, 1, hour, 30, tzinfo=UTC)
            work.session.add(models.Event(kind="login", user=user, realm="local", at=at, **seen))

    await sign_in(browser)
    async with browser.installation.transaction(Actor("a test")) as work:
        await put(work)
    return browser


async def test_days_and_times_are_those_of_the_browser(furnished: httpx2.AsyncClient) -> None:
    page = (await furnished.get("/history")).text
    assert ">2026-07-01 23:30:00</time>" in page
    assert "times in UTC" in page
    furnished.cookies.set(zone.COOKIE, "Europe/Berlin")
    page = (await furnished.get("/history?since=2026-07-02&until=2026-07-02")).text
    assert '<time datetime="2026-07-01T23:30:00+00:00" title="Europe/Berlin">2026-07-02 01:30:00</time>' in page
    assert ("after-midnight" in page, "before-midnight" in page) == (True, False)
    assert "times in Europe/Berlin" in page
    exported = (await furnished.get("/history?since=2026-07-02&until=2026-07-02&format=csv")).text
    assert "2026-07-01T23:30:00Z" in exported
    assert "before-midnight" not in exported


@pytest.mark.parametrize("sent", ["Nowhere/Land", "../../etc/passwd", "/etc/localtime", "x" * 300, "%00"])
async def test_a_zone_that_nobody_knows_is_utc(furnished: httpx2.AsyncClient, sent: str) -> None:
    furnished.cookies.set(zone.COOKIE, sent)
    assert ">2026-07-01 23:30:00</time>" in (await furnished.get("/history")).text


async def test_the_setting_counts_for_all_and_without_a_script(furnished: httpx2.AsyncClient) -> None:
    furnished.cookies.set(zone.COOKIE, "Europe/Berlin")
    wrong = await furnished.post("/settings", data={"panel_time_zone": "Berlin"})
    assert (wrong.status_code, "write it like this: Europe/Berlin" in wrong.text) == (422, True)
    assert (await furnished.post("/settings", data={"panel_time_zone": "America/New_York"})).status_code == 303
    page = (await furnished.get("/history?since=2026-07-01&until=2026-07-01")).text
    assert ">2026-07-01 19:30:00</time>" in page
    assert "before-midnight" in page
    assert "times in America/New_York" in page


async def test_what_is_typed_is_meant_in_the_zone_that_is_shown(furnished: httpx2.AsyncClient) -> None:
    furnished.cookies.set(zone.COOKIE, "Europe/Berlin")
    typed = {"full_name": "Alice", "group": "", "expires_at": "2027-07-01T08:00"}
    assert (await furnished.post("/users/alice", data=typed)).status_code == 303
    async with furnished.installation.snapshot() as work:
        assert (await users.show(work, "alice")).expires_at == datetime(2027, 7, 1, 6, tzinfo=UTC)
    page = (await furnished.get("/users/alice")).text
    assert 'value="2027-07-01T08:00:00"' in page
    assert "In Europe/Berlin; from then on" in page
    assert (await furnished.post("/users/alice", data={**typed, "expires_at": "2027-02-30T08:00"})).status_code == 422
    assert (await furnished.get("/history?since=0001-01-01")).status_code == 422


def test_the_last_moment_of_all_is_shown() -> None:
    zone.enter("Pacific/Auckland")
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert zone.local(last) == last

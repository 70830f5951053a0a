"""Lists: what narrows one is always seen, kept while more is typed, and can be left out again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

import appliance
from appliance import models
from appliance.groups import service as groups
from appliance.groups.schemas import NewGroup
from appliance.installation import Actor
from appliance.users import service as users
from appliance.users.schemas import NewUser
from tests.e2e import appliance as furniture
from tests.webui.signing_in import sign_in
from webui.pages import audit

if TYPE_CHECKING:
    import httpx2

    from appliance.installation import Transaction

PASSWORD = SecretStr("correct horse battery")


@pytest.fixture
async def furnished(browser: httpx2.AsyncClient) -> httpx2.AsyncClient:
    async def put(work: Transaction) -> None:
        await groups.add(work, NewGroup(name="staff"))
        await users.add(work, NewUser(name="alice", password=PASSWORD, group="staff"))
        await users.add(work, NewUser(name="bob", password=PASSWORD, enabled=False))
        work.session.add_all([furniture.session(1, user="alice"), furniture.session(2, user="bob")])
        for day in (1, 2, 3):
            seen = {"node": "gw-1", "peer_address": "198.51.100.7", "peer_port": 4500, "profile": "default"}
            at = datetime(2026, 3, day, 23, 59, 59, tzinfo=UTC)
            work.session.add(models.Event(kind="login", user=f"of-day-{day}", realm="local", at=at, **seen))

    await sign_in(browser)
    async with browser.installation.transaction(Actor("a test")) as work:
        await put(work)
    return browser


async def test_whatever_narrows_a_list_is_shown_and_goes_along(furnished: httpx2.AsyncClient) -> None:
    page = (await furnished.get("/sessions?user=alice&pool=default&text=a")).text
    assert "1 session" in page
    assert '<input type="hidden" name="user" value="alice">' in page
    assert re.search(r'href="/sessions\?pool=default&amp;text=a"[^>]*>user: alice', page)
    assert '<option value="default" selected>' in page
    assert "More filters" in page
    page = (await furnished.get("/users?group=staff")).text
    assert "1 user<" in page.replace("\n", "<")
    assert '<option value="staff" selected>' in page
    page = (await furnished.get("/users?enabled=false")).text
    assert ("bob" in page, "alice" in page) == (True, False)
    assert '<option value="false" selected>' in page


async def test_an_empty_part_of_a_list_is_no_empty_house(furnished: httpx2.AsyncClient) -> None:
    for path in ("/users?group=nobody", "/sessions?profile=none", "/history?realm=none", "/refusals?since=2026-01-01"):
        page = (await furnished.get(path)).text
        assert "Show all" in page, path
        assert "yet" not in page.partition('class="empty"')[2].partition("</div>")[0], path


async def test_days_are_whole_and_both_included(furnished: httpx2.AsyncClient) -> None:
    page = (await furnished.get("/history?since=2026-03-02&until=2026-03-02")).text
    assert [day for day in (1, 2, 3) if f"of-day-{day}" in page] == [2]
    assert 'name="until" value="2026-03-02"' in page
    assert "since=2026-03-02T00%3A00%3A00Z&amp;until=2026-03-03T00%3A00%3A00Z" in page
    exported = await furnished.get("/history?since=2026-03-02&until=2026-03-02&format=csv")
    assert "of-day-2" in exported.text
    assert "of-day-3" not in exported.text
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    assert "Show all" in (await furnished.get(f"/audit?since={tomorrow}")).text
    assert (await furnished.get("/history?since=2026-02-30")).status_code == 422


async def test_leases_of_a_pool_are_searched_sorted_and_exported(furnished: httpx2.AsyncClient) -> None:
    page = (await furnished.get("/pools/default?taken=true&sort=-user&user=nobody")).text
    assert '<option value="true" selected>' in page
    assert "No lease matches" in page
    exported = await furnished.get("/pools/default?format=csv&pool=another")
    assert exported.headers["content-disposition"] == 'attachment; filename="leases-default.csv"'


def test_every_deed_that_is_written_down_can_be_filtered_for() -> None:
    source = Path(appliance.__file__).parent
    deeds = re.compile(r'audit\.record\(\s*\w+, f?"([a-z-]+)\.|deed = "([a-z-]+)\.')
    written = {a or b for file in source.rglob("*.py") for a, b in deeds.findall(file.read_text())}
    assert len(written) > 15
    assert written - set(audit.NOUNS) == set()


async def test_groups_pools_and_profiles_are_exported_and_groups_searched(furnished: httpx2.AsyncClient) -> None:
    for noun, word in {"groups": "staff", "pools": "default", "profiles": "default"}.items():
        assert f'href="/{noun}?format=csv"' in (await furnished.get(f"/{noun}")).text
        assert word in (await furnished.get(f"/{noun}?format=csv")).text
    assert "1 group<" in (await furnished.get("/groups?text=taf")).text
    assert "No group matches" in (await furnished.get("/groups?text=nothing")).text


async def test_the_audit_log_tells_moments_and_leads_to_the_thing(furnished: httpx2.AsyncClient) -> None:
    await furnished.post("/users/bob/remove")
    page = (await furnished.get("/audit?deed=user.")).text
    assert re.search(r'<time datetime="[^"]+" title="UTC">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d</time>', page)
    assert '<a href="/users/alice">alice</a>' in page
    removed = page[page.index("user.remove") :].partition("</tr>")[0]
    assert "/users/bob" not in removed
    assert 'href="/audit?deed=user.&amp;who=administrator+admin"' in page

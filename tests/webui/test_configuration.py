"""Configuration history on the panel: versions, what differs between any two, and the way back with what it does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import SecretStr

from appliance.installation import Actor
from appliance.pools import service as pools
from appliance.pools.schemas import PoolChange
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange
from tests.webui.live_session import a_session
from tests.webui.signing_in import sign_in
from tests.webui.test_saving import form_of

if TYPE_CHECKING:
    import httpx2


async def changed(browser: httpx2.AsyncClient, domain: str) -> None:
    async with browser.installation.transaction(Actor("administrator bob")) as work:
        await pools.change(work, "default", PoolChange(domain=domain))


async def numbers(browser: httpx2.AsyncClient, query: str) -> list[str]:
    """Give the numbers of versions, the latest first."""
    return re.findall(r'<tr id="v(\d+)">', (await browser.get(f"/configuration?{query}")).text)


async def test_versions_are_listed_compared_and_gone_back_to(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await changed(browser, "a.net")
    await changed(browser, "b.net")
    await changed(browser, "c.net")
    third, second, first = (await numbers(browser, "noun=pool&name=default"))[:3]
    assert await numbers(browser, "noun=group") == []
    assert (await browser.get("/configuration?noun=shoe")).status_code == 422
    page = (await browser.get(f"/configuration/{first}")).text
    assert "<del>a.net</del>" in page
    assert "<ins>c.net</ins>" in page
    compared = (await browser.get(f"/configuration/{first}?against={second}")).text
    assert "<ins>b.net</ins>" in compared
    assert "<ins>c.net</ins>" not in compared
    path = f"/configuration/{second}/rollback"
    preview = await browser.post(path, data={"to": "before"})
    assert preview.status_code == 200
    assert f"Go back to pool default as it was before change {second}?" in preview.text
    assert "Nobody who is connected is concerned." in preview.text
    assert "<ins>a.net</ins>" in preview.text
    sealed = form_of(preview.text, path)
    back = await browser.post(path, data=sealed | {"deed": ["again"]})
    assert "What this change did" in back.text
    done = await browser.post(path, data=sealed | {"deed": ["save"]})
    assert done.headers["location"] == f"/configuration/{second}"
    assert "It is as it was." in (await browser.get(f"/configuration/{second}")).text
    async with browser.installation.snapshot() as work:
        assert (await pools.show(work, "default")).domain == "a.net"
    assert third in await numbers(browser, "")


async def test_going_back_says_who_is_disconnected(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    async with browser.installation.transaction(Actor("a test")) as work:
        await users.add(work, NewUser(name="alice", password=SecretStr("correct horse battery")))
        await users.change(work, "alice", UserChange(enabled=False))
        await users.change(work, "alice", UserChange(enabled=True))
    await a_session(browser)
    number = (await numbers(browser, "noun=user&name=alice"))[1]
    preview = (await browser.post(f"/configuration/{number}/rollback", data={"to": "after"})).text
    assert '<span class="state bad">disconnected</span> <strong>1 session</strong>' in preview
    removal = (await browser.post(f"/configuration/{int(number) - 1}/rollback", data={"to": "before"})).text
    assert "find nothing that serves them" in removal

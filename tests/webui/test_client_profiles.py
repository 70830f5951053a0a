"""Files for clients and links that work once, without a script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.webui.signing_in import sign_in

if TYPE_CHECKING:
    import httpx2


async def test_a_file_for_each_client_or_why_there_is_none(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    assert "For whom?" in (await browser.get("/client-profiles")).text
    page = (await browser.get("/client-profiles?user=alice&profile=default")).text
    assert page.count(">Download</a>") >= 3
    assert "does not fit" in page
    assert "<dt>Server</dt>" in page
    file = await browser.get("/client-profiles/file?user=alice&profile=default&format=vpnc")
    assert b"Xauth username alice" in file.content or file.headers["content-type"] == "application/gzip"
    assert "attachment" in file.headers["content-disposition"]
    wrong = await browser.get("/client-profiles/file?user=alice&profile=default&format=clay")
    assert wrong.status_code == 422
    assert "Input should be" in wrong.text


async def test_what_is_asked_for_wrongly_is_said_at_the_field(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    page = await browser.get("/client-profiles?user=a b&profile=default")
    assert page.status_code == 422
    assert 'id="wrong-user"' in page.text
    assert "a login name must not contain" in page.text
    assert (await browser.get("/client-profiles?user=alice&profile=none")).status_code == 404


async def test_keys_leave_to_owners_only_and_are_on_record(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    profile = {"name": "phones", "enabled": "true", "authentication": "xauth-psk", "modes": "main", "preset": "modern"}
    key = "a key for phones only"
    await browser.post("/profiles", data=profile | {"pre_shared_key": key})
    wanted = {"user": "alice", "profile": "phones", "format": "instructions"}
    assert key not in (await browser.get("/client-profiles?user=alice&profile=phones")).text
    assert key in (await browser.post("/client-profiles/file", data=wanted)).text
    assert "client-profile.export" in (await browser.get("/audit?text=alice")).text


async def test_a_link_is_shown_once_used_once_and_revoked(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    new = {"user": "alice", "profile": "default", "format": "mobileconfig", "hours": "0"}
    wrong = await browser.post("/client-profiles/links", data=new)
    assert wrong.status_code == 422
    assert 'aria-describedby="wrong-hours"' in wrong.text
    made = (await browser.post("/client-profiles/links", data=new | {"hours": "2"})).text
    url = re.search(r"https://vpn\.example\.net:8443(/get/[\w-]+)", made)
    assert url is not None
    assert "<svg" in made
    assert url[1] not in (await browser.get("/client-profiles?user=alice")).text
    assert "waits" in (await browser.get("/client-profiles?user=alice")).text
    path = urlsplit(url[0]).path
    assert (await browser.get(path)).status_code == 200
    assert (await browser.post(path)).headers["content-type"] == "application/x-apple-aspen-config"
    assert (await browser.post(path)).status_code == 404
    assert ">used<" in (await browser.get("/client-profiles?user=alice")).text
    await browser.post("/client-profiles/links", data=new | {"hours": "2"})
    asked = (await browser.get("/client-profiles/links/2/remove?user=alice&profile=default")).text
    assert "Revoke link 2?" in asked
    gone = await browser.post("/client-profiles/links/2/remove", data={"user": "alice", "profile": "default"})
    assert gone.headers["location"] == "/client-profiles?user=alice&profile=default"
    assert "waits" not in (await browser.get("/client-profiles?user=alice")).text

"""The panel as a browser without scripts sees it."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest

from appliance import models
from appliance.installation import Actor
from appliance.logs.record import Record
from appliance.models.columns import now
from tests.webui.live_session import a_session
from tests.webui.signing_in import sign_in
from webui import panel

if TYPE_CHECKING:
    import httpx2

PAGES = (
    *("/", "/sessions", "/sessions?which=all&sort=-octets_in", "/sessions/disconnect", "/users", "/users/add"),
    *("/refusals", "/profiles", "/profiles/add", "/profiles/default", "/profiles/default/change"),
    *("/profiles/default/remove", "/pools", "/pools/add", "/pools/default", "/pools/default/change"),
    *(
        "/pools/default/remove",
        "/client-profiles?user=alice&profile=default",
        "/client-profiles/links/1/remove",
        "/certificates",
        "/certificates/renew",
        "/certificates/1",
        "/certificates/2/renew",
        "/certificates/2/revoke",
        "/certificates/issue",
        "/certificates/import",
        "/certificates/requests",
        "/certificates/requests/add",
        "/certificates/authorities",
        "/certificates/authorities/add",
        "/certificates/authorities/import",
        "/certificates/authorities/coati",
        "/certificates/authorities/coati/choose",
        "/certificates/authorities/coati/renew",
        "/certificates/authorities/coati/remove",
        "/tokens",
        "/audit",
        "/connect",
        "/search?text=a",
    ),
    *("/groups", "/groups/add", "/policy", "/realms", "/realms/local", "/realms/add/pam", "/history", "/lockouts"),
    *("/logs", "/logs?level=warning&process=web&text=x", "/logs/lines?user=alice", "/logs?format=json"),
    "/users/import",
    *("/gateways", "/second-factors", "/accounting", "/second-factors/local/alice/reset"),
    *(
        "/administrators",
        "/administrators/add",
        "/administrators/admin",
        "/settings",
        "/account",
        "/backups",
        "/configuration",
        "/configuration/1",
    ),
)


async def test_nobody_sees_a_page_without_signing_in(browser: httpx2.AsyncClient) -> None:
    for path in PAGES:
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers.get("location", "").partition("?")[0]) == (303, "/sign-in"), path


async def test_a_wrong_password_keeps_the_name_that_was_typed(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/sign-in", data={"name": "admin", "password": "not this one"})
    assert answer.status_code == 401
    assert 'value="admin"' in answer.text
    assert "not this one" not in answer.text


async def test_pages_have_nothing_inline_and_a_policy_that_forbids_it(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    for path in PAGES:
        _is_clean(await browser.get(path))


def _is_clean(answer: httpx2.Response) -> None:
    assert answer.status_code == 200, answer.url
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=|hx-on|js:", answer.text)
    assert answer.headers["cache-control"] == "no-store"


async def test_the_panel_says_what_is_off_and_how_to_connect(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    assert "coati serve" in (await browser.get("/")).text
    assert "remote_addrs = vpn.example.net" in (await browser.get("/connect")).text
    assert (await browser.get("/ca.pem")).text.startswith("-----BEGIN CERTIFICATE")


async def test_a_part_of_the_page_is_given_to_a_script(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    number = await a_session(browser)
    part = (await browser.get("/sessions", headers={"HX-Request": "true", "HX-Request-Type": "partial"})).text
    assert f'<tr id="s{number}">' in part
    assert "<html" not in part
    await browser.post("/sign-out")
    answer = await browser.get("/sessions", headers={"HX-Request": "true", "HX-Request-Type": "partial"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in")


async def test_a_part_brings_the_note_and_the_call_of_what_is_shown_now(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await a_session(browser, "bob")
    part = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Current-URL": "https://coati.test/sessions"}
    browser.cookies.set("__Host-coati-note", "Done%20%3C")
    shown = (await browser.get("/sessions?text=bob", headers=part)).text
    browser.cookies.delete("__Host-coati-note")
    assert "<table" in shown
    assert '<hx-partial hx-target="#note" hx-swap="innerHTML">Done &lt;</hx-partial>' in shown
    assert "api/v1/sessions?text=bob" in shown.partition('hx-target="#api-call"')[2]
    elsewhere = {**part, "HX-Current-URL": "https://coati.test/users"}
    assert "api-call" not in (await browser.get("/sessions?text=bob", headers=elsewhere)).text


async def test_lists_are_exported_whole_and_without_formulas(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await a_session(browser, "=cmd")
    number = await a_session(browser, "bob")
    async with browser.installation.transaction(Actor("a test")) as work:
        (await work.session.get_one(models.Session, number)).vendor_ids = ("=cmd|x", "DPD")
    rows = list(csv.DictReader(io.StringIO((await browser.get("/sessions?format=csv&sort=user")).text)))
    assert [row["user"] for row in rows] == ["'=cmd", "bob"]
    assert rows[1]["vendor_ids"] == "'=cmd|x DPD"
    assert [each["user"] for each in (await browser.get("/sessions?format=json&text=bo")).json()] == ["bob"]
    assert (await browser.get("/sessions?format=xml")).status_code == 422


async def test_who_waits_for_a_file_is_told_that_it_came(browser: httpx2.AsyncClient) -> None:
    """By the cookie that the page set: a page that comes needs no word, and who asked for none gets none."""
    await sign_in(browser)
    assert not (await browser.get("/users?format=csv")).headers.get_list("set-cookie")
    browser.cookies.set("__Host-coati-awaited", "a-ticket")
    assert not (await browser.get("/users")).headers.get_list("set-cookie")
    for file in ("/users?format=csv", "/ca.pem", "/logs?format=text", "/client-profiles/file?user=x"):
        answer = await browser.get(file)
        told = [each for each in answer.headers.get_list("set-cookie") if "__Host-coati-awaited=;" in each]
        assert len(told) == ("content-disposition" in answer.headers), file
    browser.cookies.delete("__Host-coati-awaited")


async def test_a_browser_that_goes_away_while_it_sends_is_no_fault(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "server": ("coati.test", 443),
        "client": ("198.51.100.1", 1),
        "path": "/users",
        "query_string": b"",
        "headers": [
            (b"host", b"coati.test"),
            (b"sec-fetch-site", b"same-origin"),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"cookie", f"__Host-coati={browser.cookies['__Host-coati']}".encode()),
        ],
    }
    said = []

    async def gone() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        said.append(message.get("status"))

    await panel.create(browser.installation)(scope, gone, send)
    assert said[0] == 400


async def test_signing_in_leads_to_where_one_wanted_to_go(browser: httpx2.AsyncClient) -> None:
    asked = (await browser.get("/sessions?which=all")).headers["location"]
    assert 'value="/sessions?which=all"' in (await browser.get(asked)).text
    who = {"name": "admin", "password": browser.first_password}
    for wanted, given in {
        "/sessions?which=all": "/sessions?which=all",
        "//evil.test/": "/",
        "https://evil.test": "/",
        "/\\evil.test": "/",
        "/\t/evil.test": "/",
        "/\r\n/evil.test": "/",
    }.items():
        assert (await browser.post("/sign-in", data={**who, "next": wanted})).headers["location"] == given


async def test_search_finds_pages_people_and_things(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await browser.post("/users", data={"name": "proud", "password": "correct horse battery"})
    found = (await browser.get("/search?text=pro")).text
    assert 'href="/profiles"' in found
    assert 'href="/users/proud"' in found
    assert "Nothing matches" in (await browser.get("/search?text=zzz")).text


async def test_colours_are_kept_by_the_browser(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    answer = await browser.post("/scheme", data={"scheme": "dark", "next": "/users"})
    assert answer.headers["location"] == "/users"
    assert '<html lang="en" data-scheme="dark">' in (await browser.get("/users")).text
    await browser.post("/scheme", data={"scheme": "<script>"})
    assert '<html lang="en" data-scheme="dark">' in (await browser.get("/users")).text


async def test_what_is_linked_to_by_its_sum_is_kept_for_ever(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get("/sign-in")).text
    style = re.search(r"/static/panel\.css\?v=[0-9a-f]{12}", page)[0]
    assert "immutable" in (await browser.get(style)).headers["cache-control"]
    assert (await browser.get("/static/panel.css")).headers["cache-control"] == "no-cache"


async def test_the_log_is_filtered_held_and_downloaded(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    record = Record(browser.installation.settings.data_dir)
    for number, (level, process) in enumerate((("info", "web"), ("warning", "gateway"), ("error", "gateway"))):
        line = {"event": f"line <{number}>", "level": level, "process": process, "timestamp": now().isoformat()}
        record.append(line | {"user": "alice", "exception": "Traceback" if level == "error" else ""})
    page = (await browser.get("/logs")).text
    assert page.index("line &lt;2&gt;") < page.index("line &lt;1&gt;") < page.index("line &lt;0&gt;")
    assert "log from:#signals" in page
    warnings = (await browser.get("/logs?level=warning")).text
    assert "line &lt;0&gt;" not in warnings
    assert "line &lt;1&gt;" in warnings
    held = re.search(r'href="(/logs\?before=[^"]+)"', page)[1]
    record.append({"event": "later", "level": "info", "process": "web", "timestamp": now().isoformat()})
    assert "later" in (await browser.get("/logs")).text
    still = (await browser.get(held)).text
    assert "later" not in still
    assert "log from:#signals" not in still
    text = (await browser.get("/logs?format=text&process=gateway")).text.splitlines()
    assert [line.partition(": ")[2] for line in text if ": " in line] == ["line <1> user=alice", "line <2> user=alice"]
    assert text[-1] == "Traceback"
    assert (await browser.get("/logs?format=xml")).status_code == 422


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

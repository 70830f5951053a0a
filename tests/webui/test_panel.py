"""The panel as a browser without scripts sees it."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from appliance import models
from appliance.installation import Actor
from appliance.logs.record import Record
from appliance.models.columns import now
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


async def test_the_life_of_a_user(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    new = {"name": "alice", "full_name": "Alice <A>", "password": "correct horse battery"}
    assert (await browser.post("/users", data=new)).status_code == 303
    assert "Alice &lt;A&gt;" in (await browser.get("/users")).text
    assert (await browser.post("/users/alice", data={"full_name": "Alice B"})).status_code == 303
    assert "Saved." in (await browser.get("/users/alice")).text
    assert (await browser.post("/users/alice/password", data={"password": "alice"})).status_code == 422
    assert (await browser.post("/users/alice/password", data={"password": "battery horse correct"})).status_code == 303
    assert "Disable alice?" in (await browser.get("/users/alice/disable")).text
    assert (await browser.post("/users/alice/disable")).status_code == 303
    assert "disabled" in (await browser.get("/users")).text
    assert (await browser.post("/users/alice/enable")).status_code == 303
    assert "Remove alice?" in (await browser.get("/users/alice/remove")).text
    assert (await browser.post("/users/alice/remove")).status_code == 303
    assert "alice was removed." in (await browser.get("/users")).text
    assert "Alice" not in (await browser.get("/users")).text


async def a_session(browser: httpx2.AsyncClient, user: str = "alice") -> int:
    async with browser.installation.transaction(Actor("a test")) as work:
        live = models.Session(
            node="here",
            peer_id=1,
            user=user,
            profile="default",
            authentication="hybrid-rsa",
            mode="main",
            peer_address="198.51.100.7",
            peer_port=4500,
            virtual_ip="10.99.0.1",
            client_software="strongSwan <5.9>",
            liveness="probing",
            dpd_probe=2,
            dpd_probes=5,
            last_heard_at=now() - timedelta(minutes=2, seconds=5),
        )
        work.session.add(live)
        await work.session.flush()
        return live.id


async def test_a_session_shows_its_liveness_and_is_ended_by_its_button(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    number = await a_session(browser)
    page = (await browser.get("/sessions")).text
    for shown in ("probing 2 of 5", "2 min ago", "198.51.100.7:4500", "10.99.0.1", "strongSwan &lt;5.9&gt;"):
        assert shown in page
    assert "Disconnect alice?" in (await browser.get(f"/sessions/disconnect?ids={number}")).text
    assert (await browser.post("/sessions/disconnect", data={"ids": number})).status_code == 303
    assert "1 of 1 told to disconnect." in (await browser.get("/sessions")).text
    async with browser.installation.snapshot() as work:
        order = (await work.session.scalars(select(models.Command))).one()
    assert (order.session_id, order.verb, order.created_by) == (number, models.Verb.DISCONNECT, "administrator admin")
    missing = await browser.get("/sessions/4711")
    assert missing.status_code == 404
    assert "there is no session 4711" in missing.text


async def test_all_that_match_are_disconnected_and_blocked_when_their_number_was_typed(
    browser: httpx2.AsyncClient,
) -> None:
    await sign_in(browser)
    await browser.post("/users", data={"name": "alice", "password": "correct horse battery"})
    ids = [await a_session(browser), await a_session(browser), await a_session(browser, "bob")]
    asked = (await browser.get("/sessions/disconnect?every=true&text=alice")).text
    assert "Disconnect 2 sessions?" in asked
    assert "Type <code>2</code>" in asked
    chosen = {"ids": ids[:2], "block": "true"}
    refused = await browser.post("/sessions/disconnect", data={**chosen, "typed": "two"})
    assert (refused.status_code, "Type 2 if you mean it." in refused.text) == (422, True)
    await browser.post("/sessions/disconnect", data={**chosen, "typed": "2"})
    assert "2 of 2 told to disconnect and blocked." in (await browser.get("/sessions")).text
    async with browser.installation.snapshot() as work:
        assert set(await work.session.scalars(select(models.Command.session_id))) == set(ids[:2])
        assert (await work.session.scalars(select(models.User.enabled))).all() == [False]


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


async def test_the_life_of_a_pool(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    new = {"name": "office", "networks": "10.7.0.0/29\n10.7.1.0/29", "reachable": "10.0.0.0/8", "dns": "10.0.0.53"}
    wrong = await browser.post("/pools", data={**new, "networks": "10.7.0.1/29"})
    assert wrong.status_code == 422
    assert "did you mean 10.7.0.0/29?" in wrong.text
    assert (await browser.post("/pools", data=new)).status_code == 303
    assert "10.7.0.0/29, 10.7.1.0/29" in (await browser.get("/pools/office")).text
    form = (await browser.get("/pools/office/change")).text
    assert "10.7.0.0/29\n10.7.1.0/29</textarea>" in form
    assert (await browser.post("/pools/office/change", data={**new, "masquerade": "true"})).status_code == 303
    assert (await browser.post("/pools/office/remove", data={"typed": "offic"})).status_code == 422
    assert (await browser.post("/pools/office/remove", data={"typed": "office"})).status_code == 303
    assert (await browser.get("/pools/office")).status_code == 404


async def test_the_life_of_a_profile(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    form = {
        "name": "phones",
        "enabled": "true",
        "authentication": "xauth-psk",
        "modes": ["main", "aggressive"],
        "preset": "modern",
        "position": "50",
        "dpd_interval_seconds": "10",
    }
    wrong = await browser.post("/profiles", data=form)
    assert wrong.status_code == 422
    assert "xauth-psk needs a group key" in wrong.text
    assert 'value="xauth-psk" checked' in wrong.text
    assert (await browser.post("/profiles", data={**form, "pre_shared_key": "of eight and more"})).status_code == 303
    page = (await browser.get("/profiles/phones")).text
    assert "a group key is known to every client" in page
    assert "<dt>Group key</dt><dd>set</dd>" in page
    changed = {**form, "group_names": "staff\nguests", "preset": "legacy"}
    assert (await browser.post("/profiles/phones/change", data=changed)).status_code == 303
    page = (await browser.get("/profiles/phones")).text
    assert "<dt>Group key</dt><dd>set</dd>" in page
    assert "staff, guests" in page
    assert (await browser.post("/profiles/phones/remove")).status_code == 303
    assert "phones" not in (await browser.get("/profiles")).text.replace("Profile phones was removed.", "")


async def test_a_token_is_shown_once_and_revoked(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    made = (await browser.post("/tokens", data={"name": "ci", "scopes": "read", "days": ""})).text
    token = re.search(r"coati_[0-9a-f]{12}_[0-9a-f]{72}", made)[0]
    assert token not in (await browser.get("/tokens")).text
    call = {"headers": {"Authorization": f"Bearer {token}"}}
    assert (await browser.get("/api/v1/users", **call)).status_code == 200
    assert (await browser.post("/tokens/ci/revoke")).status_code == 303
    assert (await browser.get("/api/v1/users", **call)).status_code == 401


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


async def test_a_refusal_says_what_was_offered_and_what_would_help(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    async with browser.installation.transaction(Actor("a test")) as work:
        work.session.add(
            models.Refusal(
                node="here",
                peer_address="198.51.100.7",
                peer_port=500,
                stage="phase 1 proposal",
                reason="no proposal is acceptable",
                remedy="allow 3des-sha1-modp1024 in the profile",
                identity="<script>alert(1)</script>",
                offered=("3des-sha1-modp1024",),
                accepted=("aes256-sha256-modp2048",),
            )
        )
    assert "no proposal is acceptable" in (await browser.get("/")).text
    page = (await browser.get("/refusals/1")).text
    for shown in ("3des-sha1-modp1024", "aes256-sha256-modp2048", "allow 3des", "&lt;script&gt;"):
        assert shown in page


SAID = {
    "began": "2026-11-26T12:00:00+00:00",
    "lines": [
        [0.0, "message", False, "main mode", 1, False, ["SA", "8 VID"], 244, 1, "offers <8> transforms"],
        [0.001, "message", True, "main mode", 2, False, ["SA"], 1184, 3],
        [0.5, "message", True, "Xauth", 1, True, ["HASH", "ATTR"], 92],
        [2.0, "repeated", True, "", 0, False, [], 0, 1, "", 2],
        [3.5, "dropped", False, "", 0, False, [], 0, 1, "HASH does not verify", 3],
        [30.0, "probes", True, "dead peer detection", 0, True, ["HASH", "N"], 0, 1, "we probed 1 time", 2, 4.0],
    ],
}
PEER = {"node": "here", "profile": "default", "peer_address": "192.0.2.1", "peer_port": 4500}
PERSON = {"user": "alice", "authentication": "hybrid-rsa", "mode": "main"}
DETAILS = {
    "isakmp_sas": [3],
    "isakmp_sa": {
        "initiator_spi": "11" * 8,
        "responder_spi": "22" * 8,
        "suite": "aes256-sha256-modp2048",
        "mode": "main",
        "lifetime_seconds": 86_400,
        "established_at": now().isoformat(),
    },
    "child_sas": [
        {
            "inbound_spi": "c0ffee01",
            "outbound_spi": "c0ffee02",
            "suite": "aes256gcm16",
            "local_networks": ["0.0.0.0/0"],
            "remote_networks": ["10.9.0.1/32"],
            "lifetime_seconds": 28_800,
            "established_at": now().isoformat(),
        }
    ],
}


async def test_a_session_shows_its_transcript_when_it_has_ended_and_asks_for_it_before(
    browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.sessions.told._PATIENCE_SECONDS", 0.2)
    await sign_in(browser)
    async with browser.installation.transaction(Actor("a test")) as work:
        ended = models.Session(**PEER, **PERSON, peer_id=7, ended_at=now(), transcript=SAID, details=DETAILS)
        live = models.Session(**PEER, **PERSON, peer_id=8, details=DETAILS)
        login = models.Event(**PEER, kind=models.EventKind.LOGIN, user="alice", peer_id=8)
        work.session.add_all((ended, live, login))
    page = (await browser.get("/sessions/1")).text
    for shown in ("offers &lt;8&gt; transforms", "HDR*, HASH, ATTR", "in 3 fragments", "HASH does not verify, 3 times"):
        assert shown in page
    page = (await browser.get("/sessions/2")).text
    assert 'href="/sessions/2/transcript"' in page
    assert 'href="/logs?session=2"' in page
    assert "2222222222222222" in page
    for part in ("transcript", "policy", "security-associations", "dead-peer-detection"):
        assert f'href="/sessions/2/{part}"' in page
        assert "gateway here does not answer" in (await browser.get(f"/sessions/2/{part}")).text
    assert "associations are gone" in (await browser.get("/sessions/1/security-associations")).text
    assert "what counted for it is not kept" in (await browser.get("/sessions/1/policy")).text
    assert 'href="/sessions/2"' in (await browser.get("/history")).text


async def test_a_refusal_shows_its_transcript_and_leads_to_its_log(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    node = browser.installation.settings.node_name
    async with browser.installation.transaction(Actor("a test")) as work:
        work.session.add(
            models.Refusal(
                **PEER | {"node": node}, stage="Xauth", reason="wrong password", transcript=SAID, isakmp_sa=3
            )
        )
    record = Record(browser.installation.settings.data_dir)
    record.append({"event": "client refused", "level": "warning", "timestamp": now().isoformat(), "isakmp_sa": 3})
    page = (await browser.get("/refusals/1")).text
    assert "offers &lt;8&gt; transforms" in page
    assert 'href="/logs?refusal=1"' in page
    assert "client refused" in (await browser.get("/logs/lines?refusal=1")).text


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


async def test_a_change_shows_before_and_after(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await browser.post("/users", data={"name": "alice", "password": "correct horse battery"})
    await browser.post("/users/alice/disable")
    page = (await browser.get("/audit")).text
    assert '<td data-label="Before"><del>yes</del></td><td data-label="After"><ins>no</ins></td>' in page
    assert "Before and after: enabled" in page
    assert "correct horse" not in page


async def test_a_name_that_cannot_be_one_is_marked_in_words(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    answer = await browser.post("/users", data={"name": "a b", "password": "correct horse battery"})
    assert answer.status_code == 422
    assert "a login name must not contain" in answer.text
    assert 'aria-describedby="wrong-name help-name"' in answer.text
    assert 'value="a b"' in answer.text


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

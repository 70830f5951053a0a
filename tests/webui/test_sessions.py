"""The pages of sessions and of refused clients, as a browser without scripts sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from appliance import models
from appliance.installation import Actor
from appliance.logs.record import Record
from appliance.models.columns import now
from tests.webui.live_session import a_session
from tests.webui.signing_in import sign_in

if TYPE_CHECKING:
    import httpx2
    import pytest

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


async def test_a_session_shows_its_liveness_and_is_ended_by_its_button(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    number = await a_session(browser)
    page = (await browser.get("/sessions")).text
    for shown in ("probing 2 of 5", "2 min ago", "198.51.100.7:4500", "10.99.0.1", "strongSwan &lt;5.9&gt;"):
        assert shown in page
    assert "Disconnect alice?" in (await browser.get(f"/sessions/disconnect?ids={number}")).text
    assert (await browser.post("/sessions/disconnect", data={"chosen": number})).status_code == 303
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
    assert "All 2 sessions with text “alice”: alice, alice. Their clients" in asked
    chosen = {"chosen": f"{ids[0]} {ids[1]}", "block": "true", "every": "All 2 sessions with text “alice”"}
    refused = await browser.post("/sessions/disconnect", data={**chosen, "typed": "two"})
    assert (refused.status_code, "Type 2 if you mean it." in refused.text) == (422, True)
    assert "alice, alice. Their clients" in refused.text
    await browser.post("/sessions/disconnect", data={**chosen, "typed": "2"})
    assert "2 of 2 told to disconnect and blocked." in (await browser.get("/sessions")).text
    async with browser.installation.snapshot() as work:
        assert set(await work.session.scalars(select(models.Command.session_id))) == set(ids[:2])
        assert (await work.session.scalars(select(models.User.enabled))).all() == [False]


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

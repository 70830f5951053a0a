"""Signing in by code and passkey, and one's own affairs, as a browser sees them."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import cbor2
import httpx2
import pyotp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.installation import Installation
from webui import panel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.begun import Begun

ORIGIN = "https://coati.test"


@pytest.fixture
async def browser(begun: Begun) -> AsyncIterator[httpx2.AsyncClient]:
    async with Installation.open(begun.settings) as installation:
        transport = httpx2.ASGITransport(app=panel.create(installation))
        async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            client.headers.update({"Sec-Fetch-Site": "same-origin"})
            client.password = begun.password
            answer = await client.post("/sign-in", data={"name": "admin", "password": client.password})
            assert answer.headers["location"] == "/"
            yield client


async def signed_in(browser: httpx2.AsyncClient) -> bool:
    return (await browser.get("/account")).status_code == 200


async def enrol(browser: httpx2.AsyncClient) -> tuple[str, list[str]]:
    """Set up an app; give the code that confirmed it, and the recovery codes."""
    shown = (await browser.post("/account/codes")).text
    assert "<svg" in shown
    seed = re.search(r"<code>([A-Z2-7]{32})</code>", shown)
    assert seed is not None
    code = pyotp.TOTP(seed[1]).now()
    assert (await browser.post("/account/codes/confirm", data={"code": "000000"})).status_code == 422
    kept = (await browser.post("/account/codes/confirm", data={"code": code})).text
    return code, re.findall(r"<code>([a-z0-9-]{16,})</code>", kept)


async def test_a_code_is_asked_for_once_an_app_was_set_up(browser: httpx2.AsyncClient) -> None:
    confirming, recovery = await enrol(browser)
    assert len(recovery) == 10
    await browser.post("/sign-out")
    answer = await browser.post("/sign-in", data={"name": "admin", "password": browser.password, "next": "/users"})
    assert answer.headers["location"] == "/sign-in/code?next=/users"
    assert not await signed_in(browser)
    used = await browser.post("/sign-in/code", data={"code": confirming})
    assert (used.status_code, "not the code of now" in used.text) == (401, True)
    answer = await browser.post("/sign-in/code", data={"code": recovery[0], "next": "/users"})
    assert answer.headers["location"] == "/users"
    assert "password and code" in (await browser.get("/account")).text
    await browser.post("/sign-out")
    assert (await browser.post("/sign-in/code", data={"code": recovery[1]})).status_code == 401


async def test_codes_and_password_are_changed_by_who_knows_the_password(browser: httpx2.AsyncClient) -> None:
    await enrol(browser)
    assert (await browser.post("/account/codes/reset", data={"proof": "a guess"})).status_code == 422
    assert (await browser.post("/account/codes/reset", data={"proof": browser.password})).status_code == 303
    assert not await signed_in(browser)
    await browser.post("/sign-in", data={"name": "admin", "password": browser.password})
    changed = {"present": browser.password, "password": "another horse battery"}
    assert (await browser.post("/account/password", data={**changed, "present": "a guess"})).status_code == 422
    assert (await browser.post("/account/password", data=changed)).status_code == 303
    assert await signed_in(browser)


async def test_another_browser_is_signed_out(browser: httpx2.AsyncClient) -> None:
    numbers = re.findall(r"/account/sign-ins/(\d+)/end", (await browser.get("/account")).text)
    assert len(numbers) == 1
    assert (await browser.post(f"/account/sign-ins/{numbers[0]}/end")).status_code == 303
    assert not await signed_in(browser)


class Authenticator:
    """A security key in software: it makes passkeys without attestation, and signs with them (WebAuthn section 6)."""

    def __init__(self, origin: str = ORIGIN) -> None:
        self.origin = origin
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = b"a credential of this key"
        self.uses = 0

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        self.handle = options["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + cbor2.dumps(key)
        data = self._data(options["rp"]["id"], 0x45) + attested
        answer = {
            "clientDataJSON": encode(self._client_data("webauthn.create", options["challenge"])),
            "attestationObject": encode(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
        }
        return self._credential(answer)

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        self.uses += 1
        data = self._data(options["rpId"], 0x05)
        client_data = self._client_data("webauthn.get", options["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        answer = {
            "clientDataJSON": encode(client_data),
            "authenticatorData": encode(data),
            "signature": encode(signature),
            "userHandle": self.handle,
        }
        return self._credential(answer)

    def _data(self, rp_id: str, flags: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", self.uses)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _credential(self, answer: dict[str, str]) -> dict[str, Any]:
        identity = encode(self.credential_id)
        return {"id": identity, "rawId": identity, "type": "public-key", "response": answer}


def encode(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")


async def add_passkey(browser: httpx2.AsyncClient, key: Authenticator) -> httpx2.Response:
    options = (await browser.post("/account/passkeys/options")).json()
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert b"admin" not in urlsafe_b64decode(options["user"]["id"] + "==")
    return await browser.post("/account/passkeys", json={"credential": key.create(options), "label": "my key"})


async def use_passkey(browser: httpx2.AsyncClient, key: Authenticator) -> httpx2.Response:
    options = (await browser.post("/sign-in/passkey/options")).json()
    return await browser.post("/sign-in/passkey", json={"credential": key.get(options), "next": "/users"})


async def test_a_passkey_signs_in_by_itself(browser: httpx2.AsyncClient) -> None:
    key = Authenticator()
    assert (await add_passkey(browser, key)).status_code == 204
    await enrol(browser)
    await browser.post("/sign-out")
    answer = await use_passkey(browser, key)
    assert (answer.status_code, answer.json()) == (200, {"next": "/users"})
    shown = (await browser.get("/account")).text
    assert "my key" in shown
    assert "passkey</td>" in shown
    number = re.search(r"/account/passkeys/(\d+)/remove", shown)
    assert number is not None
    await browser.post(f"/account/passkeys/{number[1]}/remove")
    await browser.post("/sign-out")
    assert (await use_passkey(browser, key)).status_code == 401


async def test_a_passkey_that_was_copied_replayed_or_made_elsewhere_is_refused(browser: httpx2.AsyncClient) -> None:
    assert (await add_passkey(browser, Authenticator("https://coati.test.evil.example"))).status_code == 422
    key = Authenticator()
    await add_passkey(browser, key)
    await browser.post("/sign-out")
    options = (await browser.post("/sign-in/passkey/options")).json()
    signed = {"credential": key.get(options)}
    assert (await browser.post("/sign-in/passkey", json=signed)).status_code == 200
    assert (await browser.post("/sign-in/passkey", json=signed)).status_code == 401
    key.uses = 0  # a copy that does not know how often the other was used
    assert (await use_passkey(browser, key)).status_code == 401
    key.uses, key.origin = 10, "https://elsewhere.example"
    assert (await use_passkey(browser, key)).status_code == 401
    stranger = Authenticator()
    stranger.credential_id, stranger.handle = b"never seen before", key.handle
    assert (await use_passkey(browser, stranger)).status_code == 401


async def test_who_changes_the_password_in_the_first_steps_goes_on_with_them(browser: httpx2.AsyncClient) -> None:
    await browser.post("/sign-in", data={"name": "admin", "password": browser.password})
    assert 'href="/account?next=/setup/name#password"' in (await browser.get("/setup/password")).text
    assert (
        '<input type="hidden" name="next" value="/setup/name">' in (await browser.get("/account?next=/setup/name")).text
    )
    asked = {"present": "not this one", "password": "battery horse correct", "next": "/setup/name"}
    refused = await browser.post("/account/password", data=asked)
    assert (refused.status_code, 'value="/setup/name"' in refused.text) == (422, True)
    changed = await browser.post("/account/password", data=asked | {"present": browser.password})
    assert (changed.status_code, changed.headers["location"]) == (303, "/setup/name")

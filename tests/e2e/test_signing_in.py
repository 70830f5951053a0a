"""Signing in by a passkey, in a real browser with a virtual authenticator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page


def test_a_passkey_is_added_and_signs_in(bare: object, open_page: Callable[..., Page]) -> None:  # noqa: ARG001
    page = open_page("/account")
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    key = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": key})
    page.get_by_label("Name for a new one").fill("my telephone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("my telephone")).to_be_visible()
    page.goto("/sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.goto("/account")
    expect(page.get_by_role("cell", name="passkey").first).to_be_visible()

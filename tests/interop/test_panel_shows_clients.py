"""An administrator watches real clients on the panel: they come, fall silent, come back, and go when told to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from appliance.settings import Settings
from tests.e2e.appliance import Appliance
from tests.e2e.conftest import ARTEFACTS, CHROMIUM, FLAGS
from tests.e2e.signing_in import sign_in
from tests.interop.lab import office, proofs
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.conftest import Clients
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.network import Network

pytestmark = [pytest.mark.ours, pytest.mark.appliance, pytest.mark.browser]

_PASSWORD = "a password for the panel"
_PATIENCE_MILLISECONDS = 60_000
# It is on the page after two fifths, and then forgiven for longer than a browser on a busy machine needs to see it.
_LONG_SILENCE_SECONDS = 40


@pytest.fixture
def page(gateway: CoatiGateway, tmp_path: Path) -> Iterator[Page]:
    """The sessions, on a second web process over the gateway's database: it needs nothing else."""
    gateway.coati("admin", "password", "admin", "--password-stdin", stdin=_PASSWORD + "\n")
    settings = Settings(data_dir=gateway.directory / "data", public_name=office.GATEWAY_NAME, user="coati")
    said: list[str] = []
    with Appliance(settings, tmp_path) as panel, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        shown = browser.new_context(ignore_https_errors=True, base_url=panel.url).new_page()
        shown.on("console", lambda message: said.append(message.text))
        shown.goto("/sign-in?next=/sessions")
        sign_in(shown, _PASSWORD)
        yield shown
        browser.close()
    assert said == []


def test_a_client_comes_is_probed_and_is_disconnected(
    clients: Clients, gateway: CoatiGateway, network: Network, page: Page
) -> None:
    expect.set_options(timeout=_PATIENCE_MILLISECONDS)
    expect(page.get_by_text("Nobody is connected")).to_be_visible()
    gateway.change_profile("--dpd-timeout", str(_LONG_SILENCE_SECONDS))
    try:
        client = clients.strongswan(network.home_a)
        client.start(Login(office.ALICE), gateway.authority)
        client.connect()
        row = page.get_by_role("row").filter(has_text=office.ALICE.name)
        expect(row).to_contain_text("alive")
        for shown in (client.virtual_ip, "behind NAT", "hybrid-rsa", "aes256-sha256"):
            expect(row).to_contain_text(shown)

        proofs.ping(network.home_a)
        expect(row).to_contain_text(re.compile(r"\d+ B|kB"))

        row.get_by_role("link", name=office.ALICE.name).first.click()
        said = page.locator("#transcript .ladder")
        for exchange in ("main mode", "Xauth", "Mode Config", "quick mode"):
            expect(said).to_contain_text(exchange)
        expect(said).to_contain_text(f"traffic between {client.virtual_ip}")
        expect(page.locator("#policy")).to_contain_text("profile and pool")
        ARTEFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTEFACTS / "real-client-session.png", full_page=True)
        page.goto("/sessions")

        with client.frozen():
            expect(row).to_contain_text(re.compile(r"probing \d+ of \d+"))
            page.screenshot(path=ARTEFACTS / "real-client-probed.png")
        expect(row).to_contain_text("alive")

        row.get_by_role("link", name="Disconnect").click()
        page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
        eventually(lambda: not client.is_up(), within=60, what="the client has heard of it")
        expect(page.get_by_text("Nobody is connected")).to_be_visible()
        page.goto("/sessions?which=ended")
        expect(page.get_by_role("row").filter(has_text=office.ALICE.name).first).to_contain_text("administrator")
    finally:
        gateway.change_profile("--dpd-timeout", str(office.DPD_TIMEOUT_SECONDS))

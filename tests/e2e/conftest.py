"""A browser in front of a running appliance: whatever it says on its console fails the test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SettingDefinition
from tests.e2e.appliance import Appliance
from tests.e2e.signing_in import sign_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
_PATIENCE_MILLISECONDS = 60_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what was measured, for whoever runs the suite."""
    measured = [
        f"{report.head_line}: {name}: {value}"
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if "tests/e2e/" in report.nodeid
    ]
    if measured:
        terminalreporter.section("measured in the browser")
        for line in measured:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """One web process for all tests, with a database that ``furnished`` and ``bare`` fill and empty."""
    with Appliance.prepare(tmp_path_factory.mktemp("appliance")) as running:
        # One sign-in serves all tests of a file, however long they take.
        running.do(lambda work: settings.define(work, "panel_proof_minutes", SettingDefinition(value=600)))
        yield running


@pytest.fixture
def bare(appliance: Appliance) -> Appliance:
    """The appliance as it is after its first start."""
    appliance.empty()
    return appliance


@pytest.fixture
def furnished(appliance: Appliance) -> Appliance:
    """The appliance in use."""
    appliance.empty()
    appliance.furnish()
    return appliance


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. It ends with the file: while playwright runs, no other test of this process can have an event loop."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, appliance: Appliance) -> Any:
    """The cookies of an administrator, who signed in once for all tests of a file."""
    context = browser.new_context(ignore_https_errors=True, base_url=appliance.url)
    page = context.new_page()
    page.goto("/sign-in")
    sign_in(page, appliance.administrator_password)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible(timeout=_PATIENCE_MILLISECONDS)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_page(browser: Browser, signed_in: Any, appliance: Appliance) -> Iterator[Callable[..., Page]]:
    """Opens pages in contexts of their own; afterwards no console may have said a word."""
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def open_one(path: str = "/", *, state: Any = signed_in, url: str = appliance.url, **options: Any) -> Page:
        context = browser.new_context(
            ignore_https_errors=True, base_url=url, storage_state=state, **{"reduced_motion": "reduce"} | options
        )
        context.set_default_timeout(_PATIENCE_MILLISECONDS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text} {message.location}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    # What a form refuses, and whoever is not signed in, is answered by 4xx, and the browser says so.
    assert [words for words in said if not re.search("status of (401|422)", words)] == []


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """The overview, for who is signed in, on a workstation."""
    return open_page(viewport={"width": 1280, "height": 900})


expect.set_options(timeout=_PATIENCE_MILLISECONDS)

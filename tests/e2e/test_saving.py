"""Two administrators at one form, what a save does to who is connected, and the way back; with a script and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.e2e.conftest import ARTEFACTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.appliance import Appliance

SCREENS = ARTEFACTS / "screens"


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_two_at_one_form(
    bare: Appliance,  # noqa: ARG001
    open_page: Callable[..., Page],
    script: bool,
) -> None:
    mine = open_page("/pools/default/change", java_script_enabled=script)
    theirs = open_page("/pools/default/change", java_script_enabled=script)
    theirs.get_by_label("DNS servers", exact=True).fill("10.0.0.53")
    theirs.get_by_label("Default domain").fill(f"theirs-{int(script)}.net")
    theirs.get_by_role("button", name="Save").click()
    mine.get_by_label("Default domain").fill("mine.net")
    mine.get_by_label("Banner").fill("Welcome")
    mine.get_by_role("button", name="Save").click()
    expect(mine.get_by_role("alert")).to_contain_text("administrator admin changed this")
    expect(mine.get_by_label("dns: leave it as it is now")).to_be_checked()
    expect(mine.get_by_label("domain: leave it as it is now")).not_to_be_checked()
    expect(mine.get_by_label("Banner")).to_have_value("Welcome")
    mine.get_by_role("button", name="Save").last.click()
    expect(mine.locator("#note")).to_have_text("Saved.")
    expect(mine.get_by_text("mine.net")).to_be_visible()
    expect(mine.get_by_text("10.0.0.53")).to_be_visible()
    mine.goto("/configuration?noun=pool")
    mine.get_by_role("link", name="pool default").nth(1).click()
    mine.get_by_role("button", name="To the state before it").click()
    expect(mine.get_by_text("Nobody who is connected is concerned.")).to_be_visible()
    mine.get_by_role("button", name="Save").click()
    expect(mine.locator("#note")).to_have_text("It is as it was.")


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_what_a_save_does_is_shown_first(
    furnished: Appliance,  # noqa: ARG001
    open_page: Callable[..., Page],
    script: bool,
) -> None:
    page = open_page("/profiles/default/change", java_script_enabled=script, bypass_csp=script)
    page.get_by_label("Serves clients").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Save these changes?")).to_be_visible()
    expect(page.get_by_text("refused next time")).to_be_visible()
    expect(page.get_by_text("alice, bob").or_(page.get_by_text("dave, carol"))).to_be_visible()
    if script:
        SCREENS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENS / "preview-light.png", full_page=True)
        assert Axe().run(page).response["violations"] == []
    page.get_by_role("button", name="Back to the form").click()
    expect(page.get_by_label("Serves clients")).not_to_be_checked()
    page.get_by_label("Serves clients").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#note")).to_have_text("Saved.")

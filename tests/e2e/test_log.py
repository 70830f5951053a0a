"""The log moves by itself, can be held, and is a page like any other without a script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from appliance.logs.record import Record
from appliance.models.columns import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.appliance import Appliance


def write(appliance: Appliance, event: str, level: str = "info") -> None:
    record = Record(appliance.settings.data_dir)
    record.append({"event": event, "level": level, "process": "gateway", "timestamp": now().isoformat()})
    record.close()


def test_new_lines_come_in_unless_it_is_held(furnished: Appliance, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto("/logs")
    expect(page.get_by_text("client refused").first).to_be_visible()
    expect(page.locator("#live-dot.live")).to_be_visible()
    write(furnished, "somebody came")
    expect(page.locator(".log li").first).to_contain_text("somebody came")
    page.get_by_label("At least").select_option("warning")
    expect(page.get_by_text("somebody came")).to_have_count(0)
    write(furnished, "trouble", "warning")
    expect(page.locator(".log li").first).to_contain_text("trouble")
    page.get_by_role("link", name="Hold").click()
    expect(page.get_by_text("Held: nothing moves here.")).to_be_visible()
    expect(page.locator("#live-dot.live")).to_be_visible()
    write(furnished, "more trouble", "warning")
    page.wait_for_timeout(2_500)  # longer than a signal takes
    expect(page.get_by_text("more trouble")).to_have_count(0)
    page.get_by_role("link", name="Go on with the latest").click()
    expect(page.locator(".log li").first).to_contain_text("more trouble")


def test_without_a_script(furnished: Appliance, open_page: Callable[..., Page]) -> None:  # noqa: ARG001
    page = open_page(java_script_enabled=False)
    page.goto("/logs")
    page.get_by_label("Text, user, address").fill("198.51.100.99")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".log li")).to_have_count(1)
    page.goto("/sessions?which=ended")
    page.locator("tbody tr[id^=s] a").first.click()
    expect(page.get_by_text("quick mode").first).to_be_visible()
    page.get_by_role("link", name="look it up").click()
    expect(page).to_have_url(re.compile(r"/logs\?session=\d+"))


def test_a_session_brings_its_log_and_a_refusal_its_transcript(
    furnished: Appliance,  # noqa: ARG001
    open_page: Callable[..., Page],
) -> None:
    page = open_page()
    page.goto("/sessions?which=ended")
    page.locator("tbody tr[id^=s] a").first.click()
    expect(page.get_by_text("Nothing is in the log about it (any more).")).to_be_visible()
    page.goto("/refusals?text=mallory")
    page.locator("tbody tr[id^=r] a").first.click()
    expect(page.locator(".ladder li").first).to_be_visible()
    expect(page.locator("#log li")).to_contain_text("client refused")
    page.get_by_role("link", name="Set a new password").click()
    expect(page.locator("#f-password")).to_be_visible()

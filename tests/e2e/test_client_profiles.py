"""An administrator gives a user the file for a client, or a link that works once, with a script and without."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.appliance import Appliance


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_a_file_and_a_link(
    furnished: Appliance,  # noqa: ARG001
    open_page: Callable[..., Page],
    script: bool,
) -> None:
    page = open_page("/users/alice", java_script_enabled=script)
    page.get_by_role("link", name="Set up a client").click()
    expect(page.get_by_role("heading", name="Set up a client for alice")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("row").filter(has_text="iPhone").get_by_role("link", name="Download").click()
    assert started.value.suggested_filename.endswith(".mobileconfig")
    page.get_by_label("For", exact=True).select_option(label="vpnc")
    page.get_by_role("button", name="Make a link").click()
    url = page.locator(".attention code").inner_text()
    expect(page.locator(".attention .qr svg")).to_be_visible()
    guest = open_page(urlsplit(url).path, state=None, java_script_enabled=script)
    with guest.expect_download():
        guest.get_by_role("button", name="Fetch it").click()
    page.goto("/client-profiles?user=alice")
    row = page.locator("tr[id^=d]").first
    expect(row).to_contain_text("used")
    row.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator("#note")).to_have_text("The link gives nothing any more.")

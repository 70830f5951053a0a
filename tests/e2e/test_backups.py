"""An administrator makes a backup, downloads and verifies it, thinks better of a replacement, and brings one back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.appliance import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.appliance import Appliance


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_the_life_of_a_backup(
    furnished: Appliance,  # noqa: ARG001
    open_page: Callable[..., Page],
    script: bool,
) -> None:
    page = open_page("/backups", java_script_enabled=script)
    page.get_by_label("Passphrase", exact=True).fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#note")).to_contain_text("The backup is made.")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    assert started.value.suggested_filename.endswith(".coati-backup")
    content = page.request.get(f"{page.url}/file").body()
    assert content.startswith(b"COATI BACKUP")
    page.get_by_label("Its passphrase").fill(PASSWORD)
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("heading", name="It is good")).to_be_visible()
    page.get_by_label("Passphrase of the backup").fill(PASSWORD)
    page.get_by_label("Type replace to confirm").fill("replace")
    page.get_by_role("button", name="Replace this installation").click()
    expect(page.get_by_role("heading", name="takes this installation's place")).to_be_visible()
    page.get_by_role("button", name="Keep the present installation").click()
    expect(page.locator("#note")).to_have_text("This installation stays.")
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#note")).to_have_text("The backup was removed.")
    backup = {"name": "from-elsewhere.coati-backup", "mimeType": "application/octet-stream", "buffer": content}
    for passphrase, words in (("another one", "the passphrase is wrong"), (PASSWORD, "It is good")):
        page.get_by_label("Backup", exact=True).set_input_files(files=[backup])  # type: ignore[list-item]
        page.get_by_label("Its passphrase").fill(passphrase)
        page.get_by_role("button", name="Send it").click()
        expect(page.get_by_text(words).first).to_be_visible()  # a note is read aloud as well
    expect(page.locator("#note")).to_have_text("It is good: it was restored on trial, and is kept here now.")

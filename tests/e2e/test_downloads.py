"""Every link of the panel that gives a file gives it, whole and under its name."""

from __future__ import annotations

import csv
import io
import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from playwright.sync_api import expect

from tests.e2e.test_screens import addresses

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.appliance import Appliance

_HREF = re.compile(r'<a\b[^>]*? href="([^"]*)"')
AMONG_THEM = (
    *("/ca.pem", "/ca.cer", "/crl/", "/client-profiles/file", "/backups/", "/certificates/requests/", "/logs"),
    *("/sessions", "/history", "/refusals", "/users", "/audit"),
)


def test_what_is_exported_is_what_the_filter_shows(furnished: Appliance, page: Page) -> None:  # noqa: ARG001
    page.goto("/users")
    page.get_by_role("searchbox", name="Login or full name").fill("bob")
    expect(page.locator("caption", has_text="1 user")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(started.value.path().read_text())))
    assert [row["name"] for row in rows] == ["bob"]
    page.get_by_text("As API call").click()
    expect(page.locator("#api-call code")).to_contain_text("/api/v1/users?text=bob'")


@pytest.mark.timeout(900)
def test_every_link_that_gives_a_file(furnished: Appliance, open_page: Callable[..., Page]) -> None:
    page = open_page()
    where: dict[str, str] = {}
    for path in addresses(page).values():
        # As it comes: to have each drawn would take longer than all the rest.
        answer = page.request.get(path)
        for href in _HREF.findall(answer.text().partition("<main")[2].partition("</main>")[0]):
            link = urldefrag(urljoin(answer.url, unescape(href))).url
            if link.startswith(furnished.url):
                where.setdefault(link, path)
    files = {
        href: (answer.headers["content-disposition"], bool(answer.body()))
        for href in where
        if "content-disposition" in (answer := page.request.get(href, max_redirects=0)).headers
    }
    here = ""
    for href, (disposition, something) in sorted(files.items(), key=lambda file: where[file[0]]):
        if where[href] != here:
            here = where[href]
            page.goto(here)
        link = page.locator("main a[href]").evaluate_all("(links, to) => links.findIndex((a) => a.href === to)", href)
        with page.expect_download() as started:
            page.locator("main a[href]").nth(link).evaluate("link => link.click()")
        assert started.value.failure() is None, href
        assert disposition == f'attachment; filename="{started.value.suggested_filename}"'
        assert bool(started.value.path().stat().st_size) == something, href
    for path in AMONG_THEM:
        assert any(urlsplit(href).path.startswith(path) for href in files), path

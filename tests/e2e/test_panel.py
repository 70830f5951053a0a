"""What an administrator does in the panel in a real browser: by mouse, by keys, on a phone, among ten thousand."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from sqlalchemy import insert

from appliance import models
from appliance.models.columns import now
from tests.e2e import appliance as furniture
from tests.e2e.appliance import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from appliance.installation import Transaction
    from tests.e2e.appliance import Appliance

# The goal is 0.5 s on a machine that does nothing else; the bound is for one that runs ten other things (1.1 s there).
MOST_PAINT_MILLISECONDS = 5_000
PHONE = {"width": 390, "height": 844}


def test_the_chosen_are_disconnected_and_blocked(furnished: Appliance, page: Page) -> None:
    page.goto("/sessions?sort=user")
    page.get_by_role("checkbox", name="Select the session of alice").check()
    page.get_by_role("checkbox", name="Select the session of bob").check()
    page.get_by_role("button", name="Disconnect the 2 selected").click()
    dialog = page.get_by_role("dialog", name="Confirm")
    expect(dialog.get_by_role("heading")).to_have_text("Disconnect 2 sessions?")
    dialog.get_by_label("Disable these users as well").check()
    dialog.get_by_role("button", name="Disconnect 2 sessions").click()
    expect(page.locator("#note")).to_have_text("2 of 2 told to disconnect and blocked.")
    assert [verb for verb, _ in furnished.told_to_end()][:2] == ["disconnect", "disconnect"]
    page.goto("/users")
    expect(page.get_by_role("row").filter(has_text="alice")).to_contain_text("disabled")


def test_a_dialog_that_is_cancelled_does_nothing(furnished: Appliance, page: Page) -> None:
    page.goto("/sessions")
    page.get_by_role("row").filter(has_text="erin").get_by_role("link", name="Disconnect").click()
    dialog = page.get_by_role("dialog", name="Confirm")
    expect(dialog).to_be_visible()
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert furnished.told_to_end() == []


def test_keys(furnished: Appliance, page: Page) -> None:  # noqa: ARG001
    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page).to_have_url(re.compile("/users$"))
    expect(page.locator("html")).to_have_class("scripted")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Go to")
    page.keyboard.type("carol")
    expect(palette.get_by_role("link", name="carol user")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="carol", level=1)).to_be_visible()
    page.goto("/profiles")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()


def test_the_main_deeds_by_keys_alone(furnished: Appliance, page: Page) -> None:
    def tab_to(words: str) -> None:
        for _ in range(90):
            page.keyboard.press("Tab")
            here = page.evaluate("document.activeElement.textContent.trim()")
            if here == words:
                return
        raise AssertionError(f"no key leads to {words}")

    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Users")).to_be_visible()
    tab_to("Add a user")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Login", exact=True)).to_be_focused()
    page.keyboard.type("gina")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    tab_to("Add")
    page.keyboard.press("Enter")
    expect(page.locator("#note")).to_have_text("gina was added.")
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    tab_to("Disconnect")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Confirm")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.evaluate("document.activeElement.textContent") == "Disconnect"
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    tab_to("Disconnect")
    page.keyboard.press("Enter")
    expect(page.locator("#note")).to_contain_text("1 of 1 told to disconnect")
    assert [verb for verb, _ in furnished.told_to_end()].count("disconnect") == 1


def test_many_users_are_chosen_and_disabled(furnished: Appliance, page: Page) -> None:  # noqa: ARG001
    page.goto("/users")
    page.get_by_role("checkbox", name="Select all on this page").check()
    expect(page.get_by_text("5 selected:")).to_be_visible()
    page.get_by_role("checkbox", name="Select erin").uncheck()
    page.get_by_role("button", name="Disable").click()
    dialog = page.get_by_role("dialog", name="Confirm")
    expect(dialog.get_by_role("heading")).to_have_text("Disable 4 users?")
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Disable 4 users").click()
    expect(page.locator("#note")).to_have_text("4 of 4 were disabled.")


def test_all_that_match_are_chosen_and_not_only_the_page(furnished: Appliance, page: Page) -> None:
    _put_users(furnished, 70)
    page.goto("/users?text=temp")
    page.get_by_role("checkbox", name="Select all on this page").check()
    expect(page.get_by_text("50 selected:")).to_be_visible()
    page.get_by_label("all 70 users that match, not only this page").check()
    expect(page.get_by_text("70 selected:")).to_be_visible()
    page.get_by_role("button", name="Disable").click()
    dialog = page.get_by_role("dialog", name="Confirm")
    expect(dialog).to_contain_text("All 70 users with text “temp”")
    dialog.get_by_label("Type 70 to confirm").fill("70")
    dialog.get_by_role("button", name="Disable 70 users").click()
    expect(page.locator("#note")).to_have_text("70 of 70 were disabled.")


def test_heads_stay_in_sight_and_what_is_too_wide_can_be_scrolled(furnished: Appliance, page: Page) -> None:
    _put_users(furnished, 70)
    page.goto("/users")
    table = page.locator(".scroll")
    expect(table).to_have_class(re.compile("fits"))
    page.get_by_role("link", name="temp40").scroll_into_view_if_needed()
    head = page.get_by_role("columnheader", name="Login ▲")
    expect(head).to_be_in_viewport(ratio=1)
    page.goto("/sessions")
    expect(table).to_have_class(re.compile("fits"))
    page.set_viewport_size({"width": 900, "height": 700})
    expect(table).not_to_have_class(re.compile("fits"))
    expect(table).to_have_attribute("tabindex", "0")
    assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "auto"


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_times_are_those_of_the_readers_clock(
    furnished: Appliance,
    open_page: Callable[..., Page],
    script: bool,
) -> None:
    """A browser in Berlin; where it runs no script, the setting tells the zone."""
    at = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    seen = {"node": "gw-1", "peer_address": "198.51.100.7", "peer_port": 4500, "profile": "default"}
    furnished.add(models.Event(kind="login", user="late", realm="local", at=at, **seen))
    page = open_page("/settings", timezone_id="Europe/Berlin", java_script_enabled=script)
    if not script:
        page.get_by_label("Time zone").fill("Europe/Berlin")
        page.get_by_role("button", name="Save").click()
    page.goto("/history?since=2026-07-02&until=2026-07-02")
    expect(page.get_by_role("row").filter(has_text="late")).to_contain_text("2026-07-02 01:30:00")
    expect(page.locator("footer")).to_contain_text("times in Europe/Berlin")
    if not script:
        page.goto("/settings")
        page.get_by_label("Time zone").fill("")
        page.get_by_role("button", name="Save").click()


def _put_users(appliance: Appliance, number: int) -> None:
    many = [{"name": f"temp{each:02}", "password_hash": "x"} for each in range(number)]

    async def put(work: Transaction) -> None:
        await work.session.execute(insert(models.User), many)

    appliance.do(put)


def test_colours_change_at_once_and_stay(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_text("admin", exact=True).click()
    with page.expect_response("**/scheme"):
        page.get_by_role("button", name="Dark").click()
    assert page.evaluate(ground) != light
    page.goto("/users")
    assert page.evaluate("document.documentElement.dataset.scheme") == "dark"
    assert page.evaluate(ground) != light


def test_copying_says_so(furnished: Appliance, open_page: Callable[..., Page]) -> None:  # noqa: ARG001
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    begun = now()
    page.clock.install(time=begun)
    page.clock.pause_at(begun + timedelta(seconds=1))
    page.goto("/connect")
    page.get_by_role("button", name="Copy vpn.example.net").click()
    expect(page.locator("#spoken")).to_have_text("Copied.")
    page.clock.run_for(1_000)  # by now the page has looked for a note to be read aloud
    expect(page.locator("#spoken")).to_have_text("Copied.")
    page.clock.run_for(5_000)
    expect(page.locator("#spoken")).to_have_text("")
    assert page.evaluate("navigator.clipboard.readText()") == "vpn.example.net"


def test_a_phone(furnished: Appliance, open_page: Callable[..., Page]) -> None:  # noqa: ARG001
    page = open_page("/", viewport=PHONE, has_touch=True)
    expect(page.get_by_role("link", name="Profiles")).to_be_hidden()
    page.get_by_text("Pages", exact=True).tap()
    page.get_by_role("link", name="Sessions", exact=True).tap()
    page.get_by_role("columnheader", name="User").get_by_role("link").tap()
    expect(page).to_have_url(re.compile("sort=user"))
    card = page.get_by_role("row").filter(has_text="alice")
    card.get_by_role("link", name="Disconnect").tap()
    expect(page.get_by_role("dialog", name="Confirm")).to_be_visible()


def test_the_first_view_is_light_and_quick(
    furnished: Appliance,  # noqa: ARG001
    open_page: Callable[..., Page],
    record_property: Callable[[str, object], None],
) -> None:
    page = open_page("about:blank", viewport={"width": 1280, "height": 900})
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    octets: list[int] = []
    network.on("Network.loadingFinished", lambda event: octets.append(event["encodedDataLength"]))
    page.goto("/")
    # Waiting in the page would evaluate a text there, which the policy forbids.
    while (painted := page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")) is None:
        page.wait_for_timeout(50)
    record_property("first view", f"{sum(octets)} octets in {len(octets)} files, painted after {painted:.0f} ms")
    assert sum(octets) < 60_000
    assert painted < MOST_PAINT_MILLISECONDS


@pytest.mark.timeout(300)
def test_ten_thousand_sessions_are_usable(
    bare: Appliance, open_page: Callable[..., Page], record_property: Callable[[str, object], None]
) -> None:
    """Seen, searched, sorted, turned over and followed live, each within what a person waits for."""

    async def put(work: Transaction) -> None:
        at = now()
        rows = [
            {"node": "gw-1", "peer_id": number, "user": f"user{number % 3000}", "profile": "default"}
            | {"authentication": "hybrid-rsa", "mode": "main", "virtual_ip": f"10.{number // 250}.0.{number % 250}"}
            | {"peer_address": f"198.51.{number // 250}.{number % 250}", "peer_port": 4500, "pool": "default"}
            | {"started_at": at - timedelta(seconds=number), "octets_in": number * 7919 % 1_000_003}
            for number in range(10_000)
        ]
        await work.session.execute(insert(models.Session), rows)

    bare.do(put)
    page = open_page("/sessions", viewport={"width": 1280, "height": 900})
    rows = page.locator("tbody tr")

    def waited(deed: Callable[[], object], shown: Callable[[], object]) -> str:
        began = time.monotonic()
        deed()
        shown()
        return f"{(time.monotonic() - began) * 1000:.0f} ms"

    took = {
        "shown": waited(
            lambda: page.goto("/sessions"),
            lambda: expect(page.get_by_text("10,000 sessions", exact=True)).to_be_visible(),
        ),
        "searched": waited(
            lambda: page.get_by_role("searchbox", name="User, profile").fill("user2999"),
            lambda: expect(rows).to_have_count(3),
        ),
        "sorted": waited(
            lambda: page.goto("/sessions?sort=-octets_in"),
            lambda: expect(page.get_by_text("Page 1 of 200")).to_be_visible(),
        ),
        "turned over": waited(
            lambda: page.get_by_role("link", name="Next").click(),
            lambda: expect(page.get_by_text("Page 2 of 200")).to_be_visible(),
        ),
    }
    page.goto("/sessions")
    expect(page.locator("#live-dot")).to_have_text("live")
    took["followed live"] = waited(
        lambda: bare.add(furniture.session(77, user="late", peer_id=77_777, started_at=now())),
        lambda: expect(page.get_by_role("row").filter(has_text="late")).to_be_visible(),
    )
    expect(rows).to_have_count(50)
    took["overview"] = waited(
        lambda: page.goto("/"), lambda: expect(page.locator(".tile strong").first).to_have_text("10001")
    )
    for name, words in took.items():
        record_property(f"10,000 sessions, {name}", words)

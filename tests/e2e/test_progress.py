"""Whatever takes longer than a blink says that it works, is not sent twice, and ends however it is answered."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import TYPE_CHECKING, Any, Self

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

from appliance.models.columns import now
from tests.e2e import appliance as furniture
from tests.e2e.appliance import PASSWORD
from tests.e2e.conftest import ARTEFACTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page, Request, Route

    from tests.e2e.appliance import Appliance

SCREENS = ARTEFACTS / "screens"
WORKSTATION = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
PATIENCE_SECONDS = 60
_A_BLINK_MILLISECONDS = 300  # progress.js says it after 400

_WATCH = """() => {
  window.worked = false;
  const look = () => { window.worked ||= document.documentElement.classList.contains("working"); };
  new MutationObserver(look).observe(document.documentElement, { attributes: true });
}"""


class Slow:
    """An appliance that answers when the test says so, and what a page asked of it."""

    def __init__(self, page: Page, appliance: Appliance, address: str, method: str = "GET") -> None:
        self._page = page
        self._appliance = appliance
        self._wanted = re.compile(address)
        self._method = method
        self._asked = 0

    def __enter__(self) -> Self:
        self._page.wait_for_load_state()
        self._appliance.pause()
        self._page.on("request", self._count)
        return self

    def __exit__(self, *_: object) -> None:
        self._page.remove_listener("request", self._count)
        self._appliance.go_on()

    def _count(self, request: Request) -> None:
        self._asked += request.method == self._method and bool(self._wanted.search(request.url))

    def was_asked(self, times: int) -> None:
        """See that it was asked so many times and no more; Chromium tells of requests when it comes to it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self._asked < times:
            assert time.monotonic() < end
            self._page.wait_for_timeout(50)
        assert self._asked == times


class Beside:
    """Looks at a page from a window beside it: nobody who drives Chromium is let see one that is being left."""

    def __init__(self, page: Page) -> None:
        with page.expect_popup() as opened:
            page.evaluate("void window.open('about:blank')")
        self._window = opened.value
        self._browser = page.context.new_cdp_session(page)
        page.bring_to_front()

    def tell(self, expression: str) -> Any:
        return self._window.evaluate(
            f"() => {{ const window = opener, {{ document }} = opener; return {expression}; }}"
        )

    def press(self, selector: str, times: int = 1) -> None:
        """Press a button or follow a link, as impatiently as is said."""
        for _ in range(times):
            self.tell(f"document.querySelector(`{selector}`).click()")

    def works(self) -> list[str]:
        """Wait until the page says that it works; gives what is on the buttons that do."""
        self._until("document.documentElement.classList.contains('working')")
        assert self.tell("document.querySelector('#progress [role=status]').textContent") == "Working…"
        return self.tell("[...document.querySelectorAll('[aria-busy=true]')].map((button) => button.textContent)")

    def rests(self) -> None:
        busy = "document.documentElement.classList.contains('working') || document.querySelector('[aria-busy]')"
        self._until(f"!({busy})")

    def _until(self, expression: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.tell(expression):
            assert time.monotonic() < end, expression
            self._window.wait_for_timeout(50)

    def look(self, name: str) -> None:
        """Keep a screenshot, and let axe look."""
        shot = self._browser.send("Page.captureScreenshot")
        SCREENS.mkdir(parents=True, exist_ok=True)
        (SCREENS / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
        self.tell(f"void window.eval({json.dumps(AXE_SCRIPT)})")
        assert self.tell("window.axe.run().then((found) => found.violations.map((each) => each.id))") == []


def rests(page: Page) -> None:
    expect(page.locator("html")).not_to_have_class(re.compile("working"))
    expect(page.locator("[aria-busy]")).to_have_count(0)


@pytest.mark.parametrize("looks", ["light", "dark", "phone"])
def test_a_form_says_that_it_works_and_is_sent_once(
    bare: Appliance, open_page: Callable[..., Page], looks: str
) -> None:
    how = {"viewport": PHONE} if looks == "phone" else {"viewport": WORKSTATION}
    page = open_page("/users/add", bypass_csp=True, color_scheme="dark" if looks == "dark" else "light", **how)
    beside = Beside(page)
    page.get_by_label("Login", exact=True).fill("fred")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    with Slow(page, bare, "/users$", "POST") as slow:
        beside.press("#main form button", times=2)
        assert beside.works() == ["Add"]
        beside.press("#main form button")
        beside.look(f"working-{looks}")
        slow.was_asked(1)
    expect(page.locator("#note")).to_have_text("fred was added.")
    rests(page)


def test_what_is_quick_does_not_flicker(furnished: Appliance, page: Page) -> None:  # noqa: ARG001
    page.clock.install(time=now())
    page.goto("/settings")
    page.clock.pause_at(page.evaluate("Date.now() + 2_000") / 1_000)  # what follows takes no time, for the page
    page.evaluate(_WATCH)
    page.evaluate("void htmx.ajax('GET', '/search?text=a', { target: '#dialog-content' })")
    page.clock.run_for(_A_BLINK_MILLISECONDS)
    expect(page.locator("#dialog-content .found")).to_have_count(1)
    page.clock.run_for(1_000)
    rests(page)
    assert not page.evaluate("window.worked")


def test_a_page_a_dialog_and_a_list_that_take_their_time(furnished: Appliance, open_page: Callable[..., Page]) -> None:
    page = open_page("/", viewport=WORKSTATION, bypass_csp=True)
    beside = Beside(page)
    with Slow(page, furnished, "/sessions$"):
        beside.press(".side a[href='/sessions']")
        assert beside.works() == []
        beside.look("working-page")
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    rests(page)
    beside = Beside(page)

    with Slow(page, furnished, "/sessions/disconnect"):
        beside.press("td a[href^='/sessions/disconnect']")
        beside.works()
    dialog = page.get_by_role("dialog", name="Confirm")
    expect(dialog).to_be_visible()
    rests(page)
    with Slow(page, furnished, "/sessions/disconnect", "POST"):
        beside.press("#dialog form button")
        assert beside.works() == ["Disconnect"]
        assert beside.tell("document.querySelector('#dialog #progress') !== null")
        beside.look("working-dialog")
    expect(page.locator("#note")).to_contain_text("told to disconnect")

    beside = Beside(page)
    with Slow(page, furnished, "text=bob"):
        page.get_by_role("searchbox", name="User, profile").fill("bob")
        beside.works()
    expect(page.locator("caption", has_text="1 session with")).to_be_visible()
    rests(page)


def test_what_follows_by_itself_does_not_end_what_one_waits_for(furnished: Appliance, page: Page) -> None:
    followed: list[Route] = []
    asked: list[Route] = []
    page.goto("/sessions")
    expect(page.locator("#live-dot")).to_have_text("live")
    page.route(re.compile("/sessions$"), lambda route: followed.append(route))  # noqa: PLW0108  playwright marks what it is given
    page.route(re.compile("/sessions/disconnect"), lambda route: asked.append(route))  # noqa: PLW0108
    furnished.add(furniture.session(30, user="zoe"))
    while not followed:
        page.wait_for_timeout(50)
    page.get_by_role("row").filter(has_text="bob").get_by_role("link", name="Disconnect").click()
    while not asked:
        page.wait_for_timeout(50)
    followed[0].continue_()
    expect(page.get_by_role("row").filter(has_text="zoe")).to_be_visible()
    expect(page.locator("html")).to_have_class(re.compile("working"))
    page.wait_for_timeout(1_000)
    expect(page.locator("html")).to_have_class(re.compile("working"))
    asked[0].continue_()
    expect(page.get_by_role("dialog", name="Confirm")).to_be_visible()
    rests(page)
    page.unroute_all(behavior="ignoreErrors")


def test_a_page_that_follows_by_itself_says_nothing(furnished: Appliance, page: Page) -> None:
    page.goto("/sessions")
    expect(page.locator("#live-dot")).to_have_text("live")
    held: list[Route] = []
    page.route(re.compile("/sessions$"), lambda route: held.append(route))  # noqa: PLW0108  playwright marks what it is given
    page.evaluate(_WATCH)
    furnished.add(furniture.session(30, user="zoe"))
    while not held:
        page.wait_for_timeout(50)
    page.wait_for_timeout(2_000)  # several times what a blink is
    assert len(held) == 1
    assert not page.evaluate("window.worked")
    held[0].continue_()
    expect(page.get_by_role("row").filter(has_text="zoe")).to_be_visible()


def test_a_file_ends_the_waiting_for_it(furnished: Appliance, page: Page) -> None:
    page.goto("/client-profiles?user=alice&profile=default")
    beside = Beside(page)
    for _ in range(2):
        with page.expect_download() as started, Slow(page, furnished, "/client-profiles/file", "POST") as slow:
            beside.press("td form[action='/client-profiles/file'] button", times=2)
            assert beside.works() == ["With keys"]
            slow.was_asked(1)
        assert started.value.failure() is None
        beside.rests()
    with page.expect_download(), Slow(page, furnished, "/client-profiles/file"):
        beside.press("td a[href^='/client-profiles/file']")
        assert beside.works() == []
    beside.rests()


def test_who_stops_waiting_can_send_again(furnished: Appliance, page: Page) -> None:
    page.goto("/users/alice")
    beside = Beside(page)
    with Slow(page, furnished, "/users/alice$", "POST") as slow:
        beside.press("form[data-guard] button")
        assert beside.works() == ["Save"]
        beside.tell(
            "document.body.dispatchEvent(new window.KeyboardEvent('keydown', { key: 'Escape', bubbles: true }))"
        )
        beside.rests()
        beside.press("form[data-guard] button")
        assert beside.works() == ["Save"]
        slow.was_asked(2)
    expect(page.locator("#note")).to_contain_text("Saved")


def test_outside_as_well(bare: Appliance, open_page: Callable[..., Page]) -> None:
    page = open_page("/sign-in", state=None, viewport=WORKSTATION, bypass_csp=True)
    beside = Beside(page)
    page.get_by_label("Administrator").fill("admin")
    page.get_by_label("Password").fill(bare.administrator_password)
    with Slow(page, bare, "/sign-in$", "POST"):
        beside.press("form button")
        assert beside.works() == ["Sign in"]
        beside.look("working-sign-in")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_page_that_is_put_by_for_going_back_is_put_by_at_rest(
    bare: Appliance, open_page: Callable[..., Page]
) -> None:
    """Chromium puts no page by whose certificate it does not know, so it is told of it here as it would be."""
    page = open_page("/portal/sign-in", state=None)
    beside = Beside(page)
    page.get_by_label("Login").fill("nobody")
    page.get_by_label("Password").fill(PASSWORD)
    with Slow(page, bare, "/portal/sign-in$", "POST"):
        beside.press("form button")
        assert beside.works() == ["Sign in"]
        beside.tell("window.dispatchEvent(new window.PageTransitionEvent('pagehide', { persisted: true }))")
        beside.rests()
    expect(page.get_by_role("alert")).to_be_visible()

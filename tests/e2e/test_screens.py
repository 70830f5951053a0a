"""Every page as it looks in light, dark and on a phone (kept in artefacts/screens), and what axe finds in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe

from tests.e2e.conftest import ARTEFACTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.appliance import Appliance

SCREENS = ARTEFACTS / "screens"
WORKSTATION = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

PAGES = {
    "overview": "/",
    "sessions": "/sessions",
    "sessions-ended": "/sessions?which=ended",
    "session": "/sessions/{session}",
    "disconnect": "/sessions/disconnect?ids={session}",
    "refusals": "/refusals",
    "refusal": "/refusals/{refusal}",
    "users": "/users",
    "user": "/users/alice",
    "user-add": "/users/add",
    "user-remove": "/users/alice/remove",
    "profiles": "/profiles",
    "profile": "/profiles/default",
    "profile-change": "/profiles/default/change",
    "pools": "/pools",
    "pool": "/pools/default",
    "pool-change": "/pools/default/change",
    "pool-remove": "/pools/default/remove",
    "connect": "/connect",
    "certificates": "/certificates",
    "tokens": "/tokens",
    "changes": "/audit",
    "search": "/search?text=a",
}


def _addresses(page: Page) -> dict[str, str]:
    page.goto("/sessions")
    session = page.locator("tbody tr[id^=s]").first.get_attribute("id")
    page.goto("/refusals")
    refusal = page.locator("tbody tr[id^=r]").first.get_attribute("id")
    assert session is not None
    assert refusal is not None
    return {name: path.format(session=session[1:], refusal=refusal[1:]) for name, path in PAGES.items()}


def test_every_page_light_dark_and_on_a_phone(
    furnished: Appliance,  # noqa: ARG001
    open_page: Callable[..., Page],
) -> None:
    """Axe needs the policy lifted to be put into a page; everywhere else it stays."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    wrong = []
    for scheme in ("light", "dark"):
        page = open_page(viewport=WORKSTATION, color_scheme=scheme, bypass_csp=True)
        for name, path in _addresses(page).items():
            page.goto(path)
            page.screenshot(path=SCREENS / f"{name}-{scheme}.png", full_page=True)
            found = Axe().run(page)
            wrong += [(name, scheme, each["id"], each["nodes"][0]["html"]) for each in found.response["violations"]]
    page = open_page(viewport=PHONE)
    for name, path in _addresses(page).items():
        page.goto(path)
        page.screenshot(path=SCREENS / f"{name}-phone.png", full_page=True)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append((name, "phone", "wider than the screen", ""))
    assert wrong == []


def test_empty_pages_say_the_next_step(bare: Appliance, open_page: Callable[..., Page]) -> None:  # noqa: ARG001
    page = open_page(viewport=WORKSTATION)
    for name, action in {"sessions": "Connect a client", "users": "Add the first user", "refusals": ""}.items():
        page.goto(f"/{name}")
        page.screenshot(path=SCREENS / f"{name}-empty.png")
        if action:
            assert page.locator(".empty a").inner_text() == action
        assert page.locator(".empty p").count() >= 2

"""Every page as it looks in light, dark and on a phone (kept in artefacts/screens), and what axe finds in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from pydantic import SecretStr

from appliance.groups import service as groups
from appliance.groups.schemas import NewGroup
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile
from appliance.users import service as users
from appliance.users.schemas import NewUser
from tests.e2e.appliance import PASSWORD, session
from tests.e2e.conftest import ARTEFACTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page, ViewportSize

    from appliance.installation import Transaction
    from tests.e2e.appliance import Appliance

SCREENS = ARTEFACTS / "screens"
WORKSTATION: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}

PAGES = {
    "overview": "/",
    "sessions": "/sessions",
    "sessions-ended": "/sessions?which=ended",
    "session": "/sessions/{session}",
    "session-of-yesterday": "/sessions/{ended}",
    "session-associations": "/sessions/{session}/security-associations",
    "session-probes": "/sessions/{ended}/dead-peer-detection",
    "log": "/logs",
    "log-of-warnings": "/logs?level=warning&process=gateway",
    "disconnect": "/sessions/disconnect?ids={session}",
    "refusals": "/refusals",
    "refusal": "/refusals/{refusal}",
    "refusal-of-a-password": "/refusals/{password}",
    "users": "/users",
    "user": "/users/alice",
    "user-of-no-realm-of-ours": "/users/mallory",
    "users-together": "/users/together?deed=group&names=alice&names=bob",
    "users-all-that-match": "/users/together?deed=disable&every=true&text=a",
    "sessions-all-that-match": "/sessions/disconnect?every=true&text=a",
    "user-add": "/users/add",
    "user-import": "/users/import",
    "session-policy": "/sessions/{session}/policy",
    "group-add": "/groups/add",
    "profile-add": "/profiles/add",
    "pool-add": "/pools/add",
    "administrator-add": "/administrators/add",
    "certificate-request": "/certificates/requests/{request}",
    "user-remove": "/users/alice/remove",
    "profiles": "/profiles",
    "profile": "/profiles/default",
    "profile-change": "/profiles/default/change",
    "pools": "/pools",
    "pool": "/pools/default",
    "pool-change": "/pools/default/change",
    "pool-remove": "/pools/default/remove",
    "groups": "/groups",
    "group": "/groups/staff",
    "everybody": "/policy",
    "user-policy": "/users/alice/policy",
    "realms": "/realms",
    "realm": "/realms/corp",
    "realm-server": "/realms/corp/servers/add",
    "realm-add-pam": "/realms/add/pam",
    "history": "/history",
    "lockouts": "/lockouts?all=true",
    "gateways": "/gateways",
    "gateway": "/gateways/gw-1",
    "gateway-orders": "/gateways/gw-1/orders",
    "second-factors": "/second-factors",
    "accounting": "/accounting",
    "gateway-policies": "/gateways/gw-1/policies",
    "setup-password": "/setup/password",
    "setup-name": "/setup/name",
    "setup-pool": "/setup/pool",
    "setup-user": "/setup/user",
    "setup-connect": "/setup/connect",
    "connect": "/connect",
    "client-profiles": "/client-profiles",
    "client-profiles-of-alice": "/client-profiles?user=alice&profile=default",
    "certificates": "/certificates",
    "certificate": "/certificates/2",
    "certificate-issue": "/certificates/issue",
    "certificate-import": "/certificates/import",
    "certificate-revoke": "/certificates/2/revoke",
    "certificate-requests": "/certificates/requests",
    "certificate-request-add": "/certificates/requests/add",
    "authorities": "/certificates/authorities",
    "authority": "/certificates/authorities/coati",
    "authority-add": "/certificates/authorities/add",
    "authority-import": "/certificates/authorities/import",
    "tokens": "/tokens",
    "administrators": "/administrators",
    "administrator": "/administrators/admin",
    "settings": "/settings",
    "account": "/account",
    "account-proof": "/account/proof?next=/tokens",
    "configuration": "/configuration",
    "configuration-version": "/configuration/{version}",
    "backups": "/backups",
    "backup": "/backups/{backup}",
    "api": "/api/docs",
    "changes": "/audit",
    "search": "/search?text=a",
}

LONG = (
    *("/", "/sessions", "/users", "/users/{login}", "/groups", "/groups/{word}", "/profiles", "/profiles/{word}"),
    *("/pools", "/pools/{word}", "/client-profiles?user={login}&profile={word}", "/configuration", "/audit"),
)


def addresses(page: Page) -> dict[str, str]:
    page.goto("/sessions")
    session = page.locator("tbody tr[id^=s]").first.get_attribute("id")
    page.goto("/sessions?which=ended")
    ended = page.locator("tbody tr[id^=s]").first.get_attribute("id")
    page.goto("/refusals")
    refusals = [row.get_attribute("id") for row in page.locator("tbody tr[id^=r]").all()]
    password, refusal = sorted(refusals, reverse=True)
    assert session is not None
    assert ended is not None
    page.goto("/backups")
    page.get_by_label("Passphrase", exact=True).fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Make it").click()
    page.wait_for_url("**/backups/coati-*")
    backup = page.url.rpartition("/")[2]
    page.goto("/certificates/requests")
    request = page.locator("main a[href^='/certificates/requests/']:not([href$=add])").first.get_attribute("href")
    assert request is not None
    page.goto("/configuration?noun=user")
    version = page.locator("tbody tr[id^=v]").first.get_attribute("id")
    assert version is not None
    found = {"version": version[1:], "session": session[1:], "backup": backup, "request": request.rpartition("/")[2]}
    found |= {"ended": ended[1:], "refusal": refusal[1:], "password": password[1:]}
    return {name: path.format(**found) for name, path in PAGES.items()}


@pytest.mark.timeout(600)
def test_every_page(furnished: Appliance, open_page: Callable[..., Page]) -> None:  # noqa: ARG001
    """Each is loaded once and then seen in light, in dark and on a phone, as by who changes the setting or the window.

    Axe needs the policy lifted to be put into a page; everywhere else it stays. In dark nothing but colours is another.
    """
    SCREENS.mkdir(parents=True, exist_ok=True)
    wrong: list[tuple[str, str, str]] = []
    page = open_page(viewport=WORKSTATION, bypass_csp=True)

    def seen(scheme: Literal["light", "dark"], viewport: ViewportSize) -> None:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size(viewport)

    def keep(name: str) -> None:
        page.screenshot(path=SCREENS / f"{name}.png", full_page=True)

    def judge(name: str, **options: Any) -> None:
        found = page.evaluate("(options) => window.axe.run(document, options)", options)
        wrong.extend((name, each["id"], each["nodes"][0]["html"]) for each in found["violations"])

    for name, path in addresses(page).items():
        seen("light", WORKSTATION)
        page.goto(path)
        page.evaluate(AXE_SCRIPT)
        keep(f"{name}-light")
        judge(f"{name} in light")
        seen("dark", WORKSTATION)
        keep(f"{name}-dark")
        judge(f"{name} in dark", runOnly=["color-contrast", "link-in-text-block"])
        seen("light", PHONE)
        keep(f"{name}-phone")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append((name, "too wide for a phone", ""))
    assert wrong == []


@pytest.mark.timeout(600)
def test_every_page_without_a_script_offers_nothing_that_needs_one(
    furnished: Appliance,  # noqa: ARG001
    open_page: Callable[..., Page],
) -> None:
    page = open_page(viewport=WORKSTATION, java_script_enabled=False)
    wrong = []
    for name, path in addresses(page).items():
        page.goto(path)
        if page.locator("h1").count() != 1:
            wrong.append((name, "its heading"))
        wrong += [(name, each.inner_text()) for each in page.locator("button[type=button]:visible").all()]
        wrong += [(name, each.inner_text()) for each in page.locator("[data-passkey]:visible").all()]
    assert wrong == []


@pytest.mark.timeout(300)
def test_names_of_any_length_stay_in_the_window(furnished: Appliance, open_page: Callable[..., Page]) -> None:
    login, word = "maximilian.von-und-zu-hohenlohe-waldenburg-schillingsfuerst-1234", "w" * 63

    async def put(work: Transaction) -> None:
        await groups.add(work, NewGroup(name=word, description="d" * 200))
        await users.add(work, NewUser(name=login, full_name="F" * 80, password=SecretStr(PASSWORD), group=word))
        await profiles.add(work, NewProfile(name=word))
        networks = [f"10.{number}.0.0/16" for number in range(40)]
        new = {
            "name": word,
            "networks": ["10.77.0.0/24"],
            "reachable": networks,
            "dns": [f"10.0.0.{n}" for n in range(8)],
        }
        await pools.add(work, NewPool.model_validate(new))
        work.session.add(session(9, user=login, profile=word, client_software="C" * 120))

    furnished.do(put)
    try:
        too_wide = []
        for viewport in (WORKSTATION, PHONE):
            page = open_page(viewport=viewport)
            for path in LONG:
                page.goto(path.format(login=login, word=word))
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    too_wide.append((path, viewport["width"]))
        assert too_wide == []
    finally:
        furnished.do(lambda work: profiles.remove(work, word))
        furnished.do(lambda work: pools.remove(work, word))


def test_empty_pages_say_the_next_step(bare: Appliance, open_page: Callable[..., Page]) -> None:  # noqa: ARG001
    page = open_page(viewport=WORKSTATION)
    for name, action in {"sessions": "Connect a client", "users": "Add the first user", "refusals": ""}.items():
        page.goto(f"/{name}")
        page.screenshot(path=SCREENS / f"{name}-empty.png")
        if action:
            assert page.locator(".empty a").inner_text() == action
        assert page.locator(".empty p").count() >= 2

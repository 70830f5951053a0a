"""The portal in a real browser: a VPN user changes the password, enrols a second factor and fetches profiles.

Each page is kept as it looks in light, dark and on a phone (artefacts/screens/portal-*), and axe finds nothing in it.
"""

from __future__ import annotations

import re
import tarfile
from typing import TYPE_CHECKING

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from appliance.client_profiles import links
from appliance.client_profiles.schemas import NewLink
from appliance.client_profiles.target import ClientFormat
from appliance.commands import service as commands
from appliance.commands.schemas import CommandFilter
from appliance.models import Verb
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SettingDefinition
from tests.e2e.appliance import PASSWORD
from tests.e2e.test_screens import PHONE, SCREENS, WORKSTATION

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from appliance.installation import Transaction
    from tests.e2e.appliance import Appliance

BETTER = "another battery staple"


def sign_in(page: Page, password: str = PASSWORD) -> None:
    page.goto("/portal/sign-in")
    page.get_by_label("Login").fill("alice")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


class Looks:
    """Keeps how each page looks, and finds what is wrong with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wrong: list[tuple[str, str, str]] = []

    def at(self, page: Page, name: str) -> None:
        SCREENS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENS / f"portal-{name}-{self.name}.png", full_page=True)
        found = Axe().run(page)
        self.wrong += [(name, each["id"], each["nodes"][0]["html"]) for each in found.response["violations"]]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            self.wrong.append((name, "too wide", ""))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("looks", ["light", "dark", "phone"])
def test_a_user_changes_the_password_enrols_a_second_factor_and_ends_a_session(
    furnished: Appliance, open_page: Callable[..., Page], looks: str
) -> None:
    view = Looks(looks)
    options = {"viewport": PHONE} if looks == "phone" else {"viewport": WORKSTATION, "color_scheme": looks}
    page = open_page("/portal", state=None, bypass_csp=True, **options)
    view.at(page, "sign-in")
    sign_in(page, "not this one")
    expect(page.get_by_text("wrong login or password")).to_be_visible()
    view.at(page, "sign-in-refused")
    sign_in(page)
    expect(page.get_by_role("heading", name="Alice Adams")).to_be_visible()
    view.at(page, "home")
    change_password(page, view)
    codes = enrol(page, view)
    page.get_by_role("button", name="Sign out").click()

    sign_in(page, BETTER)
    show_code(page, view, codes)
    page.goto("/portal")
    page.get_by_role("link", name="By hand").first.click()
    view.at(page, "by-hand")
    page.goto("/portal")
    page.get_by_role("button", name="Disconnect").first.click()
    expect(page.get_by_text("The gateway was told to end it.")).to_be_visible()
    assert furnished.do(who_ordered) == ["user alice on the portal"]
    assert view.wrong == []


def change_password(page: Page, view: Looks) -> None:
    page.get_by_role("link", name="Password", exact=True).click()
    for new, words in (("alicealice", "too weak"), ("password1234", re.compile("strength [0-2] of 4; 3 is needed"))):
        page.get_by_label("Present password").fill(PASSWORD)
        page.get_by_label("New password").fill(new)
        page.get_by_role("button", name="Change it").click()
        expect(page.get_by_text(words)).to_be_visible()
    view.at(page, "password-refused")
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password").fill(BETTER)
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_text("Your password is changed.")).to_be_visible()


def enrol(page: Page, view: Looks) -> list[str]:
    page.get_by_role("link", name="Second factor", exact=True).click()
    view.at(page, "second-factor")
    page.get_by_role("button", name="Set it up").click()
    expect(page.locator(".qr svg")).to_be_visible()
    view.at(page, "enrol")
    seed = page.locator("code").first.inner_text()
    page.get_by_label("The code that it shows now").fill("000000")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("this is not the code of now")).to_be_visible()
    page.get_by_label("The code that it shows now").fill(pyotp.TOTP(seed).now())
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    codes = page.locator(".recovery code").all_inner_texts()
    assert len(codes) == 10
    view.at(page, "recovery-codes")
    page.get_by_role("link", name="Done").click()
    return codes


def show_code(page: Page, view: Looks, codes: list[str]) -> None:
    expect(page.get_by_role("heading", name="One-time code")).to_be_visible()
    view.at(page, "code")
    page.goto("/portal/password")  # not before the code was shown
    expect(page.get_by_role("heading", name="One-time code")).to_be_visible()
    page.get_by_label("Code of your app").fill(codes[0])
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Alice Adams")).to_be_visible()
    page.get_by_role("link", name="Second factor", exact=True).click()
    expect(page.get_by_text("9 recovery codes are left")).to_be_visible()
    page.get_by_label("A code that your app shows now").fill("000000")
    page.get_by_role("button", name="Make new recovery codes").click()
    expect(page.get_by_text("this is not the code of now")).to_be_visible()
    view.at(page, "second-factor-refused")
    page.get_by_label("A code that your app shows now").fill(codes[1])
    page.get_by_role("button", name="Make new recovery codes").click()
    expect(page.locator(".recovery code")).to_have_count(10)
    renewed = page.locator(".recovery code").all_inner_texts()
    assert set(renewed).isdisjoint(codes)
    page.get_by_role("link", name="Second factor", exact=True).click()
    page.get_by_label("A code that your app shows now").fill(renewed[0])
    page.get_by_role("button", name="Set up another telephone").click()
    expect(page.locator(".qr svg")).to_be_visible()
    seed = page.locator("code").first.inner_text()
    page.get_by_label("The code that it shows now").fill(pyotp.TOTP(seed).now())
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


async def who_ordered(work: Transaction) -> list[str]:
    disconnects = await commands.page(work, CommandFilter(verb=Verb.DISCONNECT))
    return [each.created_by for each in disconnects.items if each.created_by != "a test"]


def test_each_profile_is_fetched_without_a_script(furnished: Appliance, open_page: Callable[..., Page]) -> None:
    page = open_page("/portal", state=None, java_script_enabled=False)
    sign_in(page)
    expect(page.locator(".files button").first).to_be_visible()
    names = [button.inner_text() for button in page.locator(".files button").all()]
    assert len(names) >= 4
    got = {}
    for name in names:
        with page.expect_download() as started:
            page.locator(".files").get_by_role("button", name=name, exact=True).click()
        got[started.value.suggested_filename] = started.value.path()
    assert len(got) == len(names)
    for name, path in got.items():
        if name.endswith(".tar.gz"):
            with tarfile.open(path) as packed:
                assert packed.getnames()
        else:
            assert path.stat().st_size > 100
    assert any(name.endswith(".mobileconfig") for name in got)
    del furnished


def test_a_one_time_link_on_a_phone(furnished: Appliance, open_page: Callable[..., Page]) -> None:
    async def make(work: Transaction) -> str:
        wanted = NewLink(user="alice", profile="default", format=ClientFormat.MOBILECONFIG)
        return (await links.make(work, wanted)).path

    path = furnished.do(make)
    view = Looks("phone")
    page = open_page(path, state=None, viewport=PHONE, bypass_csp=True)
    view.at(page, "link")
    with page.expect_download():
        page.get_by_role("button", name="Fetch it").click()
    assert view.wrong == []


def test_the_switch_on_the_panel(furnished: Appliance, open_page: Callable[..., Page]) -> None:
    async def switch(work: Transaction, *, on: bool | None) -> None:
        await settings.define(work, "portal", SettingDefinition(value=on))

    try:
        furnished.do(lambda work: switch(work, on=False))
        page = open_page("/", state=None)
        assert page.request.get("/portal/sign-in").status == 404
        furnished.do(lambda work: switch(work, on=True))
        assert page.request.get("/portal/sign-in").status == 200
    finally:
        furnished.do(lambda work: switch(work, on=None))

"""The main deed of each page in a real browser, with a script and without."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from appliance.models.columns import now
from tests.e2e import appliance as furniture
from tests.e2e.appliance import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.appliance import Appliance

# The goal is 0.5 s on a machine that does nothing else; the bound is for one that runs ten other things (1.1 s there).


def test_a_refused_form_says_so_where_the_reader_is(bare: Appliance, page: Page) -> None:  # noqa: ARG001
    page.goto("/users/add")
    page.get_by_label("Login", exact=True).fill("a b")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Add", exact=True).click()
    head = page.get_by_role("group", name="Nothing is saved yet")
    expect(head).to_be_focused()
    head.get_by_role("link", name="Login").click()
    expect(page.get_by_label("Login", exact=True)).to_be_focused()
    expect(page.get_by_label("Login", exact=True)).to_have_accessible_description(re.compile("must not contain.*same"))


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_every_form(bare: Appliance, open_page: Callable[..., Page], script: bool) -> None:  # noqa: ARG001
    """The main deed of each page, by what stands on the page, with JavaScript and without."""
    page = open_page("/users", java_script_enabled=script)
    _a_users_life(page)
    _a_pools_life(page)
    _a_profiles_life(page)
    _a_tokens_life(page)
    page.goto("/certificates")
    page.get_by_role("link", name="Renew those of gateway and panel").click()
    page.get_by_role("button", name="Renew").click()
    expect(page.locator("#note")).to_have_text("New certificates were issued.")
    page.goto("/audit?text=user.")
    expect(page.get_by_role("row").filter(has_text="user.remove").first).to_be_visible()
    page.locator("summary", has_text="admin").click()
    page.get_by_role("button", name="Light").click()
    expect(page.locator("html")).to_have_attribute("data-scheme", "light")


def _a_users_life(page: Page) -> None:
    page.get_by_role("link", name="Add the first user").click()
    page.get_by_label("Login", exact=True).fill("fred")
    page.get_by_label("Password", exact=True).fill("fred")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("alert")).to_contain_text("too weak")
    expect(page.get_by_label("Login", exact=True)).to_have_value("fred")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#note")).to_have_text("fred was added.")
    page.get_by_label("Full name").fill("Fred Fish")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Disable").click()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("disabled", exact=True)).to_be_visible()
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("enabled", exact=True)).to_be_visible()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#note")).to_have_text("fred was removed.")


def _a_pools_life(page: Page) -> None:
    page.goto("/pools")
    page.get_by_role("link", name="Add a pool").click()
    page.get_by_label("Name").fill("lab")
    page.get_by_label("Networks").first.fill("10.7.0.1/29")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("did you mean 10.7.0.0/29?")).to_be_visible()
    page.get_by_label("Networks").first.fill("10.7.0.0/29")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#note")).to_have_text("Pool lab was added.")
    page.get_by_role("link", name="Change", exact=True).click()
    page.get_by_label("DNS servers", exact=True).fill("10.0.0.53")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("10.0.0.53")).to_be_visible()
    page.get_by_role("link", name="Remove").click()
    page.get_by_label("Type lab to confirm").fill("lab")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#note")).to_have_text("Pool lab was removed.")


def _a_profiles_life(page: Page) -> None:
    page.goto("/profiles")
    page.get_by_role("link", name="Add a profile").click()
    page.get_by_label("Name", exact=True).fill("phones")
    page.get_by_label("Group key and password").check()
    page.get_by_label("Hybrid").uncheck()
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("xauth-psk needs a group key")).to_be_visible()
    page.get_by_label("Group key", exact=True).fill("a key for phones only")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("a group key is known to every client")).to_be_visible()
    page.get_by_role("link", name="Change", exact=True).click()
    page.get_by_label("Serves clients").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("disabled", exact=True)).to_be_visible()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#note")).to_have_text("Profile phones was removed.")


def _a_tokens_life(page: Page) -> None:
    name = f"ci-{now().timestamp():.0f}"
    page.goto("/tokens")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make").click()
    expect(page.get_by_text("This is shown once.")).to_be_visible()
    page.get_by_role("row").filter(has_text=name).get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator("#note")).to_have_text(f"Token {name} was revoked.")


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_the_first_steps(bare: Appliance, open_page: Callable[..., Page], script: bool) -> None:
    page = open_page("/", java_script_enabled=script)
    expect(page.get_by_role("heading", name="Set up: 2 of 5 done")).to_be_visible()
    page.get_by_role("link", name="Go on").click()
    expect(page.get_by_role("heading", name="Your password", level=1)).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("link", name="Download the CA certificate")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    page.get_by_label("Networks for clients").fill("10.0.0.7/24")
    page.get_by_role("button", name="Save and go on").click()
    expect(page.get_by_text("did you mean 10.0.0.0/24?")).to_be_visible()
    page.get_by_label("Networks for clients").fill("10.99.0.0/24")
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_label("Login", exact=True).fill("first")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Add and go on").click()
    expect(page.get_by_text("No gateway serves yet")).to_be_visible()
    page.get_by_role("link", name="Back", exact=True).click()
    expect(page.get_by_role("heading", name="The first user", level=1)).to_be_visible()
    page.goto("/setup/connect")
    bare.add(furniture.node(), furniture.session(1, user="first"))
    if not script:
        page.reload()
    expect(page.get_by_role("heading", name="It works")).to_be_visible()
    page.get_by_role("link", name="Done", exact=True).click()
    expect(page.get_by_text("Set up: 4 of 5 done")).to_be_visible()


def test_typed_text_is_not_lost_by_leaving(page: Page) -> None:
    page.goto("/users/add")
    page.get_by_label("Login", exact=True).fill("half")
    asked: list[str] = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Sessions").click()
    expect(page.get_by_label("Login", exact=True)).to_have_value("half")
    assert asked == ["beforeunload"]

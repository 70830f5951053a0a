"""Administrators in a real browser: one-time codes, and an identity provider that sends them back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyotp
import pytest
from playwright.sync_api import expect
from pydantic import SecretStr
from sqlalchemy import update

from appliance.administrators import service as administrators
from appliance.administrators.schemas import NewAdministrator
from appliance.models import Role, SignIn
from appliance.models.columns import now
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SettingDefinition
from tests.appliance.outside_authority import Authority, Leaf
from tests.e2e.appliance import PASSWORD, Appliance
from tests.e2e.signing_in import sign_in
from tests.identity_provider import SECRET, Provider, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    from appliance.installation import Transaction


def localhost(folder: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Files with an authority, and with a certificate of ``localhost`` and its key."""
    directory, authority = folder.mktemp("provider"), Authority("Provider CA")
    leaf: Leaf = authority.issue("localhost")
    (directory / "ca.pem").write_bytes(authority.pem)
    (directory / "localhost.pem").write_bytes(leaf.pem(with_key=True))
    return directory / "ca.pem", directory / "localhost.pem"


@pytest.fixture(scope="module")
def provider_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return localhost(tmp_path_factory)


@pytest.fixture(scope="module")
def provider(provider_files: tuple[Any, Any]) -> Iterator[Provider]:
    with served(provider_files[1]) as running:
        yield running


@pytest.fixture(scope="module")
def appliance(
    tmp_path_factory: pytest.TempPathFactory, provider_files: tuple[Any, Any], provider: Provider
) -> Iterator[Appliance]:
    """An appliance of this file's own: its web process believes the provider's authority."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSL_CERT_FILE", str(provider_files[0]))
        running = Appliance.prepare(tmp_path_factory.mktemp("appliance"))
        with running:

            async def furnish(work: Transaction) -> None:
                wanted = {
                    "oidc_issuer": provider.issuer,
                    "oidc_client_id": "coati",
                    "oidc_client_secret": SECRET,
                    "oidc_roles": {"ops": "operator", "bosses": "owner"},
                }
                for name, value in wanted.items():
                    await settings.define(work, name, SettingDefinition(value=value))
                oscar = NewAdministrator(name="oscar", role=Role.OWNER, password=SecretStr(PASSWORD))
                await administrators.add(work, oscar)

            running.do(furnish)
            yield running


def sign_in_as_oscar(page: Page) -> None:
    page.goto("/sign-in")
    sign_in(page, PASSWORD, name="oscar")


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_the_identity_provider_sends_back_who_it_vouches_for(
    open_page: Callable[..., Page], provider: Provider, script: bool
) -> None:
    provider.claims["groups"] = ["staff", "ops"]
    page = open_page("/users", state=None, java_script_enabled=script)
    page.get_by_role("link", name=f"Sign in by {provider.issuer}").click()
    page.get_by_role("link", name="I am Olivia").click()
    expect(page.get_by_role("heading", name="Users", level=1)).to_be_visible()  # where she wanted to go
    page.goto("/account")
    expect(page.get_by_text("You are olivia, operator.")).to_be_visible()
    expect(page.get_by_role("cell", name="identity provider").first).to_be_visible()
    page.goto("/tokens")
    expect(page.get_by_role("heading", name="Make a token")).to_have_count(0)  # an operator decides on no trust
    provider.claims["groups"] = ["bosses"]
    page.context.clear_cookies()
    page.goto("/sign-in")
    page.get_by_role("link", name=f"Sign in by {provider.issuer}").click()
    page.get_by_role("link", name="I am Olivia").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.goto("/account")
    expect(page.get_by_text("You are olivia, owner.")).to_be_visible()


def test_whom_the_provider_gives_no_role_stays_out_and_is_told(
    open_page: Callable[..., Page], provider: Provider
) -> None:
    provider.claims["groups"] = ["guests"]
    page = open_page("/sign-in", state=None)
    page.get_by_role("link", name=f"Sign in by {provider.issuer}").click()
    page.get_by_role("link", name="I am Olivia").click()
    expect(page.get_by_text("you have no role here")).to_be_visible()
    page.goto("/users")
    expect(page.get_by_role("heading", name="Sign in to Coati")).to_be_visible()


def test_one_time_codes_are_set_up_asked_for_and_done_without_again(open_page: Callable[..., Page]) -> None:
    page = open_page("/sign-in", state=None)
    sign_in_as_oscar(page)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.goto("/account")
    page.get_by_role("button", name="Set up an app").click()
    box = page.locator(".qr svg").bounding_box()
    assert box is not None
    assert box["width"] > 120  # large enough for a telephone's camera
    seed = page.locator("code").first.inner_text()
    page.get_by_label("Code that the app shows now").fill("000000")
    page.get_by_role("button", name="Ask me for codes from now on").click()
    expect(page.get_by_text("this is not the code of now").first).to_be_visible()
    page.get_by_role("button", name="Set up an app").click()
    seed = page.locator("code").first.inner_text()
    page.get_by_label("Code that the app shows now").fill(pyotp.TOTP(seed).now())
    page.get_by_role("button", name="Ask me for codes from now on").click()
    expect(page.locator("li code")).to_have_count(10)
    codes = page.locator("li code").all_inner_texts()
    assert len(codes) == 10

    page.context.clear_cookies()
    sign_in_as_oscar(page)
    expect(page.get_by_role("heading", name="One-time code")).to_be_visible()
    page.goto("/users")  # the password alone lets nobody in
    expect(page.get_by_role("heading", name="Sign in to Coati")).to_be_visible()
    sign_in_as_oscar(page)
    page.get_by_label("Code that your app shows").fill("000000")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert").first).to_be_visible()
    page.get_by_label("Code that your app shows").fill(codes[0])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.goto("/account")
    expect(page.get_by_role("cell", name="password and code").first).to_be_visible()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Do without codes").click()
    sign_in_as_oscar(page)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_who_was_let_in_long_ago_is_asked_before_a_token_is_made(
    appliance: Appliance, open_page: Callable[..., Page], script: bool
) -> None:
    async def long_ago(work: Transaction) -> None:
        await work.session.execute(update(SignIn).values(proven_at=now() - timedelta(hours=2)))

    page = open_page("/sign-in", state=None, java_script_enabled=script)
    sign_in_as_oscar(page)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    appliance.do(long_ago)
    page.goto("/tokens")
    page.get_by_role("link", name="Make a token").click()
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    page.get_by_label("Your password").fill("not this one")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("wrong name or password")).to_be_visible()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name").fill("script" if script else "plain")
    page.get_by_role("button", name="Make", exact=True).click()
    expect(page.get_by_text("This is shown once.")).to_be_visible()

"""What moves on the panel while somebody looks: live rows, what one typed meanwhile, a lost line, a sign-out."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from playwright.sync_api import expect
from sqlalchemy import select, update

from appliance import models
from appliance.models.columns import now
from tests.e2e import appliance as furniture
from tests.e2e.signing_in import sign_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page, Route

    from appliance.installation import Transaction
    from tests.e2e.appliance import Appliance

_LONGER_THAN_SIGNALS_ARE_APART = 2_500  # milliseconds


def test_who_connects_appears_is_probed_and_leaves_without_a_reload(bare: Appliance, page: Page) -> None:
    page.goto("/sessions")
    expect(page.get_by_text("Nobody is connected")).to_be_visible()
    expect(page.locator("#live-dot")).to_have_text("live")
    page.evaluate("window.untouched = true")
    bare.add(furniture.session(1, user="alice"))
    row = page.get_by_role("row").filter(has_text="alice")
    expect(row).to_contain_text("alive")

    async def probe(work: Transaction) -> None:
        await work.session.execute(update(models.Session).values(liveness="probing", dpd_probe=3))

    async def leave(work: Transaction) -> None:
        await work.session.execute(update(models.Session).values(ended_at=now(), goodbye="dead-peer"))

    bare.do(probe)
    expect(row).to_contain_text("probing 3 of 5")
    bare.do(leave)
    expect(row).to_have_count(0)
    expect(page.get_by_text("Nobody is connected")).to_be_visible()
    assert page.evaluate("window.untouched")


def test_what_changes_while_the_page_is_asking_is_asked_for_afterwards(bare: Appliance, page: Page) -> None:
    """The answer on its way is from before; nothing else will happen."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if held or "coati-live" not in route.request.headers:
            route.continue_()
            return
        answer = route.fetch()
        held.append(route)
        bare.add(furniture.session(1, user="alice"))
        page.wait_for_timeout(_LONGER_THAN_SIGNALS_ARE_APART)
        route.fulfill(response=answer)

    page.route("**/sessions", hold)
    page.goto("/sessions")
    expect(page.get_by_role("row").filter(has_text="alice")).to_be_visible()
    assert held


def test_what_changes_while_one_filters_does_not_undo_it(furnished: Appliance, page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        if not held:
            furnished.add(furniture.session(30, user="zoe"))
            page.wait_for_timeout(_LONGER_THAN_SIGNALS_ARE_APART)
            held.append(route)
        route.continue_()

    page.goto("/sessions")
    expect(page.locator("#live-dot")).to_have_text("live")
    page.route(re.compile("text=bob"), hold)
    with page.expect_request(lambda request: bool(held) and "coati-live" in request.headers) as followed:
        page.get_by_role("searchbox", name="User, profile").fill("bob")
    assert "text=bob" in followed.value.url
    expect(page.locator("caption", has_text="1 session with")).to_be_visible()


def test_a_page_lives_however_late_its_scripts_come(page: Page) -> None:
    def late(route: Route) -> None:
        page.wait_for_timeout(_LONGER_THAN_SIGNALS_ARE_APART)
        route.continue_()

    page.route("**/hx-sse.min.js*", late)
    page.goto("/sessions")
    expect(page.locator("#live-dot")).to_have_text("live")


def test_a_page_that_hears_nothing_does_not_call_itself_live(page: Page) -> None:
    page.clock.install(time=now())
    page.route("**/signals", lambda _route: None)  # is never answered
    page.goto("/settings")
    dot = page.locator("#live-dot")
    expect(dot).to_have_text("connecting")
    page.clock.fast_forward(20_000)
    expect(dot).to_have_text("not live")
    page.unroute_all(behavior="ignoreErrors")


def test_what_one_selected_typed_and_opened_stays_when_the_page_moves(furnished: Appliance, page: Page) -> None:
    page.goto("/sessions")
    box = page.get_by_role("checkbox", name="Select the session of bob")
    box.check()
    expect(page.get_by_role("button", name="Disconnect the 1 selected")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("198.51")
    expect(page).to_have_url(re.compile("text=198.51"))
    furnished.add(furniture.session(30, user="zoe"))
    expect(page.get_by_role("row").filter(has_text="zoe")).to_be_visible()
    expect(box).to_be_checked()
    expect(page.get_by_role("searchbox", name="User, profile")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.type(".100.31")
    expect(page.get_by_role("row").filter(has_text="bob")).to_have_count(0)
    furnished.add(furniture.session(31, user="adam"))
    expect(page.locator("caption", has_text="1 session with")).to_be_visible()
    page.reload()
    expect(page.locator("caption", has_text="1 session with")).to_be_visible()
    page.goto("/")
    summary = page.locator(".chart summary").first
    summary.click()
    furnished.add(furniture.session(32, user="eve"))
    expect(page.locator(".tile strong").first).to_have_text("10")
    expect(page.locator(".chart table").first).to_be_visible()


def test_what_somebody_does_is_read_aloud_and_what_moves_by_itself_is_not(furnished: Appliance, page: Page) -> None:
    page.goto("/users")
    spoken = page.locator("#spoken")
    expect(spoken).to_have_role("status")
    page.get_by_role("searchbox", name="Login or full name").fill("ali")
    expect(spoken).to_have_text("1 user")
    expect(spoken).to_have_text("")
    page.goto("/sessions")
    expect(page.locator("#live-dot")).to_have_text("live")
    furnished.add(furniture.session(33, user="zoe"))
    expect(page.get_by_role("row").filter(has_text="zoe")).to_be_visible()
    assert spoken.text_content() == ""
    assert page.locator("main [role=status]:visible, main [aria-live]:visible").count() == 0


def test_a_lost_stream_is_said(furnished: Appliance, page: Page) -> None:  # noqa: ARG001
    page.goto("/settings")  # which asks for nothing by itself: a request that the line cuts off is said on the console
    expect(page.locator("#live-dot")).to_have_text("live")
    page.clock.install(time=now())
    page.context.set_offline(True)
    page.evaluate("document.querySelector('#signals').remove()")
    page.clock.fast_forward(40_000)
    expect(page.locator("#live-dot")).to_contain_text("last update")
    page.context.set_offline(False)


def test_whoever_is_signed_out_meanwhile_is_asked_to_sign_in(bare: Appliance, open_page: Callable[..., Page]) -> None:
    page = open_page("/sign-in", state=None)
    sign_in(page, bare.administrator_password)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    async def forget(work: Transaction) -> None:
        newest = (await work.session.scalars(select(models.SignIn).order_by(models.SignIn.id.desc()))).first()
        assert newest is not None
        newest.expires_at = now() - timedelta(hours=1)

    page.goto("/sessions")
    expect(page.locator("#live-dot")).to_have_text("live")
    bare.do(forget)
    # Nothing tells of it: it is looked for every ten seconds or so.
    expect(page.get_by_role("heading", name="Sign in to Coati")).to_be_visible(timeout=60_000)


def test_a_page_that_nobody_touches_signs_out_and_says_so(bare: Appliance, open_page: Callable[..., Page]) -> None:
    page = open_page("/sign-in", state=None)
    sign_in(page, bare.administrator_password)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    async def untouched(work: Transaction) -> None:
        newest = (await work.session.scalars(select(models.SignIn).order_by(models.SignIn.id.desc()))).first()
        assert newest is not None
        newest.seen_at = now() - timedelta(minutes=61)

    page.goto("/users?sort=full_name")
    expect(page.locator("#live-dot")).to_have_text("live")
    bare.do(untouched)
    expect(page.get_by_text("You were signed out")).to_be_visible(timeout=60_000)
    sign_in(page, bare.administrator_password)
    expect(page).to_have_url(re.compile(r"/users\?sort=full_name"))

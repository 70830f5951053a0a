"""A user's page answers whoever rings: why somebody cannot get in, what helps, and where somebody is."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from appliance import models
from appliance.installation import Actor
from appliance.models.columns import now
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange, UserFilter
from tests.e2e import appliance as furniture
from tests.webui.signing_in import sign_in

if TYPE_CHECKING:
    import httpx2

PASSWORD = "correct horse battery"


@pytest.fixture
async def furnished(browser: httpx2.AsyncClient) -> httpx2.AsyncClient:
    await sign_in(browser)
    at = now()
    async with browser.installation.transaction(Actor("a test")) as work:
        for name in ("alice", "alice2", "bob"):
            await users.add(work, NewUser(name=name, password=SecretStr(PASSWORD)))
        said_no = {"stage": "Xauth", "reason": "the RADIUS server said no", "remedy": "", "realm": "corp"}
        work.session.add_all(
            [
                furniture.session(1, user="alice"),
                furniture.session(2, user="rosa", realm="corp"),
                furniture.refusal(stage="Xauth", username="CORP\\Alice", **furniture.WRONG),
                furniture.refusal(stage="Xauth", username="alice2", **furniture.WRONG | {"reason": "of another"}),
                furniture.refusal(username="rosa@corp", **said_no),
            ]
        )
        locked = {"failures": 9, "failed_at": at, "changed_at": at, "blocked_until": at + timedelta(hours=3)}
        work.session.add_all(
            [models.Throttle(subject=f"vpn/account/{name}", **locked) for name in ("alice", "alice2", "rosa")]
        )
    return browser


async def test_why_somebody_cannot_log_in_and_what_helps_stands_first(furnished: httpx2.AsyncClient) -> None:
    page = (await furnished.get("/users/alice")).text
    assert page.index("Can alice log in?") < page.index("Full name")
    assert "must wait" in page
    assert "wrong password for &#39;mallory&#39;" in page
    assert 'href="/users/alice#f-password"' in page
    assert "of another" not in page
    answer = await furnished.post("/lockouts/lift", data={"subject": "vpn/account/alice", "next": "/users/alice"})
    assert answer.headers["location"] == "/users/alice"
    page = (await furnished.get("/users/alice")).text
    assert "must wait" not in page
    assert "Nothing here keeps alice out" in page
    elsewhere = await furnished.post("/lockouts/lift", data={"subject": "vpn/account/rosa", "next": "//evil.test/"})
    assert elsewhere.headers["location"] == "/"


async def test_each_obstacle_of_an_account_is_told_with_its_remedy(furnished: httpx2.AsyncClient) -> None:
    change = UserChange(enabled=False, expires_at=now() - timedelta(days=1), must_change_password=True)
    async with furnished.installation.transaction(Actor("a test")) as work:
        await users.change(work, "bob", change)
    page = (await furnished.get("/users/bob")).text
    for words in ("somebody disabled the account", "the account ended", "new password needed"):
        assert words in page
    for remedy in ('action="/users/bob/enable"', 'href="#f-expires_at"', 'href="#f-must_change_password"'):
        assert remedy in page


async def test_who_is_kept_in_another_realm_has_a_page_too(furnished: httpx2.AsyncClient) -> None:
    page = await furnished.get("/users/rosa")
    assert page.status_code == 200
    for shown in ("not kept here", 'href="/realms/corp"', "the RADIUS server said no", "must wait", "10.99.0.4"):
        assert shown in page.text
    assert "Save" not in page.text
    assert (await furnished.get("/users/nobody")).status_code == 404
    found = (await furnished.get("/search?text=ros")).text
    assert 'href="/users/rosa"' in found
    assert "refused: the RADIUS server said no" in found


async def test_a_password_is_made_up_and_shown_once(furnished: httpx2.AsyncClient) -> None:
    answer = await furnished.post("/users/bob/password", data={"made": "true", "must_change_password": "true"})
    found = re.search(r"<code>((?:[a-z0-9]{5}-){3}[a-z0-9]{5})</code>", answer.text)
    assert answer.status_code == 200
    assert found is not None
    assert "for one login" in answer.text
    async with furnished.installation.snapshot() as work:
        assert (await users.show(work, "bob")).must_change_password
    assert found[1] not in (await furnished.get("/users/bob")).text
    assert found[1] not in (await furnished.get("/audit?format=json")).text
    new = await furnished.post("/users", data={"name": "carol", "password": "", "made": "true"})
    assert "New password of carol" in new.text
    assert re.search(r"<code>(?:[a-z0-9]{5}-){3}[a-z0-9]{5}</code>", new.text)
    wrong = await furnished.post("/users", data={"name": "carol", "password": "", "made": "true"})
    assert wrong.status_code == 422
    typed = await furnished.post("/users/bob/password", data={"password": "battery horse correct"})
    assert typed.headers["location"] == "/users/bob"


async def test_the_end_of_an_account_is_a_moment_in_utc(furnished: httpx2.AsyncClient) -> None:
    for typed, shown in (("2030-12-31T18:00", "2030-12-31T18:00:00"), ("2031-01-01T00:00:07", "2031-01-01T00:00:07")):
        answer = await furnished.post("/users/bob", data={"full_name": "", "group": "", "expires_at": typed})
        assert answer.status_code == 303
        assert f'type="datetime-local" value="{shown}"' in re.sub(
            r' autocomplete="off"[^>]*? value=', " value=", (await furnished.get("/users/bob")).text
        )
    await furnished.post("/users/bob", data={"expires_at": ""})
    async with furnished.installation.snapshot() as work:
        assert (await users.show(work, "bob")).expires_at is None


async def test_what_is_off_leads_to_where_it_is_put_right(furnished: httpx2.AsyncClient) -> None:
    node = furniture.node()
    node.realms = {"local": {"state": "down", "words": "no answer", "since": now().isoformat(), "last_error": ""}}
    async with furnished.installation.transaction(Actor("a test")) as work:
        work.session.add(node)
    page = (await furnished.get("/")).text
    assert '<a href="/realms/local">Look at realm local</a>' in page


async def test_the_same_is_done_to_many_and_what_is_refused_is_told(furnished: httpx2.AsyncClient) -> None:
    asked = (await furnished.get("/users/together?deed=disable&names=alice&names=bob")).text
    assert "Disable 2 users?" in asked
    assert "alice, bob. They cannot log in any more" in asked
    await furnished.post("/users/together", data={"deed": "disable", "chosen": "alice bob nobody"})
    page = (await furnished.get("/users")).text
    assert "2 of 3 were disabled; nobody: there is no user nobody." in page
    assert page.count(">disabled</span>") == 2
    await furnished.post("/groups", data={"name": "staff"})
    assert '<option value="staff">' in (await furnished.get("/users/together?deed=group&names=alice")).text
    await furnished.post("/users/together", data={"deed": "group", "chosen": "alice bob", "group": "staff"})
    assert "2 users" in (await furnished.get("/users?group=staff")).text
    unsure = await furnished.post("/users/together", data={"deed": "remove", "chosen": "alice bob", "typed": "two"})
    assert (unsure.status_code, "Type 2 if you mean it." in unsure.text) == (422, True)
    await furnished.post("/users/together", data={"deed": "remove", "chosen": "alice bob", "typed": "2"})
    assert "1 user\n" in (await furnished.get("/users")).text.replace("</caption>", "\n")
    nobody = await furnished.get("/users/together?deed=remove")
    assert (nobody.status_code, "check the boxes" in nobody.text) == (422, True)


async def test_all_that_match_are_meant_and_not_who_came_since(furnished: httpx2.AsyncClient) -> None:
    many = [{"name": f"temp{number}", "password_hash": "x"} for number in range(120)]

    async def enabled() -> list[str]:
        async with furnished.installation.snapshot() as work:
            return list(await users.names(work, UserFilter(text="temp", enabled=True)))

    async with furnished.installation.transaction(Actor("a test")) as work:
        await work.session.execute(insert(models.User), many)
    page = (await furnished.get("/users?text=temp")).text
    assert "all 120 users that match, not only this page" in page
    assert '<input type="hidden" name="text" value="temp" form="bulk">' in page
    assert "not only this page" not in (await furnished.get("/users?text=temp11")).text
    asked = (await furnished.get("/users/together?deed=disable&every=true&text=temp&names=alice")).text
    for shown in ("Disable 120 users?", "All 120 users with text “temp”: temp0, temp1", "Type <code>120</code>"):
        assert shown in asked
    sent = {name: re.search(f'name="{name}" value="([^"]*)"', asked)[1] for name in ("deed", "chosen", "every")}
    async with furnished.installation.transaction(Actor("a test")) as work:
        await users.add(work, NewUser(name="temp-late", password=SecretStr(PASSWORD)))
    unsure = await furnished.post("/users/together", data=sent)
    assert (unsure.status_code, "Type 120 if you mean it." in unsure.text) == (422, True)
    assert len(await enabled()) == 121
    await furnished.post("/users/together", data={**sent, "typed": "120"})
    assert "120 of 120 were disabled." in (await furnished.get("/users")).text
    assert await enabled() == ["temp-late"]

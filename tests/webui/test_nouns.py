"""The lives of what administrators configure, and what a refused form says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.webui.signing_in import sign_in

if TYPE_CHECKING:
    import httpx2


async def test_the_life_of_a_user(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    new = {"name": "alice", "full_name": "Alice <A>", "password": "correct horse battery"}
    assert (await browser.post("/users", data=new)).status_code == 303
    assert "Alice &lt;A&gt;" in (await browser.get("/users")).text
    assert (await browser.post("/users/alice", data={"full_name": "Alice B"})).status_code == 303
    assert "Saved." in (await browser.get("/users/alice")).text
    assert (await browser.post("/users/alice/password", data={"password": "alice"})).status_code == 422
    assert (await browser.post("/users/alice/password", data={"password": "battery horse correct"})).status_code == 303
    assert "Disable alice?" in (await browser.get("/users/alice/disable")).text
    assert (await browser.post("/users/alice/disable")).status_code == 303
    assert "disabled" in (await browser.get("/users")).text
    assert (await browser.post("/users/alice/enable")).status_code == 303
    assert "Remove alice?" in (await browser.get("/users/alice/remove")).text
    assert (await browser.post("/users/alice/remove")).status_code == 303
    assert "alice was removed." in (await browser.get("/users")).text
    assert "Alice" not in (await browser.get("/users")).text


async def test_the_life_of_a_pool(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    new = {"name": "office", "networks": "10.7.0.0/29\n10.7.1.0/29", "reachable": "10.0.0.0/8", "dns": "10.0.0.53"}
    wrong = await browser.post("/pools", data={**new, "networks": "10.7.0.1/29"})
    assert wrong.status_code == 422
    assert "did you mean 10.7.0.0/29?" in wrong.text
    assert (await browser.post("/pools", data=new)).status_code == 303
    assert "10.7.0.0/29, 10.7.1.0/29" in (await browser.get("/pools/office")).text
    form = (await browser.get("/pools/office/change")).text
    assert "10.7.0.0/29\n10.7.1.0/29</textarea>" in form
    assert (await browser.post("/pools/office/change", data={**new, "masquerade": "true"})).status_code == 303
    assert (await browser.post("/pools/office/remove", data={"typed": "offic"})).status_code == 422
    assert (await browser.post("/pools/office/remove", data={"typed": "office"})).status_code == 303
    assert (await browser.get("/pools/office")).status_code == 404


async def test_the_life_of_a_profile(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    form = {
        "name": "phones",
        "enabled": "true",
        "authentication": "xauth-psk",
        "modes": ["main", "aggressive"],
        "preset": "modern",
        "position": "50",
        "dpd_interval_seconds": "10",
    }
    wrong = await browser.post("/profiles", data=form)
    assert wrong.status_code == 422
    assert "xauth-psk needs a group key" in wrong.text
    assert 'value="xauth-psk" checked' in wrong.text
    assert (await browser.post("/profiles", data={**form, "pre_shared_key": "of eight and more"})).status_code == 303
    page = (await browser.get("/profiles/phones")).text
    assert "a group key is known to every client" in page
    assert "<dt>Group key</dt><dd>set</dd>" in page
    changed = {**form, "group_names": "staff\nguests", "preset": "legacy"}
    assert (await browser.post("/profiles/phones/change", data=changed)).status_code == 303
    page = (await browser.get("/profiles/phones")).text
    assert "<dt>Group key</dt><dd>set</dd>" in page
    assert "staff, guests" in page
    assert (await browser.post("/profiles/phones/remove")).status_code == 303
    assert "phones" not in (await browser.get("/profiles")).text.replace("Profile phones was removed.", "")


async def test_a_token_is_shown_once_and_revoked(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    made = (await browser.post("/tokens", data={"name": "ci", "scopes": "read", "days": ""})).text
    token = re.search(r"coati_[0-9a-f]{12}_[0-9a-f]{72}", made)[0]
    assert token not in (await browser.get("/tokens")).text
    call = {"headers": {"Authorization": f"Bearer {token}"}}
    assert (await browser.get("/api/v1/users", **call)).status_code == 200
    assert (await browser.post("/tokens/ci/revoke")).status_code == 303
    assert (await browser.get("/api/v1/users", **call)).status_code == 401


async def test_a_change_shows_before_and_after(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await browser.post("/users", data={"name": "alice", "password": "correct horse battery"})
    await browser.post("/users/alice/disable")
    page = (await browser.get("/audit")).text
    assert '<td data-label="Before"><del>yes</del></td><td data-label="After"><ins>no</ins></td>' in page
    assert "Before and after: enabled" in page
    assert "correct horse" not in page


async def test_a_name_that_cannot_be_one_is_marked_in_words(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    answer = await browser.post("/users", data={"name": "a b", "password": "correct horse battery"})
    assert answer.status_code == 422
    assert "a login name must not contain" in answer.text
    assert 'aria-describedby="wrong-name help-name"' in answer.text
    assert 'value="a b"' in answer.text


async def test_a_weak_password_is_refused_and_the_rest_of_the_form_stays(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    answer = await browser.post("/users", data={"name": "alice", "full_name": "Alice A", "password": "alice"})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert 'value="Alice A"' in answer.text

"""Users from a table: lines stand by themselves, made passwords are shown once, what is refused comes back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from appliance.users import service as users
from tests.webui.signing_in import sign_in

if TYPE_CHECKING:
    import httpx2

TABLE = """name;full name;password
ada;Ada Lovelace;analytical engine
bob;Bob Brown;
a b;Nobody;correct horse battery
eve;Eve;eve
"""


async def test_each_line_has_its_outcome(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    file = {"table": ("u.csv", TABLE)}
    answer = await browser.post("/users/import", data={"must_change_password": "true"}, files=file)
    page = answer.text
    assert answer.status_code == 422
    assert "2 added, 0 there already and as the table says now, 2 refused" in page
    assert "a login name must not contain" in page
    assert "too weak" in page
    assert "name,full_name\na b,Nobody\neve,Eve\n</textarea>" in page
    assert "analytical engine" not in page
    made = re.search(r'data-label="Password"><span class="copied"><code>([^<]+)</code>', page)
    assert made is not None
    async with browser.installation.snapshot() as work:
        found = {user.name: user for user in (await users.page(work)).items}
    assert found.keys() == {"ada", "bob"}
    assert found["bob"].must_change_password
    assert made[1] not in (await browser.get("/audit")).text


async def test_who_is_there_is_changed_and_keeps_the_password(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await browser.post("/users", data={"name": "ada", "password": "analytical engine"})
    answer = await browser.post("/users/import", data={"table": "name,full_name\nada,Countess of Lovelace"})
    assert answer.status_code == 200
    assert "0 added, 1 there already and as the table says now, 0 refused" in answer.text
    async with browser.installation.snapshot() as work:
        user = await users.show(work, "ada")
    assert (user.full_name, user.must_change_password) == ("Countess of Lovelace", False)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "there is no column name"),
        ("name,shoe size\nada,38", "there is no column &#39;shoe_size&#39;"),
        ("name\nada\nAda", "ada stands in the table twice"),
        ("name\n" + "x\n" * 301, "301 lines are too many at once"),
    ],
)
async def test_what_is_no_table_of_users_is_said(browser: httpx2.AsyncClient, table: str, words: str) -> None:
    await sign_in(browser)
    answer = await browser.post("/users/import", data={"table": table})
    assert (answer.status_code, words in answer.text) == (422, True)
    binary = await browser.post("/users/import", files={"table": ("u.xls", b"\xff\xfe\x00")})
    assert "not text in UTF-8" in binary.text

"""Backups on the panel: made, downloaded, verified, and put in the place of the installation at the next start."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from appliance import prepare
from appliance.backups import archive
from appliance.installation import Actor, Installation
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SettingDefinition
from appliance.users import service as users
from tests.webui.signing_in import sign_in

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

PASSPHRASE = "correct horse battery"


async def _make(browser: httpx2.AsyncClient) -> str:
    made = await browser.post("/backups", data={"passphrase": PASSPHRASE, "again": PASSPHRASE})
    assert made.status_code == 303, made.text
    return str(made.headers["location"])


async def test_a_backup_is_made_downloaded_verified_and_removed(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    assert "There is no backup yet" in (await browser.get("/backups")).text
    twice = await browser.post("/backups", data={"passphrase": PASSPHRASE, "again": "another"})
    assert (twice.status_code, "the two are not the same" in twice.text) == (422, True)
    weak = await browser.post("/backups", data={"passphrase": "1234", "again": "1234"})
    assert (weak.status_code, 'aria-describedby="wrong-passphrase"' in weak.text) == (422, True)
    path = await _make(browser)
    file = await browser.get(f"{path}/file")
    assert archive.describe(file.content).revision
    assert PASSPHRASE not in (await browser.get(path)).text
    wrong = await browser.post(f"{path}/verify", data={"passphrase": "another one"})
    assert (wrong.status_code, "the passphrase is wrong" in wrong.text) == (422, True)
    await browser.post("/users", data={"name": "late", "password": PASSPHRASE})
    good = (await browser.post(f"{path}/verify", data={"passphrase": PASSPHRASE})).text
    assert "It is good" in good
    assert re.search(r'<td>Users</td><td class="number">0</td><td class="number"><strong>1</strong>', good)
    assert (await browser.post(f"{path}/remove")).status_code == 303
    assert (await browser.get(path)).status_code == 404


async def test_a_backup_takes_the_installations_place_at_the_next_start(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    await browser.post("/users", data={"name": "early", "password": PASSPHRASE})
    path = await _make(browser)
    await browser.post("/users", data={"name": "late", "password": PASSPHRASE})
    refused = await browser.post(f"{path}/replace", data={"passphrase": PASSPHRASE, "typed": "yes"})
    assert (refused.status_code, "Type replace if you mean it." in refused.text) == (422, True)
    wrong = await browser.post(f"{path}/replace", data={"passphrase": "another", "typed": "replace"})
    assert (wrong.status_code, 'id="wrong-r-passphrase"' in wrong.text) == (422, True)
    wanted = {"passphrase": PASSPHRASE, "typed": "replace"}
    assert (await browser.post(f"{path}/replace", data=wanted)).status_code == 303
    assert (await browser.post("/backups/keep-present")).status_code == 303
    assert "Keep the present installation" not in (await browser.get("/backups")).text
    await browser.post(f"{path}/replace", data=wanted)
    assert "Keep the present installation" in (await browser.get("/backups")).text

    settings = browser.installation.settings
    await browser.installation.database.close()
    assert await prepare.prepare(settings) is None
    async with Installation.open(settings) as again, again.snapshot() as work:
        assert [user.name for user in (await users.page(work)).items] == ["early"]
    (kept,) = settings.data_dir.glob("replaced-*")
    assert {"coati.db", "master.key"} <= {file.name for file in kept.iterdir()}
    assert not (settings.data_dir / "restored").exists()


async def test_one_from_elsewhere_is_kept_when_its_passphrase_opens_it(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    path = await _make(browser)
    content = (await browser.get(f"{path}/file")).content
    for file, passphrase, words in (
        ({"content": ("copy.coati-backup", content)}, "another one", "the passphrase is wrong"),
        ({"content": ("copy.coati-backup", content + bytes(2_000_000))}, PASSPHRASE, "the file is damaged"),
        ({"content": ("copy.coati-backup", b"PK")}, PASSPHRASE, "this is no backup of Coati"),
        ({"content": ("copy.zip", content)}, PASSPHRASE, "cannot be called"),
        ({"content": ("", b"")}, PASSPHRASE, "Choose the file."),
    ):
        refused = await browser.post("/backups/send", files=file, data={"opened_by": passphrase})
        assert (refused.status_code, words in refused.text) == (422, True), words
        assert "/backups/copy" not in (await browser.get("/backups")).text
    sent = {"content": ("copy.coati-backup", content)}
    kept = await browser.post("/backups/send", files=sent, data={"opened_by": PASSPHRASE})
    assert kept.headers["location"] == "/backups/copy.coati-backup"
    assert (await browser.get("/backups/copy.coati-backup/file")).content == content


async def test_who_is_not_signed_in_sends_nothing_large(browser: httpx2.AsyncClient) -> None:
    sent = await browser.post("/backups/send", files={"content": ("copy.coati-backup", bytes(2_000_000))})
    assert sent.status_code == 303
    assert not list(browser.installation.settings.data_dir.glob("backups/*"))


async def test_the_page_shows_the_schedule_and_makes_one_as_it_would(
    browser: httpx2.AsyncClient, tmp_path: Path
) -> None:
    await sign_in(browser)
    (nowhere := tmp_path / "nowhere").mkdir()
    assert "None is made by itself" in (await browser.get("/backups")).text
    refused = await browser.post("/backups/run")
    assert (refused.status_code, "no passphrase" in refused.text) == (422, True)
    wanted = {"backup_every_hours": 24, "backup_directory": str(nowhere), "backup_passphrase": PASSPHRASE}
    async with browser.installation.transaction(Actor("a test")) as work:
        for name, value in wanted.items():
            await settings.define(work, name, SettingDefinition(value=value))
    nowhere.rmdir()
    failed = await browser.post("/backups/run")
    assert (failed.status_code, f"It could not be made: cannot write in {nowhere}" in failed.text) == (422, True)
    assert f"cannot write in {nowhere}" in (await browser.get("/")).text
    async with browser.installation.transaction(Actor("a test")) as work:
        await settings.reset(work, "backup_directory")
    assert (await browser.post("/backups/run")).status_code == 303
    page = (await browser.get("/backups")).text
    assert "Every 24 hours, counted from 02:00 UTC" in page
    assert "by itself, in" in page
    assert f"cannot write in {nowhere}" not in (await browser.get("/")).text

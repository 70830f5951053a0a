"""Backups by the API and by the command line: what people and scripts see."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2
import pytest

from appliance import first_start
from appliance.api import application
from appliance.installation import Actor, Installation
from appliance.models import Scope
from appliance.settings import Settings
from appliance.tokens import service as tokens
from appliance.tokens.schemas import NewToken
from tests import command_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.command_line import Said

PASSPHRASE = "correct horse battery"
V1 = "/api/v1/backups"


async def test_the_life_of_a_backup_in_the_api(tmp_path: Path) -> None:
    async with Installation.open(Settings(data_dir=tmp_path / "data")) as opened:
        await first_start.ensure(opened)
        async with opened.transaction(Actor("a test")) as work:
            owner, writer = [
                (await tokens.create(work, NewToken(name=scope.value, scopes=(scope,)))).token
                for scope in (Scope.OWN, Scope.WRITE)
            ]
        transport = httpx2.ASGITransport(app=application.create(opened))
        headers = {"Authorization": f"Bearer {owner}"}
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test", headers=headers) as client:
            made = await client.post(V1, json={"passphrase": PASSPHRASE})
            assert made.status_code == 201, made.text
            name = made.json()["name"]
            assert PASSPHRASE not in made.text
            assert (await client.get(V1)).json()["items"] == [made.json()]
            file = await client.get(f"{V1}/{name}/file")
            assert file.headers["content-type"] == "application/octet-stream"
            assert name in file.headers["content-disposition"]
            assert len(file.content) == made.json()["octets"]

            verified = await client.post(f"{V1}/{name}/verify", json={"passphrase": PASSPHRASE})
            assert verified.json()["rows"]["administrators"] == 1
            wrong = await client.post(f"{V1}/{name}/verify", json={"passphrase": "something else"})
            assert wrong.status_code == 422
            assert "passphrase is wrong" in wrong.json()["detail"]
            assert (await client.post(V1, json={"passphrase": "short"})).status_code == 422

            sent = await client.post(f"{V1}/copy.coati-backup/file", content=file.content)
            assert sent.status_code == 201, sent.text
            assert sent.json()["made_at"] == made.json()["made_at"]
            again = await client.post(f"{V1}/copy.coati-backup/file", content=file.content)
            assert (again.status_code, again.json()["type"]) == (409, "urn:coati:problem:already-exists")
            large = file.content + bytes(3_000_000)  # more than other requests may be
            assert (await client.post(f"{V1}/large.coati-backup/file", content=large)).status_code == 201
            damaged = await client.post(f"{V1}/large.coati-backup/verify", json={"passphrase": PASSPHRASE})
            assert (damaged.status_code, damaged.json()["field"]) == (422, "passphrase")
            none = await client.post(f"{V1}/none.coati-backup/file", content=b"PK")
            assert (none.status_code, "no backup of Coati" in none.json()["detail"]) == (422, True)
            assert (await client.post(V1, content=large)).status_code == 413

            assert (await client.get("/api/v1/backup-schedule")).json()["every_hours"] is None
            assert (await client.post("/api/v1/backup-schedule/runs")).status_code == 422
            secret = {"value": PASSPHRASE}
            assert (await client.put("/api/v1/settings/backup_passphrase", json=secret)).status_code == 200
            run = await client.post("/api/v1/backup-schedule/runs")
            assert (run.status_code, run.json()["succeeded"]) == (201, True)
            assert (await client.get("/api/v1/backup-schedule")).json()["last_success"] == run.json()
            assert run.json()["name"] in [each["name"] for each in (await client.get(V1)).json()["items"]]

            assert (await client.delete(f"{V1}/{name}")).status_code == 204
            assert (await client.get(f"{V1}/{name}")).status_code == 404
            assert (await client.get(f"{V1}/..%2Fmaster.key/file")).status_code == 404
            only_writes = {"Authorization": f"Bearer {writer}"}
            assert (await client.get(V1, headers=only_writes)).status_code == 403
            sent = await client.post(f"{V1}/x.coati-backup/file", headers=only_writes, content=large)
            assert sent.status_code == 403
            assert (await client.post(V1, headers=only_writes, json={"passphrase": PASSPHRASE})).status_code == 403


@pytest.fixture
def coati(tmp_path: Path) -> Callable[..., Said]:
    """Run a command on the data directory ``where``; the passphrase is piped in."""

    def run(where: str, *arguments: str, stdin: str = f"{PASSPHRASE}\n") -> Said:
        return command_line.coati(*arguments, environment={"COATI_DATA_DIR": str(tmp_path / where)}, stdin=stdin)

    return run


def test_the_life_of_a_backup_on_the_command_line(coati: Callable[..., Said], tmp_path: Path) -> None:
    file = str(tmp_path / "monday.coati-backup")
    added = coati("here", "user", "add", "ada", "--password-stdin", stdin="analytical engine\n")
    assert added.status == 0, added.err

    made = coati("here", "backup", "create", file, "--passphrase-stdin")
    assert made.status == 0, made.err
    assert "1 user," in made.out
    assert "restored on trial" in made.out
    assert (tmp_path / "monday.coati-backup").stat().st_mode & 0o777 == 0o600
    again = coati("here", "backup", "create", file, "--passphrase-stdin")
    assert (again.status, "is there already" in again.err) == (1, True)

    shown = coati("nowhere", "backup", "show", file, "--json")
    assert json.loads(shown.out)["name"] == "monday.coati-backup"
    wrong = coati("nowhere", "backup", "verify", file, "--passphrase-stdin", stdin="something else\n")
    assert (wrong.status, "the passphrase is wrong, or the file is damaged" in wrong.err) == (1, True)
    assert coati("nowhere", "backup", "verify", file, "--passphrase-stdin").out.startswith(f"{file} is good: 1 user,")

    occupied = coati("here", "backup", "restore", file, "--passphrase-stdin")
    assert (occupied.status, "holds an installation; nothing was changed" in occupied.err) == (1, True)
    restored = coati("there", "backup", "restore", file, "--passphrase-stdin")
    assert restored.status == 0, restored.err
    assert restored.out.splitlines()[-1] == "next: coati serve"
    assert json.loads(coati("there", "user", "show", "ada", "--json").out)["name"] == "ada"


def test_the_life_of_a_backup_that_lies_on_the_gateway(coati: Callable[..., Said], tmp_path: Path) -> None:
    monday, file = "monday.coati-backup", tmp_path / "fetched"
    coati("here", "user", "add", "ada", "--password-stdin", stdin="analytical engine\n")
    coati("here", "backup", "create", str(tmp_path / monday), "--passphrase-stdin")
    assert coati("here", "backup", "send", str(tmp_path / monday)).status == 0

    assert coati("here", "backup", "show", monday).out.startswith(str(tmp_path / "here" / "backups" / monday))
    verified = coati("here", "backup", "verify", monday, "--passphrase-stdin", "--json")
    assert json.loads(verified.out)["rows"]["users"] == 1
    wrong = coati("here", "backup", "verify", monday, "--passphrase-stdin", stdin="something else\n")
    assert (wrong.status, "the passphrase is wrong, or the file is damaged" in wrong.err) == (1, True)
    assert coati("here", "backup", "fetch", monday, "-o", str(file)).status == 0
    assert file.read_bytes() == (tmp_path / monday).read_bytes()
    assert (file.stat().st_mode & 0o777, coati("here", "backup", "fetch", monday, "-o", str(file)).status) == (0o600, 1)

    assert coati("here", "backup", "replacement").err == "coati: no backup waits for the next start\n"
    assert coati("here", "backup", "replace", monday, "--passphrase-stdin").status == 0
    waiting = coati("here", "backup", "replacement")
    assert (waiting.status, waiting.out.startswith(f"{monday}: 1 user, ")) == (0, True)
    assert "on the command line" in waiting.out
    assert coati("here", "backup", "keep-present").status == 0

    assert coati("here", "backup", "remove", monday, "--yes").status == 0
    assert coati("here", "backup", "list").out == "there is no backup\n"
    gone = coati("here", "backup", "verify", monday, "--passphrase-stdin")
    assert (gone.status, gone.err) == (1, f"coati: there is no backup {monday}\n")


def test_another_file_is_refused_in_words(coati: Callable[..., Said], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"not a backup")
    said = coati("nowhere", "backup", "restore", str(other), "--passphrase-stdin")
    assert (said.status, "this is no backup of Coati" in said.err) == (1, True)
    assert not (tmp_path / "nowhere" / "master.key").exists()
    missing = coati("nowhere", "backup", "verify", str(tmp_path / "missing"), "--passphrase-stdin")
    assert (missing.status, "does not exist" in missing.err) == (2, True)

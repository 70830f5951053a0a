"""Versions by the API and by the command line."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import httpx2
import pytest

from appliance import first_start
from appliance.api import application
from appliance.configuration.nouns import NOUNS
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

V1 = "/api/v1"
OFFICE = {"networks": ["10.231.0.0/29"]}


async def test_a_slip_is_found_and_undone_in_the_api(tmp_path: Path) -> None:
    async with Installation.open(Settings(data_dir=tmp_path / "data")) as opened:
        await first_start.ensure(opened)
        async with opened.transaction(Actor("a test")) as work:
            writer, reader = [
                (await tokens.create(work, NewToken(name=scope.value, scopes=(scope,)))).token
                for scope in (Scope.WRITE, Scope.READ)
            ]
        transport = httpx2.ASGITransport(app=application.create(opened))
        headers = {"Authorization": f"Bearer {writer}"}
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test", headers=headers) as client:
            for banner in ("Welcome", "Wellcome"):
                answer = await client.put(f"{V1}/pools/office", json=OFFICE | {"banner": banner})
                assert answer.is_success, answer.text
            found = (await client.get(f"{V1}/configuration", params={"noun": "pool", "name": "office"})).json()
            slip = found["items"][0]
            assert (found["total"], slip["who"]) == (2, "token write")
            assert slip["changes"] == [{"field": "banner", "before": "Welcome", "after": "Wellcome"}]
            one = f"{V1}/configuration/{slip['number']}"
            assert (await client.get(one)).json() == slip
            assert (await client.get(f"{one}/diff")).json()["changes"] == []

            only_reads = {"Authorization": f"Bearer {reader}"}
            assert (await client.get(one, headers=only_reads)).status_code == 200
            assert (await client.post(f"{one}/rollback", headers=only_reads, json={})).status_code == 403
            undone = await client.post(f"{one}/rollback", json={"to": "before"})
            assert (undone.status_code, undone.json()["there_after"]) == (200, True)
            assert (await client.get(f"{V1}/pools/office")).json()["banner"] == "Welcome"
            assert (await client.get(f"{one}/diff")).json()["changes"] == [
                {"field": "banner", "before": "Wellcome", "after": "Welcome"}
            ]
            assert (await client.get(f"{V1}/configuration/999999")).status_code == 404
            assert (await client.get(f"{V1}/configuration", params={"noun": "moon"})).status_code == 422


async def test_what_only_an_owner_may_change_nobody_else_puts_back(tmp_path: Path) -> None:
    async with Installation.open(Settings(data_dir=tmp_path / "data")) as opened:
        async with opened.transaction(Actor("a test")) as work:
            owner, writer = [
                (await tokens.create(work, NewToken(name=scope.value, scopes=(scope,)))).token
                for scope in (Scope.OWN, Scope.WRITE)
            ]
        transport = httpx2.ASGITransport(app=application.create(opened))
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
            client.headers["Authorization"] = f"Bearer {owner}"
            for roles in ({"staff": "owner"}, {"staff": "auditor"}):
                answer = await client.put(f"{V1}/settings/oidc_roles", json={"value": roles})
                assert answer.is_success, answer.text
            number = (await client.get(f"{V1}/configuration", params={"noun": "setting"})).json()["items"][0]["number"]
            back = f"{V1}/configuration/{number}/rollback"
            refused = await client.post(back, json={"to": "before"}, headers={"Authorization": f"Bearer {writer}"})
            assert (refused.status_code, "scope own" in refused.json()["remedy"]) == (403, True)
            assert (await client.get(f"{V1}/settings/oidc_roles")).json()["value"] == {"staff": "auditor"}
            assert (await client.post(back, json={"to": "before"})).is_success
            assert (await client.get(f"{V1}/settings/oidc_roles")).json()["value"] == {"staff": "owner"}


def test_a_thing_is_put_back_by_whom_it_is_changed_by() -> None:
    places = {"policy": "policy", "radius-server": "realms/{realm}/servers/{name}"}
    document = application.create(Installation.__new__(Installation)).openapi()
    for noun, kind in NOUNS.items():
        path = document["paths"][f"{V1}/{places.get(noun, f'{noun}s/{{name}}')}"]
        changing = path.get("patch") or path["put"]
        assert changing["x-coati-scope"] == kind.needed, noun


@pytest.fixture
def coati(tmp_path: Path) -> Callable[..., Said]:
    """Run a command."""
    return partial(command_line.coati, environment={"COATI_DATA_DIR": str(tmp_path / "data")})


def test_a_slip_is_found_and_undone_on_the_command_line(coati: Callable[..., Said]) -> None:
    assert coati("config", "history").out == "nothing has been configured yet\n"
    assert coati("pool", "add", "office", "--network", "10.99.0.0/29", "--banner", "Welcome").status == 0
    assert coati("pool", "set", "office", "--banner", "Wellcome").status == 0
    listed = coati("config", "history", "pool", "office").out.splitlines()
    assert listed[0].split() == ["VERSION", "AT", "WHO", "DEED", "NAME", "FIELDS"]
    assert listed[1].endswith("banner")
    number = str(json.loads(coati("config", "history", "--json").out)[0]["number"])
    assert coati("config", "diff", number, "--change").out == '- banner = "Welcome"\n+ banner = "Wellcome"\n'
    assert coati("config", "diff", number).out == "nothing differs\n"
    undone = coati("config", "rollback", number, "--before", "--yes")
    assert (undone.status, undone.out) == (0, '- banner = "Wellcome"\n+ banner = "Welcome"\n')
    assert json.loads(coati("pool", "show", "office", "--json").out)["banner"] == "Welcome"
    missing = coati("config", "rollback", "99", "--yes")
    assert (missing.status, missing.err) == (1, "coati: there is no version 99; coati config history\n")

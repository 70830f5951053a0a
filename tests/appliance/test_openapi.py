"""The OpenAPI document against the API, by schemathesis: no 5xx, no answer that it does not describe."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance
from schemathesis.specs.openapi.checks import ignored_auth

from appliance import api, first_start
from appliance.api_examples import EXAMPLES
from appliance.database import Database
from appliance.installation import Actor, Installation
from appliance.models import Scope
from appliance.settings import Settings
from appliance.tokens import service as tokens
from appliance.tokens.schemas import NewToken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis.schemas import BaseSchema

TRIES = 12
# Half of the time a name that may be there, else nothing but "not found" would be looked at.
PRESENT = (None, None, "default", "alice")
# What fits the document may still be refused: that a password is guessable, or a network overlaps another.
# And every request has the token, so that it cannot tell what happens without one: test_api does.
EXCLUDED = [positive_data_acceptance, ignored_auth]
METHODS = ("get", "put", "post", "patch", "delete")

# The document does not depend on what the process holds open.
DOCUMENT = api.create(cast("Installation", None)).openapi()
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in METHODS if method in methods]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    folder = tmp_path_factory.mktemp("openapi")

    async def prepare() -> tuple[Installation, str]:
        async with Installation.open(Settings(data_dir=folder, public_name="vpn.example.net")) as installation:
            await first_start.ensure(installation)
            async with installation.transaction(Actor("a test")) as work:
                token = await tokens.create(work, NewToken(name="schemathesis", scopes=(Scope.OWN,)))
            return installation, token.token

    prepared, token = asyncio.run(prepare())
    database = Database.open(prepared.settings.effective_database_url)
    app = api.create(Installation(prepared.settings, database, prepared.master_key))
    found = schemathesis.openapi.from_asgi("/api/openapi.json", app)
    found.config.update(headers={"Authorization": f"Bearer {token}"})
    yield found
    asyncio.run(database.close())


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS])
def test_every_answer_is_described(schema: BaseSchema, path: str, method: str) -> None:
    operation = schema[path][method]
    cases = st.one_of(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)

    @given(case=cases, name=st.sampled_from(PRESENT))
    @settings(max_examples=TRIES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case: Any, name: str | None) -> None:
        if name is not None and "name" in case.path_parameters:
            case.path_parameters["name"] = name
        case.call_and_validate(excluded_checks=EXCLUDED)

    check()


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_fit_their_schema(name: str) -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas[name]["examples"] == [EXAMPLES[name]]
    root = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    jsonschema_rs.validator_for(root).validate(EXAMPLES[name])


def test_every_noun_is_described_and_every_operation_says_its_scope() -> None:
    tags = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    for path, method in OPERATIONS:
        operation = DOCUMENT["paths"][path][method]
        assert operation["description"], path
        if path.startswith("/api/"):  # the others are for everybody
            assert tags[operation["tags"][0]], path
            assert operation["x-coati-scope"], path

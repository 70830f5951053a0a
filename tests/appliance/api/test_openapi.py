"""The OpenAPI document against the API, by schemathesis: no 5xx, no answer that it does not describe."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance
from schemathesis.specs.openapi.checks import ignored_auth

from appliance import first_start
from appliance.api import application
from appliance.api.examples import EXAMPLES
from appliance.client.remote import operations_by_name
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
DOCUMENT = application.create(cast("Installation", None)).openapi()
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
    app = application.create(Installation(prepared.settings, database, prepared.master_key))
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


def answers(method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][f"/api/v1{path}"][method]["responses"]
    return found


def test_the_specification_s_own_validator_finds_nothing() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_an_operation_is_called_as_its_function_and_the_method_of_our_client() -> None:
    names = [DOCUMENT["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(names) == len(set(names))
    assert {"list_users", "define_user", "show_health"} <= set(names)
    assert set(operations_by_name()) <= set(names)


def test_a_client_can_be_made_of_it() -> None:
    """What generators ask for: every answer has a schema, no answer is one or the other, names are names."""
    for path, method in OPERATIONS:
        for status, answer in DOCUMENT["paths"][path][method]["responses"].items():
            assert status == "204" or answer["content"], (method, path, status)
            for media_type, content in answer.get("content", {}).items():
                assert content["schema"], (method, path, status, media_type)
                assert "anyOf" not in content["schema"], (method, path, status, media_type)
    assert [name for name in DOCUMENT["components"]["schemas"] if not name.isalnum()] == []
    assert answers("put", "/users/{name}")["201"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/UserView"}}
    }
    assert answers("get", "/users")["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/UserPage")


def test_the_guide_names_paths_that_there_are() -> None:
    """docs/api.md and the playbook: what stands behind /api/v1 or $API, or after a method."""
    docs = Path(__file__).parents[3] / "docs"
    text = (docs / "api.md").read_text() + (docs / "certificates.md").read_text()
    text += re.sub(r"^put ", "$API/", (docs / "examples" / "office.sh").read_text(), flags=re.MULTILINE)
    named = re.findall(r"(?:/api/v1|\$API|(?:GET|POST|PUT|PATCH|DELETE) )(/[\w/{}<>.-]+)", text)
    paths = [re.compile(re.sub(r"\{\w+\}", "[^/]+", path.removeprefix("/api/v1"))) for path in DOCUMENT["paths"]]
    assert len(named) > 25
    said = {path.removeprefix("/api/v1").rstrip(".") for path in named}
    assert {path for path in said if not any(known.fullmatch(path) for known in paths)} == {"/<noun>/<name>"}


def test_what_headers_say_is_documented() -> None:
    assert {"ETag", "Coati-Changed"} == answers("put", "/users/{name}")["200"]["headers"].keys()
    assert {"ETag"} == answers("get", "/users/{name}")["200"]["headers"].keys()
    assert {"Coati-Changed"} == answers("delete", "/users/{name}")["204"]["headers"].keys()
    assert answers("get", "/users")["200"]["headers"] == {}
    assert "Retry-After" in answers("get", "/users")["429"]["headers"]
    assert "WWW-Authenticate" in answers("get", "/users")["401"]["headers"]


def test_secrets_are_write_only() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            for each in (described, *described.get("anyOf", ())):
                assert each.get("format") != "password" or each["writeOnly"], (name, field)


def test_every_body_has_an_example() -> None:
    for path, method in OPERATIONS:
        content = DOCUMENT["paths"][path][method].get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        for each in (schema, *schema.get("anyOf", ())):
            if "$ref" in each:
                assert each["$ref"].rpartition("/")[2] in EXAMPLES, (method, path)


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

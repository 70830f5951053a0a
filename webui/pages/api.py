"""The API's documentation, drawn from the OpenAPI document: works offline and without a script."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from appliance.api.failures import KINDS
from webui.rendering import page, pretty

router = APIRouter()

_METHODS = ("get", "post", "put", "patch", "delete")


@router.get("/api/docs")
async def documentation(request: Request) -> HTMLResponse:
    """Show what the API can do; it tells nothing of this gateway."""
    document = request.app.openapi()
    schemas = document["components"]["schemas"]
    groups: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document.get("tags", ())}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if (operation := methods.get(method)) is not None:
                shown = _operation(path, method, operation, schemas)
                groups.setdefault(operation.get("tags", ["other"])[0], []).append(shown)
    descriptions = {tag["name"]: tag["description"] for tag in document.get("tags", ())}
    return page(request, "api.html", groups=groups, descriptions=descriptions, kinds=KINDS, document=document)


def _operation(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = _resolved(body, schemas)
    example = schema.get("examples", [None])[0]
    good = next((status for status in operation["responses"] if status.startswith("2")), "")
    answer = operation["responses"].get(good, {}).get("content", {}).get("application/json", {}).get("schema", {})
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation.get("description") or operation.get("summary", ""),
        "scope": operation.get("x-coati-scope", ""),
        "parameters": [{**each, "type": _type(each.get("schema", {}))} for each in operation.get("parameters", ())],
        "fields": _fields(schema),
        "example": pretty(example) if example else "",
        "answer": _type(answer),
        "answer_fields": _fields(_resolved(answer, schemas)),
        "statuses": {status: each["description"] for status, each in operation["responses"].items()},
    }


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, also one that may be null."""
    for each in (schema, *schema.get("anyOf", ())):
        if "$ref" in each:
            found: dict[str, Any] = schemas[each["$ref"].rpartition("/")[2]]
            return found
    return schema


def _fields(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "type": _type(each),
            "required": name in required,
            "default": pretty(each["default"]) if each.get("default") not in (None, "", []) else "",
            "description": each.get("description", ""),
        }
        for name, each in schema.get("properties", {}).items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """Say in a few words what a value is."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema.get("anyOf", schema.get("oneOf", ()))))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kind = str(schema.get("format") or schema.get("type") or "any")
    bounds = [f"{words} {schema[name]}" for name, words in (("minimum", "from"), ("maximum", "to")) if name in schema]
    return " ".join([kind, *bounds])

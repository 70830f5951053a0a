"""The API's documentation page: whole, offline, and without a script."""

import re
from typing import TYPE_CHECKING, cast

import httpx2

from appliance.settings import Settings
from webui import panel

if TYPE_CHECKING:
    from appliance.installation import Installation


async def test_every_operation_is_on_the_page_and_nothing_comes_from_elsewhere() -> None:
    app = panel.create(cast("Installation", _Nothing()))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
        answer = await client.get("/api/docs")
    assert answer.status_code == 200
    document = app.openapi()
    for path, methods in document["paths"].items():
        for method in methods.keys() & {"get", "put", "post", "patch", "delete"}:
            assert f"<code>{method.upper()} {path}</code>" in answer.text
    assert "urn:coati:problem:lost-update" in answer.text
    assert "correct horse battery staple" in answer.text
    assert not re.search(r"<script(?![^>]* src=)", answer.text)
    assert " style=" not in answer.text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


class _Nothing:
    """The page tells nothing of the gateway, so it needs none."""

    database = None
    settings = Settings()

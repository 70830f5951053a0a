"""Every page says in its signature that it is for administrators; those that are not are listed here."""

from pathlib import Path

import httpx2
from fastapi.routing import APIRoute

from appliance.installation import Installation
from appliance.settings import Settings
from webui import pages, panel, security

FOR_EVERYBODY = {"/sign-in", "/ca.pem"}


def test_every_page_is_for_administrators() -> None:
    routes = [route for noun in pages.NOUNS for route in noun.router.routes if isinstance(route, APIRoute)]
    assert len(routes) > 40
    for page in routes:
        guarded = security._signed_in in [dependency.call for dependency in page.dependant.dependencies]
        assert guarded != (page.path in FOR_EVERYBODY), page.path


async def test_people_get_a_page_where_machines_get_a_document(tmp_path: Path) -> None:
    async with Installation.open(Settings(data_dir=tmp_path / "data")) as installation:
        transport = httpx2.ASGITransport(app=panel.create(installation))
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
            page = await client.get("/nothing")
            document = await client.get("/api/v1/nothing")
    assert (page.status_code, document.status_code) == (404, 404)
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>Not Found</h1>" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert document.headers["content-type"] == "application/problem+json"

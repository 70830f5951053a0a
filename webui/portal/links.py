"""``/get/TOKEN``: looking at a one-time link uses nothing up, pressing its button does."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import installation, source
from appliance.client_profiles import links
from appliance.client_profiles.endpoints import answer
from webui.rendering import page

router = APIRouter()


@router.get("/get/{token}")
async def look(request: Request, token: str) -> HTMLResponse:
    """Say what there is to get."""
    async with installation(request).snapshot() as work:
        link = await links.show(work, token)
    return page(request, "portal/link.html", link=link, path=f"/get/{token}")


@router.post("/get/{token}")
async def get(request: Request, token: str) -> Response:
    """Give it, this once."""
    return answer(await links.use(installation(request), token, source(request)))

"""How to connect a client, with this gateway's names filled in."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from appliance.api.dependencies import installation
from appliance.system import service as system
from webui.rendering import page
from webui.security import SignedIn

router = APIRouter()


@router.get("/connect")
async def connect(request: Request, actor: SignedIn) -> HTMLResponse:
    """Say how to connect a client."""
    async with installation(request).snapshot(actor) as work:
        names = (await system.status(work)).gateway_names
    return page(request, "connect.html", actor, names=names)

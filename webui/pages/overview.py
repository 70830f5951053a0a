"""The appliance at a glance."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from appliance.dependencies import installation
from appliance.models.columns import now
from appliance.refusals import service as refusals
from appliance.refusals.schemas import RefusalFilter
from appliance.schema import Paging
from appliance.system import service as system
from webui.rendering import duration, page
from webui.security import SignedIn

router = APIRouter()


@router.get("/")
async def overview(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show how everything is."""
    async with installation(request).snapshot(actor) as work:
        status = await system.status(work)
        refused = (await refusals.page(work, RefusalFilter(), Paging(limit=5))).items
    expires = status.gateway_certificate_expires_at
    return page(
        request,
        "dashboard.html",
        actor,
        status=status,
        refused=refused,
        expires_in=duration((expires - now()).total_seconds()) if expires else "",
        api="/status",
    )

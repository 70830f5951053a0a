"""Certificates: the local authority and what it issued to this appliance."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from appliance.certificates import service as certificates
from appliance.dependencies import installation
from webui.rendering import back, confirmation, page
from webui.security import Ruling, SignedIn

router = APIRouter()


@router.get("/certificates")
async def list_certificates(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show all certificates, those in use first."""
    async with installation(request).snapshot(actor) as work:
        found = await certificates.page(work)
    return page(request, "certificates/list.html", actor, certificates=found.items, api="/certificates")


@router.get("/certificates/renew")
async def ask_to_renew(request: Request, actor: SignedIn) -> HTMLResponse:
    """Ask before new certificates are issued."""
    return confirmation(
        request,
        actor,
        title="Renew the gateway's and the panel's certificates?",
        text="Clients notice nothing: the authority that they trust stays. The panel uses its new one after a restart.",
        button="Renew",
        back_to="/certificates",
    )


@router.post("/certificates/renew")
async def renew(request: Request, actor: Ruling) -> Response:
    """Issue new certificates."""
    async with installation(request).transaction(actor) as work:
        await certificates.renew(work)
    return back("/certificates", "New certificates were issued.")

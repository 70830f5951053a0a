"""Requests to outside authorities, and their answers."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.attachment import attachment
from appliance.api.dependencies import Number, installation
from appliance.certificates import requests
from appliance.certificates.issuing import KeyKind
from appliance.certificates.schemas import NewRequest, RequestAnswer
from appliance.installation import Actor
from appliance.models import CertificatePurpose
from webui.forms import Form, Refused, read, with_file
from webui.rendering import back, confirmation, page
from webui.security import Ruling, SignedIn

router = APIRouter(prefix="/certificates/requests")

_PURPOSES: Final = (
    (CertificatePurpose.GATEWAY, "the gateway, which IKE clients believe"),
    (CertificatePurpose.PANEL, "the panel, which browsers believe"),
)
_KEYS: Final = tuple((kind, kind.value) for kind in KeyKind)


@router.get("")
async def list_requests(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show the requests that wait for an answer."""
    async with installation(request).snapshot(actor) as work:
        found = await requests.page(work)
    return page(request, "certificates/requests.html", actor, requests=found.items, api="/certificate-requests")


@router.get("/add")
async def add_form(request: Request, actor: Ruling) -> HTMLResponse:
    """Ask what an outside authority is to certify."""
    return _form(request, actor, Form(NewRequest().model_dump()))


@router.post("")
async def add(request: Request, actor: Ruling) -> Response:
    """Make a key and a request for it."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            made = await requests.make(work, read(sent, NewRequest))
    except Refused as error:
        return _form(request, actor, Form.refused(sent, error), code=422)
    return back(f"/certificates/requests/{made.id}", "The request was made. Send it to the authority.")


@router.get("/{number}")
async def show(request: Request, actor: SignedIn, number: Number) -> HTMLResponse:
    """Show a request, to be sent and to be answered."""
    return await _show(request, actor, number, Form())


@router.get("/{number}/file")
async def download(request: Request, actor: SignedIn, number: Number) -> Response:
    """Give the request as a file."""
    async with installation(request).snapshot(actor) as work:
        found = await requests.show(work, number)
    return attachment(f"coati-{found.purpose.value}-{number}.csr", "application/pkcs10", found.pem.encode())


@router.post("/{number}/answer")
async def answer(request: Request, actor: Ruling, number: Number) -> Response:
    """Take in what the authority gave."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            taken = await requests.answer(work, number, read(await with_file(sent), RequestAnswer))
    except Refused as error:
        return await _show(request, actor, number, Form.refused(sent, error), code=422)
    return back(f"/certificates/{taken.id}", f"The {taken.purpose.value} shows this certificate from now on.")


@router.get("/{number}/remove")
async def ask_to_remove(request: Request, actor: SignedIn, number: Number) -> HTMLResponse:
    """Ask before a request and its key are forgotten."""
    return confirmation(
        request,
        actor,
        title="Forget this request?",
        text="Its private key is forgotten with it: an answer that comes later is of no use.",
        button="Forget",
        back_to=f"/certificates/requests/{number}",
    )


@router.post("/{number}/remove")
async def remove(request: Request, actor: Ruling, number: Number) -> Response:
    """Forget a request."""
    async with installation(request).transaction(actor) as work:
        await requests.remove(work, number)
    return back("/certificates/requests", "The request and its key are forgotten.")


async def _show(request: Request, actor: Actor, number: int, form: Form, *, code: int = 200) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        found = await requests.show(work, number)
    return page(
        request,
        "certificates/request.html",
        actor,
        code=code,
        asked=found,
        form=form,
        api=f"/certificate-requests/{number}",
    )


def _form(request: Request, actor: Actor, form: Form, *, code: int = 200) -> HTMLResponse:
    return page(request, "certificates/request_add.html", actor, code=code, form=form, purposes=_PURPOSES, keys=_KEYS)

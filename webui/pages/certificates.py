"""Certificates: ours and those that we issued or took in; what runs out when."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from appliance.api.attachment import attachment
from appliance.api.dependencies import Number, installation
from appliance.certificates import authorities, expiry, requests, service, transfers
from appliance.certificates.files import FileFormat
from appliance.certificates.issuing import KeyKind
from appliance.certificates.schemas import (
    CertificateExport,
    CertificateFilter,
    CertificateImport,
    CertificateState,
    CertificateView,
    NewCertificate,
    Revocation,
)
from appliance.installation import Actor
from appliance.models import CertificatePurpose, RevocationReason
from webui.forms import Form, Refused, read, with_file, wrong
from webui.listing import Listing, listing
from webui.rendering import back, confirmation, page
from webui.security import Operating, Proven, Ruling, SignedIn

router = APIRouter(prefix="/certificates")

_ISSUED: Final = (
    (CertificatePurpose.USER, "a user, who proves with it who he is before the password"),
    (CertificatePurpose.SERVER, "another server or router"),
    (CertificatePurpose.GATEWAY, "the gateway: it takes the place of the present one"),
    (CertificatePurpose.PANEL, "the panel: it takes the place of the present one"),
)
_KEYS: Final = tuple((kind, kind.value) for kind in KeyKind)
_FORMATS: Final = (
    (FileFormat.PKCS12, "PKCS#12 (.p12), which every system reads"),
    (FileFormat.PKCS12_AES, "PKCS#12 with AES, for systems of the last years"),
    (FileFormat.PEM, "PEM"),
    (FileFormat.DER, "DER (.cer), the certificate alone"),
)
_REASONS: Final = {
    RevocationReason.UNSPECIFIED: "for no particular reason",
    RevocationReason.KEY_COMPROMISE: "somebody else may have the key",
    RevocationReason.CA_COMPROMISE: "somebody else may have the authority's key",
    RevocationReason.AFFILIATION_CHANGED: "the owner belongs elsewhere now",
    RevocationReason.SUPERSEDED: "another one takes its place",
    RevocationReason.CESSATION_OF_OPERATION: "what it was for is no more",
    RevocationReason.PRIVILEGE_WITHDRAWN: "the owner may not come in any more",
}


@router.get("")
async def list_certificates(
    request: Request,
    actor: SignedIn,
    listed: Annotated[Listing[CertificateFilter], Depends(listing(CertificateFilter))],
) -> Response:
    """Show all certificates, those in use first, and what runs out."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("certificates", lambda part: service.page(work, listed.wanted, part))
        found = await service.page(work, listed.wanted, listed.part)
        running_out = await expiry.problems(work)
        soonest = await expiry.soonest(work)
        waiting = (await requests.page(work)).total
    return page(
        request,
        "certificates/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        running_out=running_out,
        soonest=soonest,
        waiting=waiting,
        purposes=list(CertificatePurpose),
        states=list(CertificateState),
        api=f"/certificates{listed.query}",
    )


@router.get("/renew")
async def ask_to_renew(request: Request, actor: SignedIn) -> HTMLResponse:
    """Ask before new certificates are issued."""
    return confirmation(
        request,
        actor,
        title="Renew the gateway's and the panel's certificates?",
        text="Clients notice nothing: the authority that they trust stays. They are renewed by themselves 60 days "
        "before they expire; this is for when you do not want to wait.",
        button="Renew",
        back_to="/certificates",
    )


@router.post("/renew")
async def renew(request: Request, actor: Ruling) -> Response:
    """Issue new certificates to gateway and panel."""
    async with installation(request).transaction(actor) as work:
        await service.renew(work)
    return back("/certificates", "New certificates were issued.")


# ---- issuing and importing -----------------------------------------------------------------------------


@router.get("/issue")
async def issue_form(request: Request, actor: Ruling) -> HTMLResponse:
    """Ask for whom a certificate is to be issued."""
    defaults = NewCertificate(owner=request.query_params.get("owner", "")).model_dump()
    return await _issue_form(request, actor, Form(defaults))


@router.post("/issue")
async def issue(request: Request, actor: Ruling) -> Response:
    """Issue a certificate."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            made = await service.issue(work, _new(sent))
    except Refused as error:
        return await _issue_form(request, actor, Form.refused(sent, error), code=422)
    return back(f"/certificates/{made.id}", f"The certificate of {made.owner or made.names[0]} was issued.")


@router.get("/import")
async def import_form(request: Request, actor: Ruling) -> HTMLResponse:
    """Ask for a certificate from elsewhere."""
    return _import_form(request, actor, Form({"purpose": CertificatePurpose.GATEWAY}))


@router.post("/import")
async def import_(request: Request, actor: Ruling) -> Response:
    """Take in a certificate from elsewhere."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            taken = await transfers.import_(work, read(await with_file(sent), CertificateImport))
    except Refused as error:
        return _import_form(request, actor, Form.refused(sent, error), code=422)
    words = f" of {taken.owner} was imported." if taken.owner else " was imported; it is used from now on."
    return back(f"/certificates/{taken.id}", f"The certificate{words}")


# ---- one -----------------------------------------------------------------------------------------------


@router.get("/{number}")
async def show(request: Request, actor: SignedIn, number: Number) -> HTMLResponse:
    """Show one certificate, and how to get it as a file."""
    return await _show(request, actor, number)


@router.post("/{number}/export")
async def export(request: Request, actor: Proven, number: Number) -> Response:
    """Give a certificate as a file; its private key leaves encrypted, or not at all."""
    sent = await request.form()
    try:
        wanted = read(sent, CertificateExport)
        async with installation(request).transaction(actor) as work:
            given = await transfers.export(work, number, wanted)
    except Refused as error:
        return await _show(request, actor, number, Form.refused(sent, error), code=422)
    return attachment(given.name, given.media_type, bytes(given.content))


@router.get("/{number}/renew")
async def ask_to_renew_one(request: Request, actor: SignedIn, number: Number) -> HTMLResponse:
    """Ask before one certificate is replaced."""
    async with installation(request).snapshot(actor) as work:
        found = await service.show(work, number)
    own = found.purpose in (CertificatePurpose.GATEWAY, CertificatePurpose.PANEL)
    after = "Clients notice nothing." if own else f"Give {found.owner or found.names[0]} the new one and its key."
    return confirmation(
        request,
        actor,
        title=f"Renew the certificate of {_holder(found)}?",
        text=f"Another like it is issued, with a new key and a new span of life, and this one is retired. {after}",
        button="Renew",
        back_to=f"/certificates/{number}",
    )


@router.post("/{number}/renew")
async def renew_one(request: Request, actor: Ruling, number: Number) -> Response:
    """Replace one certificate by another like it."""
    async with installation(request).transaction(actor) as work:
        made = await service.renew_one(work, number)
    return back(f"/certificates/{made.id}", "This is the new one.")


@router.get("/{number}/revoke")
async def ask_to_revoke(request: Request, actor: SignedIn, number: Number) -> HTMLResponse:
    """Ask why a certificate is to be revoked."""
    return await _ask_to_revoke(request, actor, number)


@router.post("/{number}/revoke")
async def revoke(request: Request, actor: Operating, number: Number) -> Response:
    """Take trust away from a certificate."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            gone = await service.revoke(work, number, read(sent, Revocation))
    except Refused as error:
        return await _ask_to_revoke(request, actor, number, next(iter(wrong(error).values())))
    return back(f"/certificates/{number}", f"The certificate of {_holder(gone)} is revoked; the CRL says so.")


async def _ask_to_revoke(request: Request, actor: Actor, number: int, why_not: str = "") -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        found = await service.show(work, number)
    own = found.purpose in (CertificatePurpose.GATEWAY, CertificatePurpose.PANEL) and found.retired_at is None
    return confirmation(
        request,
        actor,
        title=f"Revoke the certificate of {_holder(found)}?",
        text="Nobody is let in by it any more, sessions that rest on it end, and the CRL tells everybody else. "
        f"It cannot be made good again.{' Another takes its place first.' if own else ''}",
        button="Revoke",
        back_to=f"/certificates/{number}",
        options=[(reason.value, words) for reason, words in _REASONS.items()],
        wrong=why_not,
    )


async def _show(
    request: Request, actor: Actor, number: int, form: Form | None = None, *, code: int = 200
) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        found = await service.show(work, number)
    return page(
        request,
        "certificates/show.html",
        actor,
        code=code,
        certificate=found,
        holder=_holder(found),
        why=_REASONS.get(found.revocation_reason, "") if found.revocation_reason else "",
        form=form or Form({"format": FileFormat.PKCS12, "with_key": found.has_private_key}),
        formats=_FORMATS,
        api=f"/certificates/{number}",
    )


async def _issue_form(request: Request, actor: Actor, form: Form, *, code: int = 200) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        able = [each.name for each in (await authorities.page(work)).items if each.has_private_key]
    return page(
        request,
        "certificates/issue.html",
        actor,
        code=code,
        form=form,
        purposes=_ISSUED,
        keys=_KEYS,
        authorities=[("", f"{able[0]}, which issues" if able else "the one that issues"), *((n, n) for n in able[1:])],
    )


def _import_form(request: Request, actor: Actor, form: Form, *, code: int = 200) -> HTMLResponse:
    return page(request, "certificates/import.html", actor, code=code, form=form, purposes=_ISSUED)


def _new(sent: FormData) -> NewCertificate:
    """Read what is wanted; gateway and panel have kinds of key of their own unless another than the first is chosen."""
    fields = set(NewCertificate.model_fields)
    if sent.get("purpose") != CertificatePurpose.USER:
        fields.discard("owner")
    if sent.get("key") == KeyKind.RSA_2048 and sent.get("purpose") == CertificatePurpose.PANEL:
        fields.discard("key")
    return read(sent, NewCertificate, *fields)


def _holder(found: CertificateView) -> str:
    if found.purpose in (CertificatePurpose.GATEWAY, CertificatePurpose.PANEL):
        return f"the {found.purpose.value}"
    return found.owner or next(iter(found.names), found.subject)

"""One's own affairs: password, one-time codes, passkeys, and where one is signed in."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Form, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import SecretStr

from appliance.administrators import codes, passkeys, proof, service, signing_in
from appliance.administrators.passkeys import Site
from appliance.administrators.schemas import AdministratorChange
from appliance.administrators.signing_in import Visitor
from appliance.api.dependencies import Number, installation, source
from appliance.installation import Actor
from webui import forms
from webui.forms import Refused
from webui.rendering import back, page
from webui.security import COOKIE, TICKET, ProvenSelf, SignedIn, keep, own_path

router = APIRouter(prefix="/account")


@router.get("")
async def show(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show how one signs in, and where one is signed in."""
    return await _show(request, actor, form=forms.Form({"next": request.query_params.get("next", "")}))


@router.get("/proof")
async def proof_form(request: Request, actor: SignedIn, next: str = "/account") -> HTMLResponse:  # noqa: A002
    """Ask anew who is there, before something that gives trust away."""
    asked = await proof.way(installation(request), _name(actor))
    return page(request, "account/proof.html", actor, asked=asked, next=own_path(next))


@router.post("/proof")
async def prove(
    request: Request,
    actor: SignedIn,
    given: Annotated[SecretStr, Form(alias="proof")],
    next: Annotated[str, Form()] = "/account",  # noqa: A002
) -> Response:
    """Take the proof, and go on."""
    cookie = request.cookies.get(COOKIE, "")
    try:
        await proof.show(installation(request), _name(actor), cookie, given, _visitor(request))
    except Refused as error:
        asked = await proof.way(installation(request), _name(actor))
        form = forms.Form({}, forms.wrong(error))
        return page(request, "account/proof.html", actor, code=422, form=form, asked=asked, next=own_path(next))
    return back(own_path(next))


@router.post("/password")
async def set_password(
    request: Request,
    actor: SignedIn,
    present: Annotated[SecretStr, Form()],
    password: Annotated[SecretStr, Form()],
    next: Annotated[str, Form()] = "/account",  # noqa: A002
) -> Response:
    """Set one's own password, which signs out everywhere else; the present one shows who asks."""
    try:
        await signing_in.prove(installation(request), _name(actor), present, _visitor(request))
        async with installation(request).transaction(actor) as work:
            await service.change(work, _name(actor), AdministratorChange(password=password))
            cookie = await signing_in.start_again(work, _name(actor), _visitor(request))
    except Refused as error:
        return await _show(request, actor, code=422, form=forms.Form({"next": next}, forms.wrong(error)))
    answer = back(own_path(next), "Your password is changed; you are signed out everywhere else.")
    keep(answer, COOKIE, cookie)
    return answer


@router.post("/codes")
async def enrol_codes(request: Request, actor: ProvenSelf) -> Response:
    """Show what an app is to know, and ask for its first code."""
    try:
        async with installation(request).transaction(actor) as work:
            enrolment = await codes.enrol(work, _name(actor))
    except Refused as error:
        return await _show(request, actor, code=422, form=forms.Form({}, forms.wrong(error)))
    return page(request, "account/codes.html", actor, enrolment=enrolment)


@router.post("/codes/confirm")
async def confirm_codes(request: Request, actor: SignedIn, code: Annotated[str, Form()]) -> Response:
    """Have codes be asked for from now on, and show the recovery codes this once."""
    try:
        async with installation(request).transaction(actor) as work:
            recovery = await codes.confirm(work, _name(actor), code)
    except Refused as error:
        return await _show(request, actor, code=422, form=forms.Form({}, forms.wrong(error)))
    return page(request, "account/recovery_codes.html", actor, codes=recovery.recovery_codes)


@router.post("/codes/reset")
async def reset_codes(request: Request, actor: SignedIn, given: Annotated[SecretStr, Form(alias="proof")]) -> Response:
    """Do without codes again; the password shows who asks."""
    try:
        await signing_in.prove(installation(request), _name(actor), given, _visitor(request))
        async with installation(request).transaction(actor) as work:
            await codes.reset(work, _name(actor))
    except Refused as error:
        return await _show(request, actor, code=422, form=forms.Form({}, forms.wrong(error)))
    return back("/sign-in", "")


@router.post("/passkeys/options")
async def ask_for_passkey(request: Request, actor: ProvenSelf) -> Response:
    """Tell the browser what to ask its authenticator."""
    async with installation(request).transaction(actor) as work:
        asked = await passkeys.ask_to_enrol(work, _name(actor), site(request))
    answer = Response(asked.options, media_type="application/json")
    keep(answer, TICKET, asked.ticket)
    return answer


@router.post("/passkeys")
async def enrol_passkey(
    request: Request, actor: SignedIn, credential: Annotated[dict[str, Any], Body()], label: Annotated[str, Body()] = ""
) -> Response:
    """Keep what the authenticator made."""
    async with installation(request).transaction(actor) as work:
        ticket = request.cookies.get(TICKET, "")
        await passkeys.enrol(work, _name(actor), ticket, credential, site(request), label)
    return Response(status_code=204)


@router.post("/passkeys/{passkey_id}/remove")
async def remove_passkey(request: Request, actor: ProvenSelf, passkey_id: Number) -> Response:
    """Have a passkey let nobody in any more."""
    async with installation(request).transaction(actor) as work:
        await passkeys.remove(work, _name(actor), passkey_id)
    return back("/account", "The passkey lets nobody in any more.")


@router.post("/sign-ins/{sign_in_id}/end")
async def end_sign_in(request: Request, actor: SignedIn, sign_in_id: Number) -> Response:
    """Sign out of another browser."""
    async with installation(request).transaction(actor) as work:
        await signing_in.revoke(work, _name(actor), sign_in_id)
    return back("/account", "That browser is signed out.")


def site(request: Request) -> Site:
    """Give where the browser thinks it is: passkeys are bound to it."""
    return Site(request.url.hostname or "", f"{request.url.scheme}://{request.url.netloc}")


def _name(actor: Actor) -> str:
    return actor.who.removeprefix("administrator ")


def _visitor(request: Request) -> Visitor:
    return Visitor(source(request), request.headers.get("user-agent", ""))


async def _show(request: Request, actor: Actor, *, code: int = 200, form: forms.Form | None = None) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        content = {
            "administrator": await service.show(work, _name(actor)),
            "passkeys": (await passkeys.page(work, _name(actor))).items,
            "sign_ins": (await signing_in.page(work, _name(actor))).items,
        }
    return page(request, "account/show.html", actor, code=code, form=form or forms.Form(), **content)

"""``/portal``: a VPN user's own page, on plain links and forms."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup
from pydantic import SecretStr

from appliance.api.dependencies import Number, installation, source
from appliance.client_profiles import service as client_profiles
from appliance.client_profiles.endpoints import answer
from appliance.client_profiles.schemas import Wanted
from appliance.client_profiles.target import ClientFormat
from appliance.errors import ApplianceError, Unauthenticated
from appliance.portal import service as portal
from appliance.portal import signing_in
from appliance.portal.schemas import Visitor
from webui import forms
from webui.pages.client_profiles import CLIENTS
from webui.rendering import back, page

COOKIE: Final = "__Host-coati-portal"


class PortalSignInNeeded(Exception):
    """Nobody is signed in on the portal, or the second factor is still to be shown."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


async def _open(request: Request) -> None:
    async with installation(request).snapshot() as work:
        await signing_in.check_open(work)


async def _anybody(request: Request) -> Visitor:
    await _open(request)
    cookie = request.cookies.get(COOKIE)
    found = await signing_in.visitor(installation(request), cookie) if cookie else None
    if found is None:
        raise PortalSignInNeeded("/portal/sign-in")
    return found


async def _signed_in(request: Request) -> Visitor:
    found = await _anybody(request)
    if not found.complete:
        raise PortalSignInNeeded("/portal/code")
    return found


Incomplete = Annotated[Visitor, Depends(_anybody)]
Here = Annotated[Visitor, Depends(_signed_in)]
router = APIRouter()


def to_portal_sign_in(_request: Request, error: Exception) -> Response:
    """Send a user to where the sign-in goes on."""
    return back(error.where if isinstance(error, PortalSignInNeeded) else "/portal/sign-in")


# ---- coming in and leaving ---------------------------------------------------------------------------


@router.get("/portal/sign-in", dependencies=[Depends(_open)])
async def sign_in_form(request: Request) -> HTMLResponse:
    """Ask who is there."""
    return page(request, "portal/sign_in.html")


@router.post("/portal/sign-in", dependencies=[Depends(_open)])
async def sign_in(request: Request, login: Annotated[str, Form()], password: Annotated[SecretStr, Form()]) -> Response:
    """Let a user in; who has a second factor is asked for a code next."""
    agent = request.headers.get("user-agent", "")
    try:
        cookie = await signing_in.sign_in(installation(request), login, password, source(request), agent)
    except ApplianceError as error:
        form = forms.Form({"login": login}, forms.wrong(error))
        return page(request, "portal/sign_in.html", code=error.status, form=form)
    coming = back("/portal")
    coming.set_cookie(COOKIE, cookie.decode(), secure=True, httponly=True, samesite="strict", path="/")
    return coming


@router.get("/portal/code")
async def code_form(request: Request, who: Incomplete) -> HTMLResponse:
    """Ask for what the realm wants to know, or for a code of the second factor."""
    return page(request, "portal/code.html", visitor=who)


@router.post("/portal/code")
async def show_code(request: Request, who: Incomplete, code: Annotated[str, Form()]) -> Response:
    """Take the code."""
    try:
        await signing_in.show_code(installation(request), request.cookies.get(COOKIE, ""), code, source(request))
    except Unauthenticated as error:  # the realm said no: from the beginning
        form = forms.Form({"login": who.login}, forms.wrong(error))
        return page(request, "portal/sign_in.html", code=error.status, form=form)
    except ApplianceError as error:
        form = forms.Form({}, forms.wrong(error))
        return page(request, "portal/code.html", code=error.status, form=form, visitor=who)
    return back("/portal")


@router.post("/portal/sign-out")
async def sign_out(request: Request, who: Incomplete) -> Response:
    """Let a user out."""
    async with installation(request).transaction(portal.actor(who, source(request))) as work:
        await signing_in.sign_out(work, request.cookies.get(COOKIE, ""))
    leaving = back("/portal/sign-in")
    leaving.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict", path="/")
    return leaving


# ---- one's own page ----------------------------------------------------------------------------------


@router.get("/portal")
async def home(request: Request, who: Here) -> HTMLResponse:
    """Show what there is for this user."""
    async with installation(request).snapshot() as work:
        shown = await portal.home(work, who)
    return page(request, "portal/home.html", home=shown, visitor=who, clients=CLIENTS)


@router.get("/portal/set-up/{profile}")
async def set_up(request: Request, who: Here, profile: str) -> HTMLResponse:
    """Say what to type into a client that takes no file."""
    async with installation(request).snapshot() as work:
        pairs = await client_profiles.manual(work, who.login, profile, with_secrets=False)
    return page(request, "portal/set_up.html", pairs=pairs, profile=profile, visitor=who)


@router.post("/portal/file")
async def download(
    request: Request,
    who: Here,
    profile: Annotated[str, Form()],
    form: Annotated[ClientFormat, Form(alias="format")],
) -> Response:
    """Give the file for a client."""
    wanted = Wanted(user=who.login, profile=profile, format=form)
    async with installation(request).transaction(portal.actor(who, source(request))) as work:
        return answer(await portal.download(work, who, wanted))


@router.post("/portal/sessions/{session_id}/disconnect")
async def disconnect(request: Request, who: Here, session_id: Number) -> Response:
    """End one of the user's own sessions."""
    async with installation(request).transaction(portal.actor(who, source(request))) as work:
        await portal.disconnect(work, who, session_id)
    return back("/portal", "The gateway was told to end it.")


# ---- password and second factor ------------------------------------------------------------------------


@router.get("/portal/password")
async def password_form(request: Request, who: Here) -> HTMLResponse:
    """Ask for the present and a new password."""
    return page(request, "portal/password.html", visitor=who)


@router.post("/portal/password")
async def change_password(
    request: Request, who: Here, present: Annotated[SecretStr, Form()], new: Annotated[SecretStr, Form()]
) -> Response:
    """Set a new password."""
    cookie = request.cookies.get(COOKIE, "")
    try:
        await portal.change_password(installation(request), who, cookie, present, new, source(request))
    except ApplianceError as error:
        form = forms.Form({}, forms.wrong(error))
        return page(request, "portal/password.html", code=error.status, form=form, visitor=who)
    return back("/portal", "Your password is changed. Use the new one in your clients, too.")


@router.get("/portal/second-factor")
async def second_factor(request: Request, who: Here) -> HTMLResponse:
    """Say whether there is a second factor, and what it is good for."""
    return await _second_factor(request, who)


async def _second_factor(request: Request, who: Visitor, error: ApplianceError | None = None) -> HTMLResponse:
    async with installation(request).snapshot() as work:
        factor = await portal.second_factor(work, who)
    form = forms.Form({}, forms.wrong(error)) if error is not None else forms.Form({}, {})
    code = HTTPStatus(error.status) if error is not None else HTTPStatus.OK
    return page(request, "portal/second_factor.html", code=code, form=form, factor=factor, visitor=who)


@router.post("/portal/second-factor")
async def enrol(request: Request, who: Here) -> HTMLResponse:
    """Show the code to be scanned, this once."""
    async with installation(request).transaction(portal.actor(who, source(request))) as work:
        enrolment = await portal.enrol(work, who)
    return page(request, "portal/enrol.html", enrolment=enrolment, qr=Markup(enrolment.qr_svg), visitor=who)  # noqa: S704  made by us


@router.post("/portal/second-factor/confirm")
async def confirm(request: Request, who: Here, code: Annotated[str, Form()]) -> HTMLResponse:
    """Have it count, and show the recovery codes this once."""
    try:
        async with installation(request).transaction(portal.actor(who, source(request))) as work:
            codes = await portal.confirm(work, who, request.cookies.get(COOKIE, ""), code)
    except ApplianceError as error:
        form = forms.Form({}, forms.wrong(error))
        return page(
            request, "portal/enrol.html", code=HTTPStatus(error.status), form=form, enrolment=None, qr="", visitor=who
        )
    return page(request, "portal/recovery_codes.html", codes=codes.recovery_codes, visitor=who)


@router.post("/portal/second-factor/recovery-codes")
async def renew_recovery_codes(request: Request, who: Here, code: Annotated[str, Form()]) -> HTMLResponse:
    """Show new recovery codes, this once."""
    try:
        codes = await portal.renew_recovery_codes(installation(request), who, code, source(request))
    except ApplianceError as error:
        return await _second_factor(request, who, error)
    return page(request, "portal/recovery_codes.html", codes=codes.recovery_codes, visitor=who)


@router.post("/portal/second-factor/another")
async def enrol_another(request: Request, who: Here, code: Annotated[str, Form()]) -> HTMLResponse:
    """Show the code to be scanned by another telephone, this once."""
    try:
        enrolment = await portal.enrol_another(installation(request), who, code, source(request))
    except ApplianceError as error:
        return await _second_factor(request, who, error)
    return page(request, "portal/enrol.html", enrolment=enrolment, qr=Markup(enrolment.qr_svg), visitor=who)  # noqa: S704  made by us

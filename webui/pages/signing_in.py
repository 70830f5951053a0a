"""Signing in and out, and the colours that one likes."""

from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Body, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import SecretStr

from appliance.administrators import codes, identity_provider, passkeys, signing_in
from appliance.administrators.signing_in import Visitor
from appliance.api.dependencies import installation, source
from appliance.errors import ApplianceError, Unauthenticated
from appliance.runtime_settings import service as runtime_settings
from ike_engine.secret import Secret
from webui import forms
from webui.pages import account
from webui.rendering import SCHEME, SCHEMES, back, page
from webui.security import COOKIE, PROVIDER_TICKET, TICKET, SignedIn, keep, own_path

router = APIRouter()

_A_YEAR_SECONDS = 31_536_000
NOTHING: Final = forms.Form()


@router.get("/sign-in")
async def sign_in_form(request: Request, next: str = "/", ended: str = "") -> HTMLResponse:  # noqa: A002  the word in the address
    """Ask who is there; say so if somebody was until just now."""
    return await _ask(request, next, ended=bool(ended))


async def _ask(
    request: Request, wanted: str, code: int = HTTPStatus.OK, form: forms.Form = NOTHING, *, ended: bool = False
) -> HTMLResponse:
    async with installation(request).snapshot() as work:
        settings = await runtime_settings.current(work.session)
    content: dict[str, Any] = {"notice": settings.panel_notice, "provider": settings.oidc_issuer}
    content["idle"] = settings.panel_idle_minutes if ended else 0
    return page(request, "sign_in.html", code=code, form=form, next=own_path(wanted), **content)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    name: Annotated[str, Form()],
    password: Annotated[SecretStr, Form()],
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    """Let an administrator in."""
    try:
        proven = await signing_in.sign_in(installation(request), name, password, _visitor(request))
    except ApplianceError as error:
        return await _ask(request, next, error.status, forms.Form({"name": name}, forms.wrong(error)))
    if proven.cookie is not None:
        return _let_in(proven.cookie, next)
    answer = back(f"/sign-in/code?next={quote(own_path(next))}")
    if proven.ticket is not None:
        keep(answer, TICKET, proven.ticket)
    return answer


@router.get("/sign-in/code")
async def code_form(request: Request, next: str = "/") -> HTMLResponse:  # noqa: A002
    """Ask for the one-time code."""
    return page(request, "sign_in_code.html", next=own_path(next))


@router.post("/sign-in/code")
async def sign_in_by_code(
    request: Request,
    code: Annotated[str, Form()],
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    """Let an administrator in whose password was right and whose code is."""
    ticket = request.cookies.get(TICKET, "")
    try:
        cookie = await codes.sign_in(installation(request), ticket, code, _visitor(request))
    except ApplianceError as error:
        form = forms.Form({}, forms.wrong(error))
        return page(request, "sign_in_code.html", code=error.status, form=form, next=own_path(next))
    answer = _let_in(cookie, next)
    answer.delete_cookie(TICKET, secure=True, httponly=True, samesite="strict", path="/")
    return answer


@router.get("/sign-in/oidc")
async def to_provider(request: Request, next: str = "/") -> Response:  # noqa: A002
    """Send the browser to the identity provider."""
    back_here = f"{request.url.scheme}://{request.url.netloc}/sign-in/oidc/back"
    cookie = request.cookies.get(COOKIE, "")
    anew = bool(cookie) and await signing_in.signed_in(installation(request), cookie) is not None
    try:
        asked = await identity_provider.begin(installation(request), back_here, own_path(next), anew=anew)
    except ApplianceError as error:
        return await _ask(request, next, error.status, forms.Form({}, forms.wrong(error)))
    answer = back(asked.url)
    # The provider sends the browser back from another site: a strict cookie would not come along.
    answer.set_cookie(PROVIDER_TICKET, asked.ticket.decode(), secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.get("/sign-in/oidc/back")
async def from_provider(request: Request, state: str = "", code: str = "", error: str = "") -> Response:
    """Let in whom the identity provider vouches for."""
    ticket = request.cookies.get(PROVIDER_TICKET, "")
    try:
        if error:
            raise Unauthenticated(f"the identity provider says: {error[:200]}")
        cookie, wanted = await identity_provider.finish(installation(request), ticket, state, code, _visitor(request))
    except ApplianceError as failure:
        return await _ask(request, "/", failure.status, forms.Form({}, forms.wrong(failure)))
    # A page that goes on by itself: the strict cookie is not sent by what another site began.
    answer = page(request, "signed_in.html", next=own_path(wanted))
    keep(answer, COOKIE, cookie)
    answer.delete_cookie(PROVIDER_TICKET, secure=True, httponly=True, samesite="lax", path="/")
    return answer


@router.post("/sign-in/passkey/options")
async def ask_for_passkey(request: Request) -> Response:
    """Tell the browser what to ask its authenticator."""
    asked = await passkeys.ask_to_sign_in(installation(request), account.site(request))
    answer = Response(asked.options, media_type="application/json")
    keep(answer, TICKET, asked.ticket)
    return answer


@router.post("/sign-in/passkey")
async def sign_in_by_passkey(
    request: Request,
    credential: Annotated[dict[str, Any], Body()],
    next: Annotated[str, Body()] = "/",  # noqa: A002
) -> Response:
    """Let an administrator in who holds a passkey."""
    ticket = request.cookies.get(TICKET, "")
    where = account.site(request)
    try:
        cookie = await passkeys.sign_in(installation(request), ticket, credential, where, _visitor(request))
    except ApplianceError as error:
        return JSONResponse({"detail": str(error)}, error.status)
    answer = JSONResponse({"next": own_path(next)})
    keep(answer, COOKIE, cookie)
    return answer


def _visitor(request: Request) -> Visitor:
    return Visitor(source(request), request.headers.get("user-agent", ""))


def _let_in(cookie: Secret, wanted: str) -> Response:
    answer = back(own_path(wanted))
    keep(answer, COOKIE, cookie)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, actor: SignedIn) -> Response:
    """Let an administrator out."""
    async with installation(request).transaction(actor) as work:
        await signing_in.sign_out(work, request.cookies.get(COOKIE, ""))
    answer = back("/sign-in")
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict", path="/")
    return answer


@router.post("/scheme")
async def choose_scheme(
    request: Request,
    _actor: SignedIn,
    scheme: Annotated[str, Form()],
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    """Take the system's colours, light ones or dark ones: kept by the browser, written into pages by us."""
    # The panel's script has changed the page already and wants no other.
    answer = Response(status_code=HTTPStatus.NO_CONTENT) if "coati-script" in request.headers else back(own_path(next))
    if scheme in SCHEMES:
        answer.set_cookie(
            SCHEME, scheme, max_age=_A_YEAR_SECONDS, secure=True, httponly=True, samesite="strict", path="/"
        )
    return answer

"""Signing in and out, and the colours that one likes."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import SecretStr

from appliance.administrators import signing_in
from appliance.administrators.signing_in import Visitor
from appliance.dependencies import installation, source
from appliance.errors import ApplianceError
from webui import forms
from webui.rendering import SCHEME, SCHEMES, back, page
from webui.security import COOKIE, SignedIn, own_path

router = APIRouter()

_A_YEAR_SECONDS = 31_536_000


@router.get("/sign-in")
async def sign_in_form(request: Request, next: str = "/") -> HTMLResponse:  # noqa: A002  the word in the address
    """Ask who is there."""
    return page(request, "sign_in.html", next=own_path(next))


@router.post("/sign-in")
async def sign_in(
    request: Request,
    name: Annotated[str, Form()],
    password: Annotated[SecretStr, Form()],
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    """Let an administrator in."""
    agent = request.headers.get("user-agent", "")
    try:
        cookie = await signing_in.sign_in(installation(request), name, password, Visitor(source(request), agent))
    except ApplianceError as error:
        form = forms.Form({"name": name}, forms.wrong(error))
        return page(request, "sign_in.html", code=error.status, form=form, next=own_path(next))
    answer = back(own_path(next))
    answer.set_cookie(COOKIE, cookie.decode(), secure=True, httponly=True, samesite="strict", path="/")
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

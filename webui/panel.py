"""The panel: plain pages and forms over the services; everything works without a script.

A form that is refused comes back as it was filled in, with the field marked; passwords are not
sent back.
"""

import json
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from pydantic import SecretStr, ValidationError

from appliance import __version__, api, problems
from appliance.administrators import service as administrators
from appliance.audit import service as audit
from appliance.certificates import service as certificates
from appliance.dependencies import Number, installation, source
from appliance.errors import ApplianceError
from appliance.installation import Installation
from appliance.models import CertificatePurpose
from appliance.models.columns import now
from appliance.pools import service as pools
from appliance.profiles import service as profiles
from appliance.refusals import service as refusals
from appliance.refusals.schemas import RefusalFilter
from appliance.schema import EVERYTHING, Paging
from appliance.sessions import service as sessions
from appliance.sessions.schemas import SessionFilter, Which
from appliance.system import service as system
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange, UserFilter
from appliance.wording import octets, text
from webui import security
from webui.security import COOKIE, SignedIn, SignInNeeded

_HERE: Final = Path(__file__).parent
_RECENT: Final = Paging(limit=100)

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def _since(moment: datetime | None) -> Markup:
    """Give how long ago it was, with the exact time (UTC) to be hovered for."""
    if moment is None:
        return Markup("-")
    seconds = max(0, int((now() - moment).total_seconds()))
    words = next((f"{seconds // size} {unit} ago" for size, unit in _UNITS if seconds >= size), f"{seconds} s ago")
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(moment.isoformat(), text(moment), words)


router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
)
_templates.filters.update(text=text, octets=octets, since=_since)
_templates.globals["version"] = __version__


def create(installation: Installation) -> FastAPI:
    """Make the application that serves API and panel."""
    app = api.create(installation)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    app.middleware("http")(security.guard)
    app.add_exception_handler(SignInNeeded, _to_sign_in)
    for failure, answer in problems.HANDLERS.items():
        app.add_exception_handler(failure, _as_page(answer))
    return app


def _as_page(answer: Callable[[Request, Exception], JSONResponse]) -> Callable[[Request, Exception], Response]:
    """Give people a page where the API gives a problem document."""

    def explain(request: Request, error: Exception) -> Response:
        problem = answer(request, error)
        if request.url.path.startswith("/api/"):
            return problem
        page = _page("problem.html", code=problem.status_code, problem=json.loads(bytes(problem.body)))
        if "retry-after" in problem.headers:
            page.headers["Retry-After"] = problem.headers["Retry-After"]
        return page

    return explain


def _to_sign_in(_request: Request, _error: Exception) -> Response:
    return RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)


def _page(template: str, who: str = "", code: int = HTTPStatus.OK, **content: object) -> HTMLResponse:
    return HTMLResponse(_templates.get_template(template).render(who=who, **content), code)


def _back(path: str) -> RedirectResponse:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


def _wrong(error: ApplianceError | ValidationError) -> dict[str, str]:
    """Give what is wrong by field, for a form; ``""`` is the form as a whole."""
    if isinstance(error, ApplianceError):
        return {error.field: f"{error}{f'; {error.remedy}' if error.remedy else ''}"}
    return {
        str(each["loc"][-1] if each["loc"] else ""): each["msg"].removeprefix("Value error, ")
        for each in error.errors()
    }


# ---- signing in -----------------------------------------------------------------------------------


@router.get("/sign-in")
async def sign_in_form() -> HTMLResponse:
    """Ask who is there."""
    return _page("sign_in.html", wrong={}, name="")


@router.post("/sign-in")
async def sign_in(request: Request, name: Annotated[str, Form()], password: Annotated[SecretStr, Form()]) -> Response:
    """Let an administrator in."""
    agent = request.headers.get("user-agent", "")
    try:
        cookie = await administrators.sign_in(installation(request), name, password, source(request), agent)
    except ApplianceError as error:
        return _page("sign_in.html", code=error.status, wrong=_wrong(error), name=name)
    answer = _back("/")
    answer.set_cookie(COOKIE, cookie.decode(), secure=True, httponly=True, samesite="strict", path="/")
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, actor: SignedIn) -> Response:
    """Let an administrator out."""
    async with installation(request).transaction(actor) as work:
        await administrators.sign_out(work, request.cookies.get(COOKIE, ""))
    answer = _back("/sign-in")
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict", path="/")
    return answer


# ---- looking ---------------------------------------------------------------------------------------


@router.get("/")
async def dashboard(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show the appliance at a glance."""
    async with installation(request).snapshot(actor) as work:
        status = await system.status(work)
        refused = (await refusals.page(work, RefusalFilter(), Paging(limit=5))).items
    return _page("dashboard.html", actor.who, status=status, refused=refused)


@router.get("/connect")
async def connect(request: Request, actor: SignedIn) -> HTMLResponse:
    """Say how to connect a client, with this gateway's names filled in."""
    async with installation(request).snapshot(actor) as work:
        names = (await system.status(work)).gateway_names
    return _page("connect.html", actor.who, names=names)


@router.get("/ca.pem")
async def authority(request: Request) -> PlainTextResponse:
    """Give the CA certificate, which is no secret: clients need it before they can log in."""
    async with installation(request).snapshot() as work:
        pem = (await certificates.show(work, CertificatePurpose.AUTHORITY)).pem
    headers = {"Content-Disposition": 'attachment; filename="coati-ca.pem"'}
    return PlainTextResponse(pem, media_type="application/x-pem-file", headers=headers)


@router.get("/sessions")
async def list_sessions(request: Request, actor: SignedIn, which: Which = Which.LIVE) -> HTMLResponse:
    """Show who is connected, or was."""
    async with installation(request).snapshot(actor) as work:
        page = await sessions.page(work, SessionFilter(which=which), _RECENT)
    return _page("sessions.html", actor.who, page=page, which=which)


@router.get("/refusals")
async def list_refusals(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show who was turned away."""
    async with installation(request).snapshot(actor) as work:
        page = await refusals.page(work, RefusalFilter(), _RECENT)
    return _page("refusals.html", actor.who, page=page)


@router.get("/refusals/{refusal_id}")
async def show_refusal(request: Request, actor: SignedIn, refusal_id: Number) -> HTMLResponse:
    """Show why a client was turned away."""
    async with installation(request).snapshot(actor) as work:
        refusal = await refusals.show(work, refusal_id)
    return _page("refusal.html", actor.who, refusal=refusal)


@router.get("/configuration")
async def configuration(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show pools, profiles and certificates."""
    async with installation(request).snapshot(actor) as work:
        content: dict[str, Any] = {
            "pools": (await pools.page(work)).items,
            "profiles": (await profiles.page(work)).items,
            "certificates": (await certificates.page(work)).items,
        }
    return _page("configuration.html", actor.who, **content)


@router.get("/audit")
async def list_changes(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show who changed what."""
    async with installation(request).snapshot(actor) as work:
        page = await audit.page(work, paging=_RECENT)
    return _page("audit.html", actor.who, page=page)


# ---- doing -----------------------------------------------------------------------------------------


@router.post("/sessions/{session_id}/disconnect")
async def disconnect(request: Request, actor: SignedIn, session_id: Number) -> Response:
    """Order the gateway to end a session."""
    async with installation(request).transaction(actor) as work:
        await sessions.disconnect(work, session_id, "disconnected by the administrator")
    return _back("/sessions")


@router.get("/users")
async def list_users(request: Request, actor: SignedIn, text: str = "") -> HTMLResponse:
    """Show the local users."""
    return await _users(request, actor, text=text)


async def _users(request: Request, actor: SignedIn, *, text: str = "", status: int = 200, **form: Any) -> HTMLResponse:  # noqa: ANN401
    async with installation(request).snapshot(actor) as work:
        page = await users.page(work, UserFilter(text=text), EVERYTHING)
    content = {"wrong": {}, "name": "", "full_name": "", **form}
    return _page("users.html", actor.who, status, page=page, searched=text, **content)


@router.post("/users")
async def add_user(
    request: Request,
    actor: SignedIn,
    name: Annotated[str, Form()],
    password: Annotated[SecretStr, Form()],
    full_name: Annotated[str, Form()] = "",
) -> Response:
    """Add a user."""
    try:
        async with installation(request).transaction(actor) as work:
            await users.add(work, NewUser(name=name, password=password, full_name=full_name))
    except (ApplianceError, ValidationError) as error:
        return await _users(request, actor, status=422, wrong=_wrong(error), name=name, full_name=full_name)
    return _back("/users")


@router.post("/users/{name}/enabled")
async def enable_user(request: Request, actor: SignedIn, name: str, enabled: Annotated[bool, Form()]) -> Response:
    """Enable or disable a user."""
    async with installation(request).transaction(actor) as work:
        await users.change(work, name, UserChange(enabled=enabled))
    return _back("/users")


@router.post("/users/{name}/password")
async def set_password(
    request: Request, actor: SignedIn, name: str, password: Annotated[SecretStr, Form()]
) -> Response:
    """Set a user's password."""
    try:
        async with installation(request).transaction(actor) as work:
            await users.change(work, name, UserChange(password=password))
    except (ApplianceError, ValidationError) as error:
        return await _users(
            request, actor, status=422, wrong={f"password of {name}": next(iter(_wrong(error).values()))}
        )
    return _back("/users")


@router.post("/users/{name}/remove")
async def remove_user(request: Request, actor: SignedIn, name: str) -> Response:
    """Remove a user."""
    async with installation(request).transaction(actor) as work:
        await users.remove(work, name)
    return _back("/users")

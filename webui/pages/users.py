"""Local users."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from appliance.dependencies import installation
from appliance.schema import Paging
from appliance.sessions import service as sessions
from appliance.sessions.schemas import SessionFilter, Which
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange, UserFilter
from webui.forms import Form, Refused, read
from webui.listing import Listing, listing
from webui.rendering import back, confirmation, page
from webui.security import SignedIn

router = APIRouter(prefix="/users")

_LATEST = Paging(limit=10)


@router.get("")
async def list_users(
    request: Request, actor: SignedIn, listed: Annotated[Listing[UserFilter], Depends(listing(UserFilter))]
) -> Response:
    """Show the local users."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("users", lambda part: users.page(work, listed.wanted, part))
        found = await users.page(work, listed.wanted, listed.part)
    return page(
        request,
        "users/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        api=f"/users{listed.query}",
    )


@router.get("/add")
async def add_form(request: Request, actor: SignedIn) -> HTMLResponse:
    """Ask who the new user is."""
    return page(request, "users/add.html", actor)


@router.post("")
async def add(request: Request, actor: SignedIn) -> Response:
    """Add a user."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            user = await users.add(work, read(sent, NewUser, "name", "full_name", "password"))
    except Refused as error:
        return page(request, "users/add.html", actor, code=422, form=Form.refused(sent, error))
    return back(_page_of(user.name), f"{user.name} was added.")


@router.get("/{name}")
async def show(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Show a user and what it did."""
    return await _show(request, actor, name)


@router.post("/{name}")
async def change(request: Request, actor: SignedIn, name: str) -> Response:
    """Change a user."""
    return await _change(request, actor, name, "full_name")


@router.post("/{name}/password")
async def set_password(request: Request, actor: SignedIn, name: str) -> Response:
    """Set a user's password."""
    return await _change(request, actor, name, "password")


@router.post("/{name}/enable")
async def enable(request: Request, actor: SignedIn, name: str) -> Response:
    """Let a user log in again."""
    async with installation(request).transaction(actor) as work:
        await users.change(work, name, UserChange(enabled=True))
    return back(_page_of(name), f"{name} may log in again.")


@router.get("/{name}/disable")
async def ask_to_disable(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Ask before a user is kept out."""
    async with installation(request).snapshot(actor) as work:
        user = await users.show(work, name)
    return confirmation(
        request,
        actor,
        title=f"Disable {user.name}?",
        text=f"{user.name} cannot log in any more{_and_sessions(user.live_sessions)}. It can be enabled again.",
        button="Disable",
        back_to=_page_of(name),
    )


@router.post("/{name}/disable")
async def disable(request: Request, actor: SignedIn, name: str) -> Response:
    """Keep a user out."""
    async with installation(request).transaction(actor) as work:
        await users.change(work, name, UserChange(enabled=False))
    return back(_page_of(name), f"{name} was disabled.")


@router.get("/{name}/remove")
async def ask_to_remove(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Ask before a user is removed."""
    async with installation(request).snapshot(actor) as work:
        user = await users.show(work, name)
    return confirmation(
        request,
        actor,
        title=f"Remove {user.name}?",
        text=f"The user is gone for good{_and_sessions(user.live_sessions)}; ended sessions stay on record.",
        button="Remove",
        back_to=_page_of(name),
    )


@router.post("/{name}/remove")
async def remove(request: Request, actor: SignedIn, name: str) -> Response:
    """Remove a user."""
    async with installation(request).transaction(actor) as work:
        await users.remove(work, name)
    return back("/users", f"{name} was removed.")


async def _change(request: Request, actor: SignedIn, name: str, field: str) -> Response:
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            await users.change(work, name, read(sent, UserChange, field))
    except Refused as error:
        return await _show(request, actor, name, Form.refused(sent, error))
    return back(_page_of(name), "The password was set." if field == "password" else "Saved.")


async def _show(request: Request, actor: SignedIn, name: str, refused: Form | None = None) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        user = await users.show(work, name)
        stays = await sessions.page(work, SessionFilter(user=user.name, which=Which.ALL), _LATEST)
    form = refused or Form({"full_name": user.full_name})
    if "full_name" not in form.values:
        form = Form({**form.values, "full_name": user.full_name}, form.wrong)
    code = 422 if refused else 200
    return page(
        request, "users/show.html", actor, code=code, user=user, sessions=stays, form=form, api=f"/users/{user.name}"
    )


def _page_of(name: str) -> str:
    return f"/users/{quote(name, safe='')}"


def _and_sessions(count: int) -> str:
    return f", and {count} {'session ends' if count == 1 else 'sessions end'}" if count else ""

"""Administrators: who may sign in to the panel, and what each may do."""

from dataclasses import replace
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from appliance.administrators import codes, service, signing_in
from appliance.administrators.schemas import AdministratorChange, AdministratorFilter, NewAdministrator
from appliance.api.dependencies import Number, installation
from appliance.installation import Actor
from appliance.models import Role
from webui.forms import Form, Refused, read
from webui.listing import Listing, listing
from webui.rendering import back, confirmation, page
from webui.saving import NotSaved, Thing, save, sent_form
from webui.security import Proven, Ruling, SignedIn

router = APIRouter(prefix="/administrators")

_ROLES = (
    (Role.OWNER, "owner: everything"),
    (Role.OPERATOR, "operator: runs the place, but does not decide whom to trust"),
    (Role.AUDITOR, "auditor: only looks"),
)


@router.get("")
async def list_administrators(
    request: Request,
    actor: SignedIn,
    listed: Annotated[Listing[AdministratorFilter], Depends(listing(AdministratorFilter))],
) -> HTMLResponse:
    """Show who may sign in."""
    async with installation(request).snapshot(actor) as work:
        found = await service.page(work, listed.wanted, listed.part)
    return page(
        request,
        "administrators/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        api=f"/administrators{listed.query}",
    )


@router.get("/add")
async def add_form(request: Request, actor: Proven) -> HTMLResponse:
    """Ask who the new administrator is."""
    return page(request, "administrators/add.html", actor, form=Form({"role": Role.OPERATOR}), roles=_ROLES)


@router.post("")
async def add(request: Request, actor: Proven) -> Response:
    """Add an administrator."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            made = await service.add(work, read(sent, NewAdministrator))
    except Refused as error:
        form = Form.refused(sent, error)
        return page(request, "administrators/add.html", actor, code=422, form=form, roles=_ROLES)
    return back("/administrators", f"{made.name} may sign in now.")


@router.get("/{name}")
async def show(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Show an administrator, and where it is signed in."""
    return await _show(request, actor, name)


@router.post("/{name}")
async def change(request: Request, actor: Proven, name: str) -> Response:
    """Change role and whether it may sign in."""
    return await _change(request, actor, name, "role", "enabled")


@router.post("/{name}/password")
async def set_password(request: Request, actor: Proven, name: str) -> Response:
    """Set a password for an administrator who forgot it."""
    return await _change(request, actor, name, "password")


@router.post("/{name}/codes/reset")
async def reset_codes(request: Request, actor: Proven, name: str) -> Response:
    """Take one-time codes away: app and recovery codes are lost."""
    async with installation(request).transaction(actor) as work:
        await codes.reset(work, name)
    return back(_page_of(name), "No one-time code is asked for any more.")


@router.post("/{name}/sign-ins/{sign_in_id}/end")
async def end_sign_in(request: Request, actor: Ruling, name: str, sign_in_id: Number) -> Response:
    """Sign an administrator out of one browser."""
    async with installation(request).transaction(actor) as work:
        await signing_in.revoke(work, name, sign_in_id)
    return back(_page_of(name), "That browser is signed out.")


@router.get("/{name}/remove")
async def ask_to_remove(request: Request, actor: Proven, name: str) -> HTMLResponse:
    """Ask before an administrator is removed."""
    return confirmation(
        request,
        actor,
        title=f"Remove administrator {name}?",
        text="It is signed out everywhere and gone for good. What it did stays among the changes.",
        button="Remove",
        back_to=_page_of(name),
    )


@router.post("/{name}/remove")
async def remove(request: Request, actor: Proven, name: str) -> Response:
    """Remove an administrator."""
    async with installation(request).transaction(actor) as work:
        await service.remove(work, name)
    return back("/administrators", f"{name} was removed.")


async def _change(request: Request, actor: Actor, name: str, *fields: str) -> Response:
    sent = await sent_form(request)
    try:
        await save(
            request,
            actor,
            sent,
            _thing(name),
            lambda work: service.change(work, name, read(sent, AdministratorChange, *fields)),
        )
    except NotSaved as refused:
        return await _show(request, actor, name, refused.form, code=refused.code)
    return back(_page_of(name), "Saved.")


async def _show(
    request: Request, actor: Actor, name: str, refused: Form | None = None, *, code: int = 200
) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        administrator = await service.show(work, name)
        sign_ins = (await signing_in.page(work, name)).items
        seen = await _thing(name).seen(work)
    shown = {"role": administrator.role, "enabled": administrator.enabled, "seen": seen}
    form = replace(refused, values={**shown, **refused.values}) if refused else Form(shown)
    return page(
        request,
        "administrators/show.html",
        actor,
        code=code,
        administrator=administrator,
        sign_ins=sign_ins,
        form=form,
        roles=_ROLES,
        api=f"/administrators/{administrator.name}",
    )


def _thing(name: str) -> Thing:
    return Thing("administrator", name, lambda work: service.show(work, name))


def _page_of(name: str) -> str:
    return f"/administrators/{quote(name, safe='')}"

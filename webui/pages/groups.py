"""Groups of users, and what is said for everybody."""

from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from appliance.api.dependencies import installation
from appliance.groups import service as groups
from appliance.groups.schemas import GroupChange, GroupFilter, NewGroup
from appliance.installation import Actor, Transaction
from appliance.policy import service as policy
from webui.access_policy import in_numbers, parts_of, read_policy, said
from webui.forms import Form, Refused, read
from webui.listing import Listing, listing
from webui.rendering import back, confirmation, page
from webui.saving import NotSaved, Thing, save, sent_form
from webui.security import Operating, SignedIn

router = APIRouter()

_EVERYBODY: Final = Thing("policy", "everybody", policy.show_base)


@router.get("/groups")
async def list_groups(
    request: Request, actor: SignedIn, listed: Annotated[Listing[GroupFilter], Depends(listing(GroupFilter))]
) -> Response:
    """Show the groups, and what is said for everybody."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("groups", lambda part: groups.page(work, listed.wanted, part))
        found = await groups.page(work, listed.wanted, listed.part)
        base = await policy.show_base(work)
    return page(
        request,
        "groups/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        base=base,
        api=f"/groups{listed.query}",
    )


@router.get("/groups/add")
async def add_form(request: Request, actor: SignedIn) -> HTMLResponse:
    """Ask what the new group is."""
    return await _form(request, actor, "", Form())


@router.post("/groups")
async def add(request: Request, actor: Operating) -> Response:
    """Add a group."""
    sent = in_numbers(await request.form())
    try:
        async with installation(request).transaction(actor) as work:
            new = NewGroup(name=_text(sent, "name"), description=_text(sent, "description"), policy=read_policy(sent))
            group = await groups.add(work, new)
    except Refused as error:
        return await _form(request, actor, "", Form.refused(sent, error), code=422)
    return back(f"/groups/{quote(group.name, safe='')}", f"Group {group.name} was added.")


@router.get("/groups/{name}")
async def show(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Show a group, to be changed."""
    async with installation(request).snapshot(actor) as work:
        group = await groups.show(work, name)
        seen = await _thing(name).seen(work)
    form = Form({"description": group.description, "seen": seen} | said(group.policy))
    return await _form(request, actor, group.name, form)


@router.post("/groups/{name}")
async def change(request: Request, actor: Operating, name: str) -> Response:
    """Change a group."""
    sent = in_numbers(await sent_form(request))

    async def change_it(work: Transaction) -> object:
        described = read(sent, GroupChange, "description").model_dump(exclude_unset=True)
        return await groups.change(work, name, GroupChange(**described, policy=read_policy(sent)))

    try:
        await save(request, actor, sent, _thing(name), change_it)
    except NotSaved as refused:
        return await _form(request, actor, name, refused.form, code=refused.code)
    return back(f"/groups/{quote(name, safe='')}", "Saved.")


@router.get("/groups/{name}/remove")
async def ask_to_remove(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Ask before a group is removed."""
    return confirmation(
        request,
        actor,
        title=f"Remove group {name}?",
        text="What was said for its users is said no more. A group with local users in it stays.",
        button="Remove",
        back_to=f"/groups/{quote(name, safe='')}",
    )


@router.post("/groups/{name}/remove")
async def remove(request: Request, actor: Operating, name: str) -> Response:
    """Remove a group."""
    async with installation(request).transaction(actor) as work:
        await groups.remove(work, name)
    return back("/groups", f"Group {name} was removed.")


@router.get("/policy")
async def show_base(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show what is said for everybody, to be changed."""
    async with installation(request).snapshot(actor) as work:
        base = await policy.show_base(work)
        seen = await _EVERYBODY.seen(work)
    return await _base_form(request, actor, Form(said(base.policy) | {"seen": seen}))


@router.post("/policy")
async def change_base(request: Request, actor: Operating) -> Response:
    """Change what is said for everybody."""
    sent = in_numbers(await sent_form(request))
    try:
        await save(request, actor, sent, _EVERYBODY, lambda work: policy.change_base(work, read_policy(sent)))
    except NotSaved as refused:
        return await _base_form(request, actor, refused.form, code=refused.code)
    return back("/groups", "Saved.")


async def _form(request: Request, actor: Actor, name: str, form: Form, *, code: int = 200) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        parts = await parts_of(work, beneath=await policy.beneath_groups(work), leave_out=("address",))
        users = (await groups.show(work, name)).users if name else 0
    return page(
        request,
        "groups/form.html",
        actor,
        code=code,
        name=name,
        form=form,
        parts=parts,
        users=users,
        api=f"/groups/{name}" if name else "",
    )


async def _base_form(request: Request, actor: Actor, form: Form, *, code: int = 200) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        parts = await parts_of(work, beneath=await policy.beneath_everybody(work), leave_out=("address",))
    return page(request, "groups/everybody.html", actor, code=code, form=form, parts=parts, api="/policy")


def _thing(name: str) -> Thing:
    return Thing("group", name, lambda work: groups.show(work, name))


def _text(sent: FormData, name: str) -> str:
    return str(sent.get(name, ""))

"""Address pools and leases."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import installation
from appliance.leases import service as leases
from appliance.leases.schemas import LeaseFilter
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool, PoolChange, PoolFilter, settings_of
from appliance.profiles import service as profiles
from appliance.schema import Paging
from appliance.sessions import service as sessions
from appliance.sessions.schemas import SessionFilter
from webui.forms import Form, Refused, read
from webui.listing import Listing, listing
from webui.rendering import back, confirmation, page
from webui.saving import NotSaved, Thing, save, sent_form
from webui.security import Operating, SignedIn

router = APIRouter(prefix="/pools")


@router.get("")
async def list_pools(
    request: Request, actor: SignedIn, listed: Annotated[Listing[PoolFilter], Depends(listing(PoolFilter))]
) -> Response:
    """Show the pools and how full they are."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("pools", lambda part: pools.page(work, listed.wanted, part))
        found = await pools.page(work)
    return page(request, "pools/list.html", actor, pools=found.items, api="/pools")


@router.get("/add")
async def add_form(request: Request, actor: SignedIn) -> HTMLResponse:
    """Ask what the new pool is."""
    return page(request, "pools/form.html", actor, name="", taken=0, form=Form(NewPool.model_construct().model_dump()))


@router.post("")
async def add(request: Request, actor: Operating) -> Response:
    """Add a pool."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            pool = await pools.add(work, read(sent, NewPool))
    except Refused as error:
        return page(request, "pools/form.html", actor, code=422, name="", taken=0, form=Form.refused(sent, error))
    return back(_page_of(pool.name), f"Pool {pool.name} was added.")


@router.get("/{name}")
async def show(
    request: Request,
    actor: SignedIn,
    name: str,
    listed: Annotated[Listing[LeaseFilter], Depends(listing(LeaseFilter))],
) -> Response:
    """Show a pool, who uses it, and its leases."""
    async with installation(request).snapshot(actor) as work:
        pool = await pools.show(work, name)
        wanted = listed.wanted.model_copy(update={"pool": pool.name})
        if listed.format:
            return await listed.file(f"leases-{pool.name}", lambda part: leases.page(work, wanted, part))
        leased = await leases.page(work, wanted, listed.part)
        everywhere = [each.name for each in (await pools.page(work)).items]
        users = [each for each in (await profiles.page(work)).items if each.pool == pool.name or not each.pool]
        stays = await sessions.page(work, SessionFilter(pool=pool.name), Paging(limit=1))
    return page(
        request,
        "pools/show.html",
        actor,
        pool=pool,
        profiles=[each.name for each in users if each.pool or everywhere[0] == pool.name],
        sessions=stays.total,
        leases=leased,
        wanted=wanted,
        part=listed.part,
        api=f"/leases?pool={pool.name}",
    )


@router.get("/{name}/change")
async def change_form(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Show what can be changed."""
    async with installation(request).snapshot(actor) as work:
        pool = await pools.show(work, name)
        seen = await _thing(name).seen(work)
    form = Form(settings_of(pool) | {"seen": seen})
    return page(request, "pools/form.html", actor, name=pool.name, taken=pool.taken, form=form)


@router.post("/{name}/change")
async def change(request: Request, actor: Operating, name: str) -> Response:
    """Change a pool."""
    sent = await sent_form(request)
    try:
        await save(request, actor, sent, _thing(name), lambda work: pools.change(work, name, read(sent, PoolChange)))
    except NotSaved as refused:
        return page(request, "pools/form.html", actor, code=refused.code, name=name, taken=0, form=refused.form)
    return back(_page_of(name), "Saved.")


@router.get("/{name}/remove")
async def ask_to_remove(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Ask before a pool is removed."""
    return confirmation(
        request,
        actor,
        title=f"Remove pool {name}?",
        text="Its addresses and their history are gone for good.",
        button="Remove",
        back_to=_page_of(name),
        typed=name,
    )


@router.post("/{name}/remove")
async def remove(request: Request, actor: Operating, name: str) -> Response:
    """Remove a pool, if its name was typed and nothing needs it."""
    wrong = "" if str((await request.form()).get("typed", "")).strip() == name else f"Type {name} if you mean it."
    if not wrong:
        try:
            async with installation(request).transaction(actor) as work:
                await pools.remove(work, name)
        except Refused as error:
            wrong = next(iter(Form.refused(await request.form(), error).wrong.values()))
        else:
            return back("/pools", f"Pool {name} was removed.")
    return confirmation(
        request,
        actor,
        title=f"Remove pool {name}?",
        text="Its addresses and their history are gone for good.",
        button="Remove",
        back_to=_page_of(name),
        typed=name,
        wrong=wrong,
    )


def _thing(name: str) -> Thing:
    return Thing("pool", name, lambda work: pools.show(work, name))


def _page_of(name: str) -> str:
    return f"/pools/{quote(name, safe='')}"

"""The first steps: each can be taken again, left out and finished later."""

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import installation
from appliance.errors import NotFound
from appliance.installation import Actor, Transaction
from appliance.pools import service as pools
from appliance.pools.schemas import PoolChange, PoolView
from appliance.schema import Paging
from appliance.sessions import service as sessions
from appliance.sessions.schemas import SessionFilter
from appliance.system import first_steps
from appliance.system import service as system
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserFilter
from webui.forms import Form, Refused, read
from webui.rendering import back, page
from webui.saving import NotSaved, Thing, save, sent_form
from webui.security import Operating, SignedIn

router = APIRouter(prefix="/setup")

TITLES: Final = {
    "password": "Your password",
    "name": "The gateway's name and certificate",
    "pool": "Addresses for clients",
    "user": "The first user",
    "connect": "Connect now",
}


@router.get("")
async def begin(request: Request, actor: SignedIn) -> Response:
    """Go to the first step that is not done."""
    async with installation(request).snapshot(actor) as work:
        steps = await first_steps.steps(work)
    return back(f"/setup/{next((step.name for step in steps if not step.done), steps[-1].name)}")


@router.get("/{name}")
async def show(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Show one step."""
    return await _step(request, actor, name)


@router.post("/pool")
async def set_pool(request: Request, actor: Operating) -> Response:
    """Say which addresses clients get."""
    sent = await sent_form(request)
    async with installation(request).snapshot(actor) as work:
        first = (await pools.page(work)).items[0].name

    async def change_it(work: Transaction) -> object:
        return await pools.change(work, first, read(sent, PoolChange, "networks", "reachable", "dns", "masquerade"))

    try:
        await save(request, actor, sent, _pool(first), change_it)
    except NotSaved as refused:
        return await _step(request, actor, "pool", refused.form, code=refused.code)
    return back("/setup/user", "Saved.")


@router.post("/user")
async def add_user(request: Request, actor: Operating) -> Response:
    """Add a user."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            user = await users.add(work, read(sent, NewUser, "name", "full_name", "password"))
    except Refused as error:
        return await _step(request, actor, "user", Form.refused(sent, error), code=422)
    return back("/setup/connect", f"{user.name} was added.")


def _shown(pool: PoolView | None, seen: str) -> dict[str, Any]:
    return {name: getattr(pool, name) for name in PoolChange.model_fields} | {"seen": seen} if pool else {}


def _pool(name: str) -> Thing:
    return Thing("pool", name, lambda work: pools.show(work, name))


async def _step(
    request: Request, actor: Actor, name: str, form: Form | None = None, *, code: int = 200
) -> HTMLResponse:
    if name not in TITLES:
        raise NotFound(f"there is no step {name}", remedy=f"there are {', '.join(TITLES)}")
    async with installation(request).snapshot(actor) as work:
        steps = await first_steps.steps(work)
        status = await system.status(work)
        first = next(iter((await pools.page(work)).items), None)
        live = (await sessions.page(work, SessionFilter())).items[:5]
        newest = (await users.page(work, UserFilter(sort="-created_at"), Paging(limit=1))).items
        seen = await _pool(first.name).seen(work) if first else ""
    order = list(TITLES)
    place = order.index(name)
    return page(
        request,
        f"setup/{name}.html",
        actor,
        code=code,
        steps=steps,
        titles=TITLES,
        step=name,
        earlier=order[place - 1] if place else "",
        later=order[place + 1] if place + 1 < len(order) else "",
        names=status.gateway_names,
        public_name=installation(request).settings.public_name,
        serving=any(node.serving for node in status.nodes),
        pool=first,
        live=live,
        newest=newest[0].name if newest else "",
        form=form or Form(_shown(first, seen)),
    )

"""The same done to many users at once: asked first with their number, then each done or refused by itself."""

import enum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import installation
from appliance.errors import Invalid
from appliance.groups import service as groups
from appliance.installation import Actor
from appliance.users import service as users
from appliance.users.schemas import UserOperations
from appliance.wording import FEW, first_few
from webui.rendering import back, confirmation
from webui.security import Operating

router = APIRouter(prefix="/users")

_MOST: Final = 500

Names = Annotated[tuple[str, ...], Query()]


class Deed(enum.StrEnum):
    """What can be done to many users."""

    GROUP = "group"
    ENABLE = "enable"
    DISABLE = "disable"
    REMOVE = "remove"


_ASKED: Final = {
    Deed.GROUP: ("Put {} into a group?", "What is said for the group counts at their next login.", "Put them there"),
    Deed.ENABLE: ("Enable {}?", "They may log in again.", "Enable {}"),
    Deed.DISABLE: ("Disable {}?", "They cannot log in any more, and are disconnected.", "Disable {}"),
    Deed.REMOVE: ("Remove {}?", "They are gone for good, and are disconnected.", "Remove {}"),
}
_DONE: Final = {
    Deed.GROUP: "are in group {}",
    Deed.ENABLE: "may log in",
    Deed.DISABLE: "were disabled",
    Deed.REMOVE: "were removed",
}


@router.get("/together")
async def ask(request: Request, actor: Operating, deed: Deed, names: Names = ()) -> HTMLResponse:
    """Ask before it is done."""
    return await _ask(request, actor, deed, names)


@router.post("/together")
async def do(
    request: Request,
    actor: Operating,
    deed: Annotated[Deed, Form()],
    names: Annotated[tuple[str, ...], Form()],
    group: Annotated[str, Form()] = "",
    typed: Annotated[str | None, Form()] = None,
) -> Response:
    """Do it to each; what is refused stops no other."""
    if deed is Deed.REMOVE and (typed or "").strip() != str(len(names)):
        return await _ask(request, actor, deed, names, wrong=f"Type {len(names)} if you mean it.")
    change: dict[Deed, dict[str, Any]] = {
        Deed.GROUP: {"do": "change", "group": group or None},
        Deed.ENABLE: {"do": "change", "enabled": True},
        Deed.DISABLE: {"do": "change", "enabled": False},
        Deed.REMOVE: {"do": "remove"},
    }
    wanted = UserOperations.model_validate({"operations": [{"name": name, **change[deed]} for name in names]})
    async with installation(request).snapshot(actor) as work:
        ended = await users.bulk(work, wanted)
    words = [f"{ended.done} of {len(names)} {_DONE[deed].format(group or 'none')}"]
    words += [f"{each.item}: {each.problem.detail}" for each in ended.outcomes if each.problem][:FEW]
    return back("/users", "; ".join(words) + ".")


async def _ask(request: Request, actor: Actor, deed: Deed, names: tuple[str, ...], *, wrong: str = "") -> HTMLResponse:
    if not 1 <= len(names) <= _MOST:
        raise Invalid("no user is selected", remedy="check the boxes of those whom it concerns, then try again")
    async with installation(request).snapshot(actor) as work:
        known = [(group.name, group.name) for group in (await groups.page(work)).items]
    title, text, button = _ASKED[deed]
    whom = names[0] if len(names) == 1 else f"{len(names)} users"
    who = first_few(names, len(names))
    return confirmation(
        request,
        actor,
        title=title.format(whom),
        text=f"{who}: {text[0].lower()}{text[1:]}",
        button=button.format(whom),
        back_to="/users",
        typed=str(len(names)) if deed is Deed.REMOVE else "",
        options=[("", "none"), *known] if deed is Deed.GROUP else (),
        option=("group", "Group"),
        hidden=[("deed", deed.value), *(("names", name) for name in names)],
        wrong=wrong,
    )

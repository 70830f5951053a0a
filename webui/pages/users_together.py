"""The same done to many users at once: asked first with their number, then each done or refused by itself."""

import enum
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import installation
from appliance.errors import Invalid
from appliance.groups import service as groups
from appliance.installation import Actor, Transaction
from appliance.users import service as users
from appliance.users.schemas import UserFilter, UserOperations
from appliance.wording import FEW, first_few
from webui.listing import AT_ONCE, Listing, listing, of_all
from webui.rendering import back, confirmation
from webui.security import Operating

router = APIRouter(prefix="/users")

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
async def ask(
    request: Request,
    actor: Operating,
    listed: Annotated[Listing[UserFilter], Depends(listing(UserFilter))],
    deed: Deed,
    names: Names = (),
    *,
    every: bool = False,
) -> HTMLResponse:
    """Ask before it is done: to those that were chosen, or to all that a search finds."""
    async with installation(request).snapshot(actor) as work:
        if every:
            names = tuple(await users.names(work, listed.wanted))
        return await _ask(
            request, actor, work, deed, names, of_all("users", len(names), listed.wanted) if every else ""
        )


@router.post("/together")
async def do(
    request: Request,
    actor: Operating,
    deed: Annotated[Deed, Form()],
    chosen: Annotated[str, Form()],
    group: Annotated[str, Form()] = "",
    typed: Annotated[str, Form()] = "",
    every: Annotated[str, Form()] = "",
) -> Response:
    """Do it to each that the question went out with, whoever came since; what is refused stops no other."""
    names = tuple(chosen.split())
    if _is_typed(deed, names, every) and typed.strip() != str(len(names)):
        async with installation(request).snapshot(actor) as work:
            wrong = f"Type {len(names)} if you mean it."
            return await _ask(request, actor, work, deed, names, every, wrong=wrong)
    change: dict[Deed, dict[str, Any]] = {
        Deed.GROUP: {"do": "change", "group": group or None},
        Deed.ENABLE: {"do": "change", "enabled": True},
        Deed.DISABLE: {"do": "change", "enabled": False},
        Deed.REMOVE: {"do": "remove"},
    }
    done, problems = 0, list[str]()
    for first in range(0, len(names), AT_ONCE):
        some = [{"name": name, **change[deed]} for name in names[first : first + AT_ONCE]]
        async with installation(request).snapshot(actor) as work:
            ended = await users.bulk(work, UserOperations.model_validate({"operations": some}))
        done += ended.done
        problems += [f"{each.item}: {each.problem.detail}" for each in ended.outcomes if each.problem]
    words = [f"{done} of {len(names)} {_DONE[deed].format(group or 'none')}", *problems[:FEW]]
    return back("/users", "; ".join(words) + ".")


def _is_typed(deed: Deed, names: Sequence[str], every: str) -> bool:
    """Tell whether the number has to be typed: of what cannot be undone, and of more than one has seen."""
    return deed is Deed.REMOVE or bool(every and len(names) > 1)


async def _ask(
    request: Request, actor: Actor, work: Transaction, deed: Deed, names: Sequence[str], every: str, *, wrong: str = ""
) -> HTMLResponse:
    if not names:
        raise Invalid("no user is selected", remedy="check the boxes of those whom it concerns, then try again")
    known = [(group.name, group.name) for group in (await groups.page(work)).items]
    title, text, button = _ASKED[deed]
    whom = names[0] if len(names) == 1 else f"{len(names)} users"
    return confirmation(
        request,
        actor,
        title=title.format(whom),
        text=f"{f'{every}: ' if every else ''}{first_few(names, len(names))}. {text}",
        button=button.format(whom),
        back_to="/users",
        typed=str(len(names)) if _is_typed(deed, names, every) else "",
        options=[("", "none"), *known] if deed is Deed.GROUP else (),
        option=("group", "Group"),
        hidden=[("deed", deed.value), ("chosen", " ".join(names)), ("every", every)],
        wrong=wrong,
    )

"""Local users."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from appliance import passwords
from appliance.api.dependencies import installation
from appliance.errors import NotFound
from appliance.groups import service as groups
from appliance.installation import Actor, Transaction
from appliance.lockouts import service as lockouts
from appliance.lockouts.rules import Door, account_name
from appliance.lockouts.schemas import LockoutFilter
from appliance.policy import service as policy
from appliance.refusals import service as refusals
from appliance.refusals.schemas import RefusalFilter
from appliance.schema import Paging
from appliance.second_factors import service as second_factors
from appliance.second_factors.schemas import SecondFactorFilter, SecondFactorView
from appliance.sessions import service as sessions
from appliance.sessions.schemas import SessionFilter, Which
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange, UserFilter
from webui import zone
from webui.access_policy import in_numbers, parts_of, read_policy, said
from webui.forms import Form, Refused, read
from webui.listing import Listing, listing
from webui.rendering import back, confirmation, page
from webui.saving import NotSaved, Thing, save, sent_form
from webui.security import Operating, SignedIn

router = APIRouter(prefix="/users")

_LATEST = Paging(limit=10)
_FEW = Paging(limit=5)
_LOCAL = "local"


@router.get("")
async def list_users(
    request: Request, actor: SignedIn, listed: Annotated[Listing[UserFilter], Depends(listing(UserFilter))]
) -> Response:
    """Show the local users."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("users", lambda part: users.page(work, listed.wanted, part))
        found = await users.page(work, listed.wanted, listed.part)
        names = [group.name for group in (await groups.page(work)).items]
    return page(
        request,
        "users/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        groups=names,
        api=f"/users{listed.query}",
    )


@router.get("/add")
async def add_form(request: Request, actor: SignedIn) -> HTMLResponse:
    """Ask who the new user is."""
    return await _add_form(
        request, actor, Form({name: request.query_params.get(name, "") for name in ("name", "group")})
    )


@router.post("")
async def add(request: Request, actor: Operating) -> Response:
    """Add a user."""
    sent, made = _made_up(await request.form())
    try:
        async with installation(request).transaction(actor) as work:
            user = await users.add(work, read(sent, NewUser))
    except Refused as error:
        return await _add_form(request, actor, Form.refused(sent, error), code=422)
    if made:
        return _show_made_up(request, actor, user.name, made, sent)
    return back(_page_of(user.name), f"{user.name} was added.")


@router.get("/{name}")
async def show(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Show a user and what it did."""
    return await _show(request, actor, name)


@router.post("/{name}")
async def change(request: Request, actor: Operating, name: str) -> Response:
    """Change a user."""
    return await _change(request, actor, name, "full_name", "group", "expires_at", "must_change_password")


@router.post("/{name}/password")
async def set_password(request: Request, actor: Operating, name: str) -> Response:
    """Set a user's password: the one that was typed, or one that is made up and shown this once."""
    sent, made = _made_up(await sent_form(request))
    fields = ("password", *(["must_change_password"] if "must_change_password" in sent else []))
    changed = await _change(request, actor, name, *fields, sent=sent, note="The password was set.")
    if made and changed.status_code == HTTPStatus.SEE_OTHER:
        return _show_made_up(request, actor, name, made, sent)
    return changed


def _made_up(sent: FormData) -> tuple[FormData, str]:
    """Put a password into a form that asks for one to be made up, and give it."""
    if "made" not in sent:
        return sent, ""
    made = passwords.generate()
    rest = [(field, value) for field, value in sent.multi_items() if field not in ("made", "password")]
    return FormData([*rest, ("password", made)]), made


def _show_made_up(request: Request, actor: Actor, name: str, password: str, sent: FormData) -> HTMLResponse:
    must_change = bool(sent.get("must_change_password"))
    return page(request, "users/password.html", actor, name=name, password=password, must_change=must_change)


@router.post("/{name}/enable")
async def enable(request: Request, actor: Operating, name: str) -> Response:
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
async def disable(request: Request, actor: Operating, name: str) -> Response:
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
async def remove(request: Request, actor: Operating, name: str) -> Response:
    """Remove a user."""
    async with installation(request).transaction(actor) as work:
        await users.remove(work, name)
    return back("/users", f"{name} was removed.")


async def _change(
    request: Request, actor: Actor, name: str, *fields: str, sent: FormData | None = None, note: str = "Saved."
) -> Response:
    sent = await sent_form(request) if sent is None else sent
    try:
        await save(
            request, actor, sent, _thing(name), lambda work: users.change(work, name, read(sent, UserChange, *fields))
        )
    except NotSaved as refused:
        return await _show(request, actor, name, refused.form, code=refused.code)
    return back(_page_of(name), note)


async def _add_form(request: Request, actor: Actor, form: Form, *, code: int = 200) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        names = await _group_names(work)
    return page(request, "users/add.html", actor, code=code, form=form, groups=names)


async def _group_names(work: Transaction) -> list[tuple[str, str]]:
    return [("", "none"), *((group.name, group.name) for group in (await groups.page(work)).items)]


@router.get("/{name}/policy")
async def policy_form(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Show what is said for a user, to be changed."""
    async with installation(request).snapshot(actor) as work:
        user = await users.show(work, name)
        seen = await _thing(name).seen(work)
    return await _policy_form(request, actor, user.name, Form(said(user.policy) | {"seen": seen}))


@router.post("/{name}/policy")
async def change_policy(request: Request, actor: Operating, name: str) -> Response:
    """Change what is said for a user."""
    sent = in_numbers(await sent_form(request))
    try:
        await save(
            request,
            actor,
            sent,
            _thing(name),
            lambda work: users.change(work, name, UserChange(policy=read_policy(sent))),
        )
    except NotSaved as refused:
        return await _policy_form(request, actor, name, refused.form, code=refused.code)
    return back(_page_of(name), "Saved.")


async def _policy_form(request: Request, actor: Actor, name: str, form: Form, *, code: int = 200) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        parts = await parts_of(work, beneath=await policy.beneath_user(work, name))
    return page(request, "users/policy.html", actor, code=code, name=name, form=form, parts=parts)


async def _show(
    request: Request, actor: Actor, name: str, refused: Form | None = None, *, code: int = 200
) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        try:
            user = await users.show(work, name)
        except NotFound:
            return await _show_from_elsewhere(request, actor, work, name)
        doings = await _doings(work, user.name)
        counts = await policy.effective(work, user.name)
        names = await _group_names(work)
        seen = await _thing(name).seen(work)
        factors = await _factors(work, user.name, _LOCAL)
    shown = {
        "full_name": user.full_name,
        "group": user.group or "",
        "expires_at": f"{zone.local(user.expires_at):%Y-%m-%dT%H:%M:%S}" if user.expires_at else "",
        "must_change_password": user.must_change_password,
        "seen": seen,
    }
    form = replace(refused, values={**shown, **refused.values}) if refused else Form(shown)
    return page(
        request,
        "users/show.html",
        actor,
        code=code,
        user=user,
        form=form,
        **doings,
        counts=counts,
        groups=names,
        factor=factors[0] if factors else None,
        api=f"/users/{user.name}",
    )


async def _show_from_elsewhere(request: Request, actor: Actor, work: Transaction, name: str) -> HTMLResponse:
    """Show what is known of somebody whose account is kept elsewhere, or who only tried to get in."""
    doings = await _doings(work, name)
    if not any((doings["sessions"].total, doings["refusals"].total, doings["lockouts"])):
        raise NotFound(f"there is no user {name}", remedy="nobody of this name was ever connected or refused, either")
    return page(
        request,
        "users/elsewhere.html",
        actor,
        name=name,
        in_realms=sorted({stay.realm for stay in doings["sessions"].items if stay.realm}),
        factor=await _factors(work, name, ""),
        api=f"/sessions?which=all&user={quote(name)}",
        **doings,
    )


async def _doings(work: Transaction, name: str) -> dict[str, Any]:
    """Give where somebody is or was, and what keeps it out or did."""
    must_wait = (await lockouts.page(work, LockoutFilter(text=name, door=Door.VPN))).items
    return {
        "sessions": await sessions.page(work, SessionFilter(user=name, which=Which.ALL), _LATEST),
        "refusals": await refusals.page(work, RefusalFilter(user=name), _FEW),
        "lockouts": [each for each in must_wait if each.account == account_name(name) and each.blocked_until],
    }


async def _factors(work: Transaction, name: str, realm: str) -> list[SecondFactorView]:
    found = await second_factors.page(work, SecondFactorFilter(text=name, realm=realm))
    return [each for each in found.items if each.user == name]


def _thing(name: str) -> Thing:
    return Thing("user", name.strip().lower(), lambda work: users.show(work, name))


def _page_of(name: str) -> str:
    return f"/users/{quote(name, safe='')}"


def _and_sessions(count: int) -> str:
    return f", and {count} {'session ends' if count == 1 else 'sessions end'}" if count else ""

"""Connection profiles: what one kind of client may do."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from appliance.api.dependencies import installation
from appliance.installation import Actor, Transaction
from appliance.models import Preset
from appliance.pools import service as pools
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile, ProfileChange, ProfileFilter, ProfileView, settings_of
from appliance.realms import service as realms
from appliance.schema import Paging
from appliance.sessions import service as sessions
from appliance.sessions.schemas import SessionFilter
from webui.forms import Form, Refused, read
from webui.listing import Listing, listing
from webui.rendering import back, confirmation, page
from webui.saving import NotSaved, Thing, save, sent_form
from webui.security import Operating, SignedIn

router = APIRouter(prefix="/profiles")


@router.get("")
async def list_profiles(
    request: Request, actor: SignedIn, listed: Annotated[Listing[ProfileFilter], Depends(listing(ProfileFilter))]
) -> Response:
    """Show the profiles in the order in which they are tried."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("profiles", lambda part: profiles.page(work, listed.wanted, part))
        found = await profiles.page(work)
    return page(request, "profiles/list.html", actor, profiles=found.items, api="/profiles")


@router.get("/add")
async def add_form(request: Request, actor: SignedIn) -> HTMLResponse:
    """Ask what the new profile is."""
    return await _form(request, actor, "", Form(NewProfile.model_construct().model_dump()))


@router.post("")
async def add(request: Request, actor: Operating) -> Response:
    """Add a profile."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            profile = await profiles.add(work, read(sent, NewProfile))
    except Refused as error:
        return await _form(request, actor, "", Form.refused(sent, error), code=422)
    return back(_page_of(profile.name), f"Profile {profile.name} was added.")


@router.get("/{name}")
async def show(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Show a profile, and what clients get by it."""
    async with installation(request).snapshot(actor) as work:
        profile = await profiles.show(work, name)
        everywhere = (await pools.page(work)).items
        count = await _live_sessions(work, profile.name)
    pool = next((each for each in everywhere if profile.pool in (None, each.name)), None)
    return page(
        request,
        "profiles/show.html",
        actor,
        profile=profile,
        pool=pool,
        sessions=count,
        api=f"/profiles/{profile.name}",
    )


@router.get("/{name}/change")
async def change_form(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Show what can be changed."""
    async with installation(request).snapshot(actor) as work:
        profile = await profiles.show(work, name)
        seen = await _thing(name).seen(work)
    return await _form(request, actor, profile.name, Form(_settings(profile) | {"seen": seen}))


@router.post("/{name}/change")
async def change(request: Request, actor: Operating, name: str) -> Response:
    """Change a profile."""
    sent = await sent_form(request)
    # The audit log tells of no key; clients notice that it is another all the same.
    key = ["pre_shared_key"] if sent.get("pre_shared_key") or "remove_key" in sent else []
    try:
        await save(
            request,
            actor,
            sent,
            _thing(name),
            lambda work: profiles.change(work, name, _wanted(sent)),
            secret_fields=key,
        )
    except NotSaved as refused:
        return await _form(request, actor, name, refused.form, code=refused.code)
    return back(_page_of(name), "Saved.")


@router.get("/{name}/remove")
async def ask_to_remove(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Ask before a profile is removed."""
    async with installation(request).snapshot(actor) as work:
        count = await _live_sessions(work, name)
    return confirmation(
        request,
        actor,
        title=f"Remove profile {name}?",
        text=f"Clients that it served find no other way in. {count} sessions that were made with it stay up.",
        button="Remove",
        back_to=_page_of(name),
    )


@router.post("/{name}/remove")
async def remove(request: Request, actor: Operating, name: str) -> Response:
    """Remove a profile."""
    async with installation(request).transaction(actor) as work:
        await profiles.remove(work, name)
    return back("/profiles", f"Profile {name} was removed.")


async def _form(request: Request, actor: Actor, name: str, form: Form, *, code: int = 200) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        judges = [(realm.name, realm.name) for realm in (await realms.page(work)).items]
        choices = [(pool.name, pool.name) for pool in (await pools.page(work)).items]
        count = await _live_sessions(work, name) if name else 0
        has_key = (await profiles.show(work, name)).has_pre_shared_key if name else False
    return page(
        request,
        "profiles/form.html",
        actor,
        code=code,
        name=name,
        form=form,
        pools=choices,
        realms=judges,
        sessions=count,
        has_key=has_key,
    )


def _settings(profile: ProfileView) -> dict[str, Any]:
    """Leave out the lists that a preset resolves to: they are not what was written."""
    resolved = {} if profile.preset is Preset.CUSTOM else {"ike_proposals": (), "esp_proposals": ()}
    return settings_of(profile) | resolved


def _wanted(sent: FormData) -> ProfileChange:
    """Read a change; the key that is not shown stays unless another is typed or its removal is checked."""
    fields = set(ProfileChange.model_fields)
    if not sent.get("pre_shared_key") and "remove_key" not in sent:
        fields.discard("pre_shared_key")
    return read(sent, ProfileChange, *fields)


async def _live_sessions(work: Transaction, profile: str) -> int:
    return (await sessions.page(work, SessionFilter(profile=profile), Paging(limit=1))).total


def _thing(name: str) -> Thing:
    return Thing("profile", name, lambda work: profiles.show(work, name))


def _page_of(name: str) -> str:
    return f"/profiles/{quote(name, safe='')}"

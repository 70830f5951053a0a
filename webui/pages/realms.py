"""Realms: the sources of users, in the order in which they are asked."""

from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import SecretStr
from starlette.datastructures import FormData

from appliance.accounting import service as accounting
from appliance.accounting.schemas import AccountingFilter
from appliance.api.dependencies import installation
from appliance.commands.schemas import CommandView
from appliance.installation import Actor, Transaction
from appliance.models import RealmKind
from appliance.radius_servers import service as radius_servers
from appliance.realms import service as realms
from appliance.realms.kinds import SETTINGS
from appliance.realms.schemas import NewRealm, RealmChange, RealmOrder, RealmTrial, RealmView
from appliance.schema import Paging
from webui.forms import Form, Refused, read
from webui.orders import outcome
from webui.rendering import back, confirmation, page
from webui.saving import NotSaved, Thing, save, sent_form
from webui.schema_fields import describe
from webui.security import Ruling, SignedIn

router = APIRouter(prefix="/realms")


LABELS: Final = {
    "service": "PAM service",
    "timeout_seconds": "Seconds that a login may take",
    "nas_identifier": "What we call ourselves (NAS-Identifier)",
    "nas_address": "Our address (NAS-IP-Address)",
    "whole_name": "Names are sent with their realm, as they were typed",
    "prompt": "What a challenge asks for",
    "deadline_seconds": "Seconds that a login may take in all",
}


@router.get("")
async def list_realms(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show the realms in the order in which they are asked, and how they are."""
    async with installation(request).snapshot(actor) as work:
        found = await realms.page(work)
    kinds = [kind for kind in SETTINGS if kind is not RealmKind.LOCAL]
    return page(request, "realms/list.html", actor, realms=found.items, kinds=kinds, api="/realms")


@router.get("/add/{kind}")
async def add_form(request: Request, actor: SignedIn, kind: RealmKind) -> HTMLResponse:
    """Ask what the new realm is."""
    return _form(request, actor, kind, Form(_defaults(kind) | {"enabled": True}))


@router.post("/add/{kind}")
async def add(request: Request, actor: Ruling, kind: RealmKind) -> Response:
    """Add a realm."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            new = NewRealm(
                name=str(sent.get("name", "")),
                kind=kind,
                enabled="enabled" in sent,
                settings=_settings(sent, kind),
            )
            realm = await realms.add(work, new)
    except Refused as error:
        return _form(request, actor, kind, Form.refused(sent, error), code=422)
    return back(_page_of(realm.name), f"Realm {realm.name} was added. It is asked last.")


@router.post("/{name}/up")
async def move_up(request: Request, actor: Ruling, name: str) -> Response:
    """Have a realm asked before the one that is now before it."""
    async with installation(request).transaction(actor) as work:
        names = [realm.name for realm in (await realms.page(work)).items]
        place = names.index(name) if name in names else 0
        if place:
            names[place - 1 : place + 1] = names[place], names[place - 1]
            await realms.order(work, RealmOrder(names=tuple(names)))
    return back("/realms")


@router.get("/{name}")
async def show(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Show a realm: its health, a trial, and its settings to be changed."""
    return await _show(request, actor, name)


@router.post("/{name}")
async def change(request: Request, actor: Ruling, name: str) -> Response:
    """Change a realm."""
    sent = await sent_form(request)

    async def change_it(work: Transaction) -> object:
        kind = (await realms.show(work, name)).kind
        enabled = read(sent, RealmChange, "enabled").model_dump(exclude_unset=True)
        return await realms.change(work, name, RealmChange(**enabled, settings=_settings(sent, kind)))

    try:
        await save(request, actor, sent, _thing(name), change_it)
    except NotSaved as refused:
        return await _show(request, actor, name, form=refused.form, code=refused.code)
    return back(_page_of(name), "Saved.")


@router.post("/{name}/test")
async def test(request: Request, actor: Ruling, name: str) -> Response:
    """Have a gateway try a realm, and show what came of it."""
    sent = await request.form()
    user, password = str(sent.get("user", "")), str(sent.get("password", ""))
    try:
        trial = RealmTrial(user=user, password=SecretStr(password) if password else None)
        async with installation(request).transaction(actor) as work:
            command = await realms.test(work, name, trial)
    except Refused as error:
        return await _show(request, actor, name, trial=Form.refused(sent, error), code=422)
    return await _show(request, actor, name, tried=await outcome(request, actor, command))


@router.get("/{name}/remove")
async def ask_to_remove(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Ask before a realm is removed."""
    return confirmation(
        request,
        actor,
        title=f"Remove realm {name}?",
        text=await _what_goes_with_it(request, actor, name),
        button="Remove",
        back_to=_page_of(name),
        typed=name,
    )


@router.post("/{name}/remove")
async def remove(request: Request, actor: Ruling, name: str) -> Response:
    """Remove a realm, if its name was typed."""
    if str((await request.form()).get("typed", "")).strip() != name:
        return confirmation(
            request,
            actor,
            title=f"Remove realm {name}?",
            text=await _what_goes_with_it(request, actor, name),
            button="Remove",
            back_to=_page_of(name),
            typed=name,
            wrong=f"Type {name} if you mean it.",
        )
    async with installation(request).transaction(actor) as work:
        await realms.remove(work, name)
    return back("/realms", f"Realm {name} was removed.")


async def _what_goes_with_it(request: Request, actor: Actor, name: str) -> str:
    text = "Its users cannot log in any more. Who is connected stays."
    async with installation(request).snapshot(actor) as work:
        waiting = (await accounting.page(work, AccountingFilter(realm=name, waiting=True), Paging(limit=1))).total
    return f"{text} {waiting} accounting records wait for its servers and will be dropped." if waiting else text


async def _show(
    request: Request,
    actor: Actor,
    name: str,
    *,
    form: Form | None = None,
    trial: Form | None = None,
    tried: CommandView | None = None,
    code: int = 200,
) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        realm = await realms.show(work, name)
        seen = await _thing(name).seen(work)
        asked = (await radius_servers.page(work, name)).items if realm.kind is RealmKind.RADIUS else []
    return page(
        request,
        "realms/show.html",
        actor,
        code=code,
        realm=realm,
        servers=asked,
        fields=describe(SETTINGS[realm.kind], labels=LABELS) if realm.kind in SETTINGS else [],
        form=form or Form(_shown(realm) | {"seen": seen}),
        trial=trial or Form(),
        tried=tried,
        api=f"/realms/{realm.name}",
    )


def _form(request: Request, actor: Actor, kind: RealmKind, form: Form, *, code: int = 200) -> HTMLResponse:
    fields = describe(SETTINGS[kind], labels=LABELS)
    return page(request, "realms/add.html", actor, code=code, kind=kind, fields=fields, form=form)


def _settings(sent: FormData, kind: RealmKind) -> dict[str, Any]:
    return read(sent, SETTINGS[kind]).model_dump(mode="json", exclude_unset=True)


def _defaults(kind: RealmKind) -> dict[str, Any]:
    return {name: field.default for name, field in SETTINGS[kind].model_fields.items() if not field.is_required()}


def _shown(realm: RealmView) -> dict[str, Any]:
    return {"enabled": realm.enabled} | realm.settings


def _thing(name: str) -> Thing:
    return Thing("realm", name, lambda work: realms.show(work, name))


def _page_of(name: str) -> str:
    return f"/realms/{quote(name, safe='')}"

"""Authorities: ours, which issue, and outside ones, whom we ask whether a client's certificate was revoked."""

from dataclasses import replace
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import installation
from appliance.certificates import authorities
from appliance.certificates.issuing import KeyKind
from appliance.certificates.schemas import AuthorityChange, AuthorityImport, NewAuthority
from appliance.installation import Actor
from appliance.models import RevocationCheck
from webui.forms import Form, Refused, read, with_file, wrong
from webui.rendering import back, confirmation, page
from webui.saving import NotSaved, Thing, save, sent_form
from webui.security import Ruling, SignedIn

router = APIRouter(prefix="/certificates/authorities")

_CHECKS: Final = (
    (RevocationCheck.SOFT, "ask; when nobody answers, let the client in"),
    (RevocationCheck.HARD, "ask; when nobody answers, refuse the client"),
    (RevocationCheck.OFF, "do not ask"),
)
_KEYS: Final = tuple((kind, kind.value) for kind in KeyKind if kind is not KeyKind.ECDSA_P256)


@router.get("")
async def list_authorities(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show all authorities, the one that issues first."""
    async with installation(request).snapshot(actor) as work:
        found = await authorities.page(work)
    return page(request, "certificates/authorities.html", actor, authorities=found.items, api="/authorities")


@router.get("/add")
async def add_form(request: Request, actor: Ruling) -> HTMLResponse:
    """Ask what the new authority is."""
    return _add_form(request, actor, Form(NewAuthority.model_construct().model_dump()))


@router.post("")
async def add(request: Request, actor: Ruling) -> Response:
    """Make an authority of our own."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            made = await authorities.make(work, read(sent, NewAuthority))
    except Refused as error:
        return _add_form(request, actor, Form.refused(sent, error), code=422)
    return back(_page_of(made.name), f"Authority {made.name} was made. It issues once you choose it.")


@router.get("/import")
async def import_form(request: Request, actor: Ruling) -> HTMLResponse:
    """Ask for an authority from elsewhere."""
    return _import_form(request, actor, Form({"check": RevocationCheck.SOFT, "for_clients": True}))


@router.post("/import")
async def import_(request: Request, actor: Ruling) -> Response:
    """Take in an authority from elsewhere."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            taken = await authorities.import_(work, read(await with_file(sent), AuthorityImport))
    except Refused as error:
        return _import_form(request, actor, Form.refused(sent, error), code=422)
    able = "; it could issue here" if taken.has_private_key else ""
    return back(_page_of(taken.name), f"Authority {taken.name} was imported{able}.")


@router.get("/{name}")
async def show(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Show an authority, its settings to be changed."""
    return await _show(request, actor, name)


@router.post("/{name}")
async def change(request: Request, actor: Ruling, name: str) -> Response:
    """Change whether its clients are let in, and how revocation is found out."""
    sent = await sent_form(request)
    try:
        await save(
            request,
            actor,
            sent,
            _thing(name),
            lambda work: authorities.change(work, name, read(sent, AuthorityChange)),
        )
    except NotSaved as refused:
        return await _show(request, actor, name, refused.form, code=refused.code)
    return back(_page_of(name), "Saved.")


@router.get("/{name}/choose")
async def ask_to_choose(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Ask before another authority issues."""
    return confirmation(
        request,
        actor,
        title=f"Issue by {name} from now on?",
        text="What was issued before stays good. When the gateway's certificate is renewed under it, clients that do "
        "not trust it yet turn away: give it to them first.",
        button="Issue by it",
        back_to=_page_of(name),
    )


@router.post("/{name}/choose")
async def choose(request: Request, actor: Ruling, name: str) -> Response:
    """Have it issue from now on."""
    return await _do(request, actor, name, "choose", f"{name} issues from now on.")


@router.get("/{name}/renew")
async def ask_to_renew(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Ask before an authority gets a new span of life."""
    return confirmation(
        request,
        actor,
        title=f"Renew authority {name}?",
        text="It gets a new certificate with the same name and key: what it issued stays good. Clients that look at "
        "dates need the new one before the old one expires.",
        button="Renew",
        back_to=_page_of(name),
    )


@router.post("/{name}/renew")
async def renew(request: Request, actor: Ruling, name: str) -> Response:
    """Give it a new span of life."""
    return await _do(request, actor, name, "renew", f"{name} has a new certificate: give it to clients.")


@router.get("/{name}/remove")
async def ask_to_remove(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Ask before an authority is forgotten."""
    return _ask_to_remove(request, actor, name)


@router.post("/{name}/remove")
async def remove(request: Request, actor: Ruling, name: str) -> Response:
    """Forget an authority, if its name was typed and nothing good hangs on it."""
    if str((await request.form()).get("typed", "")).strip() != name:
        return _ask_to_remove(request, actor, name, f"Type {name} if you mean it.")
    try:
        async with installation(request).transaction(actor) as work:
            await authorities.remove(work, name)
    except Refused as error:
        return _ask_to_remove(request, actor, name, next(iter(wrong(error).values())))
    return back("/certificates/authorities", f"Authority {name} is forgotten.")


async def _do(request: Request, actor: Actor, name: str, deed: str, note: str) -> Response:
    try:
        async with installation(request).transaction(actor) as work:
            await {"choose": authorities.choose, "renew": authorities.renew}[deed](work, name)
    except Refused as error:
        return await _show(request, actor, name, Form({}, {"": next(iter(wrong(error).values()))}), code=422)
    return back(_page_of(name), note)


async def _show(
    request: Request, actor: Actor, name: str, form: Form | None = None, *, code: int = 200
) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        found = await authorities.show(work, name)
        seen = await _thing(name).seen(work)
    shown = {field: getattr(found, field) for field in AuthorityChange.model_fields} | {"seen": seen}
    return page(
        request,
        "certificates/authority.html",
        actor,
        code=code,
        authority=found,
        form=replace(form, values={**shown, **form.values}) if form else Form(shown),
        checks=_CHECKS,
        api=f"/authorities/{found.name}",
    )


def _ask_to_remove(request: Request, actor: Actor, name: str, why_not: str = "") -> HTMLResponse:
    return confirmation(
        request,
        actor,
        title=f"Forget authority {name}?",
        text="Clients with its certificates are not let in any more, and if its private key is here, it is gone.",
        button="Forget",
        back_to=_page_of(name),
        typed=name,
        wrong=why_not,
    )


def _add_form(request: Request, actor: Actor, form: Form, *, code: int = 200) -> HTMLResponse:
    return page(request, "certificates/authority_add.html", actor, code=code, form=form, keys=_KEYS)


def _import_form(request: Request, actor: Actor, form: Form, *, code: int = 200) -> HTMLResponse:
    return page(request, "certificates/authority_import.html", actor, code=code, form=form, checks=_CHECKS)


def _thing(name: str) -> Thing:
    return Thing("authority", name, lambda work: authorities.show(work, name))


def _page_of(name: str) -> str:
    return f"/certificates/authorities/{quote(name, safe='')}"

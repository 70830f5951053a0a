"""What sets up a user's client: a file, what to type by hand, or a one-time link to the file."""

from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from appliance.api.attachment import attachment
from appliance.api.dependencies import Number, installation
from appliance.client_profiles import links, service
from appliance.client_profiles.schemas import LinkFilter, MadeLink, NewLink, Wanted
from appliance.client_profiles.target import ClientFormat
from appliance.errors import Invalid
from appliance.installation import Actor, Transaction
from appliance.profiles import service as profiles
from appliance.schema import Paging
from appliance.users import service as users
from webui.forms import Form, Refused, read, wrong
from webui.rendering import back, confirmation, page
from webui.security import Proven, Ruling, SignedIn

router = APIRouter(prefix="/client-profiles")

_SUGGESTED: Final = Paging(limit=500)
_LATEST: Final = Paging(limit=50)
CLIENTS: Final = {
    ClientFormat.MOBILECONFIG: ("iPhone, iPad, Mac", "a signed profile, which the system opens by itself"),
    ClientFormat.VPNC: ("vpnc", "on Linux and BSD"),
    ClientFormat.CISCO_PCF: ("Cisco VPN Client", "a .pcf file, which other clients import as well"),
    ClientFormat.SHREW: ("Shrew Soft VPN Client", "on Windows and Linux"),
    ClientFormat.SWANCTL: ("strongSwan", "swanctl.conf, on Linux"),
    ClientFormat.NETWORK_MANAGER: ("NetworkManager", "with its vpnc plugin, on Linux desktops"),
    ClientFormat.RACOON: ("racoon", "of ipsec-tools, on BSD and old Macs"),
    ClientFormat.INSTRUCTIONS: ("Any other", "a text for a person who types it in"),
}
"""What people call the clients, and what the file for each is."""


@router.get("")
async def show(request: Request, actor: SignedIn, user: str = "", profile: str = "") -> HTMLResponse:
    """Show what there is for a user by a connection profile."""
    return await _show(request, actor, user, profile)


@router.get("/file")
async def download(request: Request, actor: SignedIn) -> Response:
    """Give a file without group key and private key."""
    query = request.query_params
    try:
        wanted = Wanted.model_validate({name: query.get(name, "") for name in Wanted.model_fields})
        async with installation(request).snapshot(actor) as work:
            given = await service.download(work, wanted, with_secrets=False)
    except Refused as error:
        return await _show(
            request, actor, query.get("user", ""), query.get("profile", ""), form=Form({}, wrong(error)), code=422
        )
    return attachment(given.name, given.media_type, given.content)


@router.post("/file")
async def download_with_secrets(request: Request, actor: Proven) -> Response:
    """Give a file with everything in it; this is written down."""
    sent = await request.form()
    try:
        wanted = read(sent, Wanted)
        async with installation(request).transaction(actor) as work:
            given = await service.download(work, wanted, with_secrets=True)
    except Refused as error:
        form = Form.refused(sent, error)
        return await _show(request, actor, form.text("user"), form.text("profile"), form=form, code=422)
    return attachment(given.name, given.media_type, given.content)


@router.post("/links")
async def make_link(request: Request, actor: Proven) -> Response:
    """Make a link that gives the file out once, and show it this once."""
    sent = await request.form()
    try:
        new = read(sent, NewLink)
        async with installation(request).transaction(actor) as work:
            made = await links.make(work, new)
    except Refused as error:
        form = Form.refused(sent, error)
        return await _show(request, actor, form.text("user"), form.text("profile"), form=form, code=422)
    return await _show(request, actor, made.user, made.profile, made=made)


@router.get("/links/{number}/remove")
async def ask_to_remove_link(request: Request, actor: SignedIn, number: Number) -> HTMLResponse:
    """Ask before a link gives nothing any more."""
    return confirmation(
        request,
        actor,
        title=f"Revoke link {number}?",
        text="Whoever opens it from now on gets nothing. What was fetched by it already stays with who has it.",
        button="Revoke",
        back_to=_address(request.query_params.get("user", ""), request.query_params.get("profile", "")),
        hidden=[(name, request.query_params.get(name, "")) for name in ("user", "profile")],
    )


@router.post("/links/{number}/remove")
async def remove_link(request: Request, actor: Ruling, number: Number) -> Response:
    """Have a link give nothing any more."""
    sent = await request.form()
    async with installation(request).transaction(actor) as work:
        await links.remove(work, number)
    return back(_address(str(sent.get("user", "")), str(sent.get("profile", ""))), "The link gives nothing any more.")


async def _show(
    request: Request,
    actor: Actor,
    user: str,
    profile: str,
    *,
    form: Form | None = None,
    made: MadeLink | None = None,
    code: int = 200,
) -> HTMLResponse:
    user = user.strip()
    async with installation(request).snapshot(actor) as work:
        names = [each.name for each in (await profiles.page(work)).items if each.enabled]
        profile = profile or next(iter(names), "")
        known = [each.name for each in (await users.page(work, paging=_SUGGESTED)).items]
        choices = await service.choices(work, user, profile) if user and profile else []
        pairs, why_not = await _by_hand(work, user, profile) if choices else ([], {})
        given = await links.page(work, LinkFilter(user=user), _LATEST)
    url = (made.url or str(request.base_url).rstrip("/") + made.path) if made else ""
    return page(
        request,
        "client_profiles.html",
        actor,
        code=422 if why_not else code,
        user=user,
        profile=profile,
        profiles=list(dict.fromkeys([*names, *([profile] if profile else [])])),
        known=known,
        choices=choices if not why_not else [],
        clients=CLIENTS,
        pairs=pairs,
        links=given,
        made=made,
        made_url=url,
        qr=Markup(links.qr_svg(url)) if url else "",  # noqa: S704  made by us
        form=form or Form({"hours": 24}, why_not),
        query=urlencode({"user": user, "profile": profile}),
        api=f"/client-profiles?{urlencode({'user': user, 'profile': profile})}" if choices else "",
    )


async def _by_hand(work: Transaction, user: str, profile: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Give what to type, or why there is nothing for this user by this profile."""
    try:
        return await service.manual(work, user, profile, with_secrets=False), {}
    except Invalid as error:
        return [], {"profile": next(iter(wrong(error).values()))}
    except Refused as error:
        return [], wrong(error)


def _address(user: str, profile: str) -> str:
    return f"/client-profiles?{urlencode({'user': user, 'profile': profile})}"

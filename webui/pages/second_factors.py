"""Second factors of users, of whichever realm: who has one, enrolling, and taking it away when a telephone is lost."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi import Form as FormField
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import installation
from appliance.installation import Actor
from appliance.realms import service as realms
from appliance.second_factors import service
from appliance.second_factors.endpoints import RealmName
from appliance.second_factors.schemas import Enrolment, SecondFactorFilter
from webui.forms import Form, Refused, wrong
from webui.listing import Listing, listing
from webui.rendering import back, confirmation, page
from webui.security import Operating, SignedIn

router = APIRouter(prefix="/second-factors")

_LOCAL = "local"


@router.get("")
async def list_second_factors(
    request: Request,
    actor: SignedIn,
    listed: Annotated[Listing[SecondFactorFilter], Depends(listing(SecondFactorFilter))],
) -> Response:
    """Show who has one."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("second-factors", lambda part: service.page(work, listed.wanted, part))
        found = await service.page(work, listed.wanted, listed.part)
        names = [realm.name for realm in (await realms.page(work)).items]
    return page(
        request,
        "second_factors/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        realms=names,
        api=f"/second-factors{listed.query}",
    )


@router.post("")
async def begin(
    request: Request, actor: Operating, realm: Annotated[RealmName, FormField()], user: Annotated[str, FormField()]
) -> Response:
    """Enrol somebody by name."""
    return await _enrol(request, actor, realm, user.strip())


@router.post("/{realm}/{user}")
async def enrol(request: Request, actor: Operating, realm: RealmName, user: str) -> Response:
    """Make a seed for the user's app, shown this once."""
    return await _enrol(request, actor, realm, user)


@router.post("/{realm}/{user}/confirm")
async def confirm(
    request: Request, actor: Operating, realm: RealmName, user: str, code: Annotated[str, FormField()] = ""
) -> Response:
    """Have it count, its first code being right."""
    try:
        async with installation(request).transaction(actor) as work:
            codes = await service.confirm(work, realm, user, code.strip())
    except Refused as error:
        form = Form({}, {"code": next(iter(wrong(error).values()))})
        return _page(request, actor, realm, user, form=form, code=422)
    return _page(request, actor, realm, user, codes=codes.recovery_codes)


@router.post("/{realm}/{user}/recovery-codes")
async def renew_codes(request: Request, actor: Operating, realm: RealmName, user: str) -> Response:
    """Make new recovery codes, shown this once."""
    async with installation(request).transaction(actor) as work:
        codes = await service.renew_recovery_codes(work, realm, user)
    return _page(request, actor, realm, user, codes=codes.recovery_codes)


@router.get("/{realm}/{user}/reset")
async def ask_to_reset(request: Request, actor: SignedIn, realm: RealmName, user: str) -> HTMLResponse:
    """Ask before a second factor is taken away."""
    return confirmation(
        request,
        actor,
        title=f"Take the second factor of {user} away?",
        text="For a lost telephone: the app and the recovery codes count no more, and another can be enrolled.",
        button="Take away",
        back_to=_back_to(realm, user),
    )


@router.post("/{realm}/{user}/reset")
async def reset(request: Request, actor: Operating, realm: RealmName, user: str) -> Response:
    """Take a second factor away."""
    async with installation(request).transaction(actor) as work:
        await service.reset(work, realm, user)
    return back(_back_to(realm, user), f"The second factor of {user} counts no more.")


async def _enrol(request: Request, actor: Actor, realm: str, user: str) -> Response:
    async with installation(request).transaction(actor) as work:
        enrolment = await service.enrol(work, realm, user)
    return _page(request, actor, realm, user, enrolment=enrolment)


def _page(
    request: Request,
    actor: Actor,
    realm: str,
    user: str,
    *,
    enrolment: Enrolment | None = None,
    codes: list[str] | None = None,
    form: Form | None = None,
    code: int = 200,
) -> HTMLResponse:
    return page(
        request,
        "second_factors/enrol.html",
        actor,
        code=code,
        realm=realm,
        user=user,
        back_to=_back_to(realm, user),
        enrolment=enrolment,
        codes=codes,
        form=form or Form(),
    )


def _back_to(realm: str, user: str) -> str:
    """A user of ours has a page; those of other realms are in the list only."""
    return f"/users/{quote(user, safe='')}" if realm == _LOCAL else "/second-factors"

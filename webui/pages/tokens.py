"""API tokens."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import installation
from appliance.installation import Actor
from appliance.tokens import service as tokens
from appliance.tokens.schemas import CreatedToken, NewToken
from webui.forms import Form, Refused, read
from webui.rendering import back, confirmation, page
from webui.security import Proven, Ruling, SignedIn

router = APIRouter(prefix="/tokens")


@router.get("")
async def list_tokens(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show all tokens."""
    return await _show(request, actor, Form({"days": 365}))


@router.post("")
async def create(request: Request, actor: Proven) -> Response:
    """Make a token, and show its secret this once."""
    sent = await request.form()
    try:
        async with installation(request).transaction(actor) as work:
            made = await tokens.create(work, read(sent, NewToken))
    except Refused as error:
        return await _show(request, actor, Form.refused(sent, error), code=422)
    return await _show(request, actor, Form({"days": 365}), made)


@router.get("/{name}/revoke")
async def ask_to_revoke(request: Request, actor: SignedIn, name: str) -> HTMLResponse:
    """Ask before a token is made useless."""
    return confirmation(
        request,
        actor,
        title=f"Revoke token {name}?",
        text="Whoever uses it is refused at once. It cannot be made good again.",
        button="Revoke",
        back_to="/tokens",
    )


@router.post("/{name}/revoke")
async def revoke(request: Request, actor: Ruling, name: str) -> Response:
    """Make a token useless."""
    async with installation(request).transaction(actor) as work:
        await tokens.revoke(work, name)
    return back("/tokens", f"Token {name} was revoked.")


async def _show(
    request: Request, actor: Actor, form: Form, created: CreatedToken | None = None, *, code: int = 200
) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        found = await tokens.page(work)
    return page(request, "tokens/list.html", actor, code=code, page=found, form=form, created=created, api="/tokens")

"""Settings that may be changed while the appliance runs."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from appliance.dependencies import installation
from appliance.installation import Actor
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import RuntimeSettings, SettingDefinition
from webui.forms import Form, Refused, read
from webui.rendering import back, page
from webui.schema_fields import describe
from webui.security import Ruling, SignedIn

router = APIRouter(prefix="/settings")


@router.get("")
async def show(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show all settings, to be changed."""
    return await _show(request, actor)


@router.post("")
async def change(request: Request, actor: Ruling) -> Response:
    """Change settings."""
    sent = await request.form()
    try:
        wanted = read(sent, RuntimeSettings)
        async with installation(request).transaction(actor) as work:
            for name in sorted(wanted.model_fields_set):
                value = wanted.model_dump(mode="json")[name]
                await settings.define(work, name, SettingDefinition(value=value))
    except Refused as error:
        return await _show(request, actor, Form.refused(sent, error), code=422)
    return back("/settings", "Saved.")


async def _show(request: Request, actor: Actor, refused: Form | None = None, *, code: int = 200) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        found = await settings.page(work)
    return page(
        request,
        "settings.html",
        actor,
        code=code,
        form=refused or Form({each.name: each.value for each in found.items}),
        fields=describe(RuntimeSettings, unsaid="as it was started"),
        boot=installation(request).settings,
        api="/settings",
    )

"""Settings that may be changed while the appliance runs."""

from functools import partial
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from appliance.api.dependencies import installation
from appliance.installation import Actor, Transaction
from appliance.runtime_settings import service as settings
from appliance.runtime_settings.schemas import SECRETS, RuntimeSettings, SettingDefinition, SettingView
from webui.forms import Form, read
from webui.rendering import back, page
from webui.saving import NotSaved, Thing, save, sent_form
from webui.schema_fields import Part, describe, parted
from webui.security import Proven, SignedIn

router = APIRouter(prefix="/settings")

_PARTS: Final = (
    ("Administrators on the panel", "panel_"),
    ("Their sign-in by an identity provider (OpenID Connect)", "oidc_"),
    ("The users' portal", "portal"),
    ("What is kept for how long", "_days"),
    ("Requests to the API", "api_"),
    ("Backups that are made by themselves", "backup_"),
    ("The log", "log_"),
)
LABELS: Final = {
    "panel_idle_minutes": "Sign out after so many minutes without a click",
    "panel_session_hours": "Sign out after so many hours in any case",
    "panel_proof_minutes": "Minutes until it is asked anew who is there",
    "panel_notice": "Notice above the sign-in form",
    "panel_time_zone": "Time zone",
    "session_days": "Ended sessions (days)",
    "refusal_days": "Refused clients (days)",
    "audit_days": "Audit log (days)",
    "log_level": "Least serious line",
    "api_requests_per_minute": "Requests a minute with one token",
    "api_source_requests_per_minute": "Requests a minute from one address",
    "portal": "There is a page for VPN users",
    "portal_realms": "Realms that judge them",
    "backup_every_hours": "Hours from one to the next",
    "backup_hour": "Counted from this hour on (UTC)",
    "backup_directory": "Directory",
    "backup_keep": "How many are kept",
    "backup_passphrase": "Passphrase",
    "oidc_issuer": "Issuer",
    "oidc_client_id": "Client ID",
    "oidc_client_secret": "Client secret",
    "oidc_scope": "Scope",
    "oidc_groups_claim": "Claim that names groups",
    "oidc_roles": "Role of each group",
}


async def _shown(work: Transaction) -> list[SettingView]:
    return (await settings.page(work)).items


def _parts() -> list[Part]:
    """Give the fields by what they are about."""
    fields = describe(RuntimeSettings, unsaid="as it was started", labels=LABELS)
    return parted(fields, [(legend, partial(_belongs, words)) for legend, words in _PARTS])


def _belongs(words: str, name: str) -> bool:
    return name.startswith(words) or name.endswith(words)


_ALL: Final = Thing("setting", "", _shown)


@router.get("")
async def show(request: Request, actor: SignedIn) -> HTMLResponse:
    """Show all settings, to be changed."""
    return await _show(request, actor)


@router.post("")
async def change(request: Request, actor: Proven) -> Response:
    """Change settings."""
    sent = await sent_form(request)

    async def change_them(work: Transaction) -> None:
        typed = {name for name in RuntimeSettings.model_fields if name not in SECRETS or sent.get(name)}
        wanted = read(sent, RuntimeSettings, *typed)
        for name in sorted(wanted.model_fields_set):
            value = wanted.model_dump(mode="json")[name]
            await settings.define(work, name, SettingDefinition(value=value))

    try:
        await save(request, actor, sent, _ALL, change_them)
    except NotSaved as refused:
        return await _show(request, actor, refused.form, code=refused.code)
    return back("/settings", "Saved.")


async def _show(request: Request, actor: Actor, refused: Form | None = None, *, code: int = 200) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        found = await settings.page(work)
        seen = await _ALL.seen(work)
    return page(
        request,
        "settings.html",
        actor,
        code=code,
        form=refused or Form({each.name: each.value for each in found.items} | {"seen": seen}),
        parts=_parts(),
        names=list(RuntimeSettings.model_fields),
        boot=installation(request).settings,
        api="/settings",
    )

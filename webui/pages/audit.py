"""Changes: who did what, when, from where; before and after."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from appliance.api.dependencies import installation
from appliance.audit import service as audit
from appliance.audit.differences import changes
from appliance.audit.schemas import AuditFilter
from webui.listing import Listing, listing
from webui.navigation import page_of
from webui.rendering import page
from webui.security import SignedIn

router = APIRouter(prefix="/audit")

NOUNS: Final = (
    *("user", "group", "policy", "realm", "radius-server", "second-factor", "lockout", "session"),
    *("profile", "pool", "client-profile", "download-link", "certificate", "certificate-request", "authority"),
    *("administrator", "portal", "token", "setting", "configuration", "backup", "accounting"),
)
"""What deeds are about: their first words. A test holds them against those that are written down."""


@router.get("")
async def list_changes(
    request: Request, actor: SignedIn, listed: Annotated[Listing[AuditFilter], Depends(listing(AuditFilter))]
) -> Response:
    """Show who changed what."""
    async with installation(request).snapshot(actor) as work:
        if listed.format:
            return await listed.file("changes", lambda part: audit.page(work, listed.wanted, part))
        found = await audit.page(work, listed.wanted, listed.part)
    return page(
        request,
        "audit/list.html",
        actor,
        page=found,
        wanted=listed.wanted,
        part=listed.part,
        differences=changes,
        page_of=page_of,
        nouns=[(f"{noun}.", noun.replace("-", " ")) for noun in NOUNS],
        api=f"/audit{listed.query}",
    )

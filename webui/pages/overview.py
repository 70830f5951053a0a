"""The appliance at a glance."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from appliance.api.dependencies import installation
from appliance.models.columns import now
from appliance.realms import service as realms
from appliance.refusals import service as refusals
from appliance.refusals.schemas import RefusalFilter
from appliance.samples import service as samples
from appliance.samples.schemas import Span
from appliance.schema import Paging
from appliance.sessions import service as sessions
from appliance.system import first_steps
from appliance.system import service as system
from webui import charts
from webui.pages.setup import TITLES
from webui.rendering import duration, page
from webui.security import SignedIn

router = APIRouter()

_SPANS = (Span(hours=1, steps=60), Span(hours=24, steps=144), Span(hours=168, steps=168), Span(hours=744, steps=186))


@router.get("/")
async def overview(request: Request, actor: SignedIn, hours: int = 24) -> HTMLResponse:
    """Show how everything is, and how it was in the last hours."""
    span = next((each for each in _SPANS if each.hours == hours), _SPANS[1])
    async with installation(request).snapshot(actor) as work:
        status = await system.status(work)
        refused = (await refusals.page(work, RefusalFilter(), Paging(limit=5))).items
        steps = await first_steps.steps(work)
        sources = (await realms.page(work)).items
        history = await samples.history(work, Span(hours=span.hours, steps=span.steps))
        quickest = await sessions.rates(work)
    expires = status.gateway_certificate_expires_at
    return page(
        request,
        "dashboard.html",
        actor,
        status=status,
        refused=refused,
        steps=steps,
        titles=TITLES,
        realms=sources,
        spans=_SPANS,
        hours=span.hours,
        pace=quickest,
        charts={
            "Throughput": charts.traffic(history),
            "Sessions": charts.sessions(history),
            "Logins": charts.logins(history),
        },
        logins=sum(step.logins for step in history.steps),
        refusals=sum(step.refusals for step in history.steps),
        expires_in=duration((expires - now()).total_seconds()) if expires else "",
        api="/status",
    )

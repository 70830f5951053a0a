"""``/api/v1/status``, and ``/healthz`` for whoever watches the process."""

from fastapi import APIRouter, Request

from appliance.api import failures
from appliance.api.dependencies import Noun, Reading, installation
from appliance.system import service
from appliance.system.schemas import HealthView, StatusView

router = Noun("status", tag="system")
health = APIRouter(tags=["system"])


@router.get("")
async def show_status(work: Reading) -> StatusView:
    """Show the appliance at a glance, and what is off."""
    return await service.status(work)


@health.get("/healthz", responses=failures.responses(500, 503))
async def show_health(request: Request) -> HealthView:
    """Say whether this process can do its work; needs no token and tells nothing else."""
    async with installation(request).snapshot() as work:
        return await service.health(work)

"""``/api/v1/status``, and ``/healthz`` for whoever watches the process."""

from fastapi import APIRouter, Request

from appliance.dependencies import Reading, installation
from appliance.system import service
from appliance.system.schemas import HealthView, StatusView

router = APIRouter(tags=["system"])
health = APIRouter(tags=["system"])


@router.get("/status")
async def show_status(work: Reading) -> StatusView:
    """Show the appliance at a glance, and what is off."""
    return await service.status(work)


@health.get("/healthz")
async def show_health(request: Request) -> HealthView:
    """Say whether this process can do its work; needs no token and tells nothing else."""
    async with installation(request).snapshot() as work:
        return await service.health(work)

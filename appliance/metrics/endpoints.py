"""``/metrics`` and ``/healthz`` on their own listener: no token, no TLS, no user's name."""

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from appliance.api import failures
from appliance.api.dependencies import installation
from appliance.installation import Installation
from appliance.metrics import service
from appliance.system import endpoints as system


def create(installation: Installation) -> FastAPI:
    """Make the application of the metrics' listener."""
    app = FastAPI(title="Coati's metrics", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.installation = installation
    failures.install(app)
    app.include_router(system.health)
    app.add_api_route("/metrics", show)
    return app


async def show(request: Request) -> Response:
    """Give all metrics in Prometheus' text format."""
    async with installation(request).snapshot() as work:
        return Response(await service.exposition(work), media_type=CONTENT_TYPE_LATEST)

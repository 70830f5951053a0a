"""The metrics' listener: what it serves, and that it serves nothing else."""

import httpx2

from appliance.installation import Installation
from appliance.metrics import endpoints


async def test_it_serves_metrics_and_health_and_nothing_else(installation: Installation) -> None:
    transport = httpx2.ASGITransport(app=endpoints.create(installation))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:9443") as client:
        metrics = await client.get("/metrics")
        assert metrics.status_code == 200
        assert metrics.headers["content-type"].startswith("text/plain; version=")
        assert "# TYPE coati_users gauge" in metrics.text
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        for other in ("/", "/api/v1/users", "/docs", "/openapi.json"):
            assert (await client.get(other)).status_code == 404

"""The panel over a database of its own, as a browser without scripts sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

from appliance import first_start
from appliance.installation import Installation
from appliance.settings import Settings
from webui import panel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with Installation.open(Settings(data_dir=tmp_path / "data", public_name="vpn.example.net")) as installation:
        prepared = await first_start.ensure(installation)
        transport = httpx2.ASGITransport(app=panel.create(installation))
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
            client.headers.update(OURS)
            client.installation = installation
            client.first_password = prepared.administrator_password.get_secret_value()
            yield client

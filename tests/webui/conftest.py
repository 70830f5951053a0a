"""The panel over a database of its own, as a browser without scripts sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

from appliance.installation import Installation
from tests.begun import Begun, begun, data_dir, first_started, migrated_file
from webui import panel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["begun", "data_dir", "first_started", "migrated_file"]

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def browser(begun: Begun) -> AsyncIterator[httpx2.AsyncClient]:
    async with Installation.open(begun.settings) as installation:
        transport = httpx2.ASGITransport(app=panel.create(installation))
        async with httpx2.AsyncClient(transport=transport, base_url="https://coati.test") as client:
            client.headers.update(OURS)
            client.installation = installation
            client.first_password = begun.password
            yield client

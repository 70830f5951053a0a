"""The web process: TLS with our own certificate, the inherited settings, a quick end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx2

from appliance import first_start
from appliance.certificates import service as certificates
from appliance.installation import Installation
from appliance.models import CertificatePurpose
from appliance.settings import ListenAddress, Settings

if TYPE_CHECKING:
    from pathlib import Path


async def _prepare(settings: Settings) -> str:
    async with Installation.open(settings) as installation:
        await first_start.ensure(installation)
        async with installation.snapshot() as work:
            return (await certificates.show(work, CertificatePurpose.AUTHORITY)).pem


def test_serves_over_tls_and_ends_when_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = Settings(data_dir=tmp_path / "data", listen=ListenAddress("127.0.0.1", port))
    authority = asyncio.run(_prepare(settings))
    environment = {**os.environ, **settings.environment()}
    process = subprocess.Popen([sys.executable, "-m", "webui"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        trusting = ssl.create_default_context(cadata=authority)
        end = time.monotonic() + 30
        while True:
            try:
                answer = httpx2.get(f"https://127.0.0.1:{port}/healthz", verify=trusting)
                break
            except httpx2.ConnectError:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < end
                time.sleep(0.1)
        assert answer.json() == {"status": "ok"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.communicate()

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
from cryptography import x509
from fastapi import FastAPI
from structlog.testing import capture_logs

from appliance import first_start
from appliance.certificates import service as certificates
from appliance.installation import Installation
from appliance.models import CertificatePurpose
from appliance.settings import ListenAddress, Settings
from tests.ports import free_port
from webui.__main__ import served_beside

if TYPE_CHECKING:
    from pathlib import Path


async def _prepare(settings: Settings) -> str:
    async with Installation.open(settings) as installation:
        await first_start.ensure(installation)
        async with installation.snapshot() as work:
            return (await certificates.show(work, CertificatePurpose.AUTHORITY)).pem


def _free() -> ListenAddress:
    return ListenAddress("127.0.0.1", free_port())


async def test_what_is_beside_the_panel_and_whose_address_is_taken_is_off_and_all_else_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as logged:
        async with served_beside("metrics", ListenAddress(*taken.getsockname()), "COATI_METRICS_LISTEN", FastAPI()):
            pass
    (line,) = logged
    assert (line["event"], line["what"], line["because"]) == ("not served", "metrics", "Address already in use")
    assert "COATI_METRICS_LISTEN" in line["remedy"]


async def test_what_is_beside_the_panel_can_be_off() -> None:
    with capture_logs() as logged:
        async with served_beside("metrics", None, "COATI_METRICS_LISTEN", FastAPI()):
            pass
    assert logged == []


def test_serves_over_tls_and_ends_when_told(tmp_path: Path) -> None:
    panel, metrics, crls = _free(), _free(), _free()
    settings = Settings(data_dir=tmp_path / "data", listen=panel, metrics_listen=metrics, crl_listen=crls)
    authority = asyncio.run(_prepare(settings))
    environment = {**os.environ, **settings.environment()}
    process = subprocess.Popen([sys.executable, "-m", "webui"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        trusting = ssl.create_default_context(cadata=authority)
        end = time.monotonic() + 30
        while True:
            try:
                answer = httpx2.get(f"https://{panel}/healthz", verify=trusting)
                break
            except httpx2.ConnectError:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < end
                time.sleep(0.1)
        assert answer.json() == {"status": "ok"}
        assert "coati_build_info{" in httpx2.get(f"http://{metrics}/metrics").text
        assert httpx2.get(f"https://{panel}/metrics", verify=trusting).status_code == 404
        published = x509.load_der_x509_crl(httpx2.get(f"http://{crls}/crl/coati.der").content)
        assert published.is_signature_valid(x509.load_pem_x509_certificate(authority.encode()).public_key())
        assert httpx2.get(f"http://{crls}/ca/coati.cer").status_code == 200
        for elsewhere in (
            "/",
            "/metrics",
            "/healthz",
            "/sign-in",
            "/api/v1/users",
            "/api/openapi.json",
            "/static/icon.svg",
        ):
            assert httpx2.get(f"http://{crls}{elsewhere}").status_code == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()

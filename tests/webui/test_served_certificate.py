"""A new certificate is served without a restart, and who is connected stays so."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

from cryptography import x509

from appliance import first_start
from appliance.certificates import service
from appliance.certificates.issuing import KeyKind
from appliance.certificates.schemas import NewCertificate
from appliance.installation import Actor, Installation
from appliance.models import CertificatePurpose
from appliance.settings import Settings
from webui.served_certificate import ServedCertificate

if TYPE_CHECKING:
    from pathlib import Path


async def _seen(port: int, name: str | None) -> tuple[x509.Certificate, asyncio.StreamWriter, asyncio.StreamReader]:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname=name or "")
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der), writer, reader


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def test_a_renewed_certificate_of_another_kind_is_served_at_once(tmp_path: Path) -> None:
    async with Installation.open(Settings(data_dir=tmp_path / "data", public_name="vpn.example.net")) as installation:
        await first_start.ensure(installation)
        served = ServedCertificate(installation)
        assert await served.load()
        assert not await served.load()
        following = asyncio.create_task(served.follow())
        server = await asyncio.start_server(_echo, "127.0.0.1", 0, ssl=served.context)
        port = server.sockets[0].getsockname()[1]
        first, writer, reader = await _seen(port, "vpn.example.net")

        async with installation.transaction(Actor("a test")) as work:
            new = NewCertificate(purpose=CertificatePurpose.PANEL, key=KeyKind.RSA_2048)
            issued = await service.issue(work, new)

        async with asyncio.timeout(60):
            for name in ("vpn.example.net", None):  # browsers send no name with an address
                while True:
                    second, other, _ = await _seen(port, name)
                    other.close()
                    if second != first:
                        break
                    await asyncio.sleep(0.1)
                assert f"{second.serial_number:X}" == issued.serial_number
        writer.write(b"still there\n")
        assert await reader.readline() == b"still there\n"
        writer.close()
        following.cancel()
        server.close()
        with contextlib.suppress(asyncio.CancelledError):
            await following

"""The local CA: made on the first start, it issues the gateway's and the panel's certificates."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv4Network
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from appliance.audit import service as audit
from appliance.certificates import authority, repository
from appliance.certificates.local_names import gateway_names, panel_names
from appliance.certificates.schemas import CertificateView
from appliance.errors import NotFound
from appliance.installation import Transaction
from appliance.models import Certificate, CertificatePurpose
from appliance.models.columns import now
from appliance.pools import repository as pools
from appliance.schema import Page
from ike_engine.secret import Secret

KEY_PURPOSE: Final = "certificates.private_key"
RENEW_BEFORE: Final = timedelta(days=60)

_LEAVES: Final = {CertificatePurpose.GATEWAY: gateway_names, CertificatePurpose.PANEL: panel_names}


async def ensure(work: Transaction) -> list[CertificateView]:
    """Make what is missing, runs out soon or lacks one of this machine's names; give what was made."""
    made = []
    if await repository.in_use(work.session, CertificatePurpose.AUTHORITY) is None:
        issued = await asyncio.to_thread(authority.make_authority, now())
        made.append(await _keep(work, CertificatePurpose.AUTHORITY, issued, (), None))
    for purpose, names_of in _LEAVES.items():
        names = names_of(work.installation.settings, await _pool_networks(work))
        present = await repository.in_use(work.session, purpose)
        if present is None or present.not_after - now() < RENEW_BEFORE or not set(names) <= set(present.names):
            made.append(await _issue(work, purpose, names))
    return made


async def renew(work: Transaction) -> list[CertificateView]:
    """Issue new certificates to gateway and panel under the same authority: clients notice nothing."""
    networks = await _pool_networks(work)
    return [
        await _issue(work, purpose, names_of(work.installation.settings, networks))
        for purpose, names_of in _LEAVES.items()
    ]


async def page(work: Transaction) -> Page[CertificateView]:
    """List all certificates, those in use first."""
    rows = await repository.all_certificates(work.session)
    return Page(items=[_view(row) for row in rows], total=len(rows))


async def show(work: Transaction, purpose: CertificatePurpose) -> CertificateView:
    """Show the certificate that serves this purpose.

    Raises:
        NotFound: there is none.
    """
    return _view(await _in_use(work, purpose))


async def panel_credentials(work: Transaction) -> tuple[bytes, Secret]:
    """Give the panel's certificate and private key, both in PEM, to whoever serves TLS.

    Raises:
        NotFound: there is none.
    """
    row = await _in_use(work, CertificatePurpose.PANEL)
    key = load_der_private_key(work.installation.master_key.open(row.private_key, KEY_PURPOSE), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return x509.load_der_x509_certificate(row.certificate).public_bytes(Encoding.PEM), Secret(pem)


async def _issue(work: Transaction, purpose: CertificatePurpose, names: Sequence[str]) -> CertificateView:
    root = await _in_use(work, CertificatePurpose.AUTHORITY)
    root_key = load_der_private_key(work.installation.master_key.open(root.private_key, KEY_PURPOSE), None)
    if not isinstance(root_key, RSAPrivateKey):
        raise TypeError("the local CA signs with RSA")
    issue = authority.issue_gateway if purpose is CertificatePurpose.GATEWAY else authority.issue_panel
    root_certificate = x509.load_der_x509_certificate(root.certificate)
    issued = await asyncio.to_thread(issue, root_certificate, root_key, names, now())
    before = await repository.in_use(work.session, purpose)
    if before is not None:
        before.retired_at = now()
    return await _keep(work, purpose, issued, tuple(names), root.id)


async def _keep(
    work: Transaction,
    purpose: CertificatePurpose,
    issued: authority.Issued,
    names: tuple[str, ...],
    issuer_id: int | None,
) -> CertificateView:
    certificate = issued.certificate
    row = Certificate(
        purpose=purpose,
        subject=certificate.subject.rfc4514_string(),
        serial_number=authority.serial_number(certificate),
        names=names,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        certificate=issued.der,
        private_key=work.installation.master_key.seal(issued.private_key, KEY_PURPOSE),
        issuer_id=issuer_id,
    )
    work.session.add(row)
    await work.session.flush()
    view = _view(row)
    audit.record(work, "certificate.issue", view.subject, after=view)
    return view


async def _pool_networks(work: Transaction) -> list[IPv4Network]:
    return [network for pool in await pools.all_pools(work.session) for network in pool.networks]


async def _in_use(work: Transaction, purpose: CertificatePurpose) -> Certificate:
    row = await repository.in_use(work.session, purpose)
    if row is None:
        raise NotFound(f"there is no {purpose} certificate yet; the first start of coati serve makes it")
    return row


def _view(row: Certificate) -> CertificateView:
    certificate = x509.load_der_x509_certificate(row.certificate)
    return CertificateView(
        purpose=row.purpose,
        subject=row.subject,
        serial_number=row.serial_number,
        fingerprint=authority.fingerprint(certificate),
        names=row.names,
        not_before=row.not_before,
        not_after=row.not_after,
        retired_at=row.retired_at,
        pem=certificate.public_bytes(Encoding.PEM).decode(),
    )

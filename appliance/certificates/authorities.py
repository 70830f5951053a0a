"""The rules of authorities: making, importing, choosing the one that issues, and their CRLs."""

import asyncio
import re
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.audit import service as audit
from appliance.certificates import files, issuing, records, repository
from appliance.certificates.issuing import Revoked
from appliance.certificates.schemas import (
    AuthorityChange,
    AuthorityDefinition,
    AuthorityImport,
    AuthorityView,
    CertificateState,
    NewAuthority,
)
from appliance.errors import AlreadyExists, InUse, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import Authority, CertificatePurpose, RevocationCheck
from appliance.models.columns import now
from appliance.schema import EVERYTHING, Page, Paging

FIRST_NAME: Final = "coati"
# Well before it runs out, so that a machine may be off for some days.
_CRL_REFRESHED_AFTER: Final = timedelta(days=1)


async def page(work: Transaction, paging: Paging = EVERYTHING) -> Page[AuthorityView]:
    """List all authorities, the one that issues first."""
    rows = await repository.all_authorities(work.session)
    return Page.cut([await _view(work, row) for row in rows], paging)


async def show(work: Transaction, name: str) -> AuthorityView:
    """Show one authority.

    Raises:
        NotFound: there is no such authority.
    """
    return await _view(work, await find(work, name))


async def find(work: Transaction, name: str, *, lock: bool = False) -> Authority:
    """Give one authority's row.

    Raises:
        NotFound: there is no such authority.
    """
    row = await repository.find_authority(work.session, name.strip().lower(), lock=lock)
    if row is None:
        raise NotFound(f"there is no authority {name}", remedy="coati ca list shows them")
    return row


async def ensure_issuer(work: Transaction) -> Authority:
    """Give the authority that issues; make our own if none does."""
    row = await repository.issuer(work.session)
    if row is not None:
        return row
    name = await _free_name(work, FIRST_NAME)
    await make(work, NewAuthority(name=name, check=RevocationCheck.OFF))
    row = await find(work, name)
    row.issues = True
    await work.session.flush()
    return row


async def make(work: Transaction, new: NewAuthority) -> AuthorityView:
    """Make an authority of our own. It issues nothing before it is told to (``choose``).

    Raises:
        AlreadyExists: the name is taken.
    """
    issued = await asyncio.to_thread(
        issuing.make_authority, now(), common_name=new.common_name, kind=new.key, days=new.days
    )
    return await _keep(work, new.name, new, issued.certificate, issued.private_key, (), "authority.make")


async def import_(work: Transaction, wanted: AuthorityImport) -> AuthorityView:
    """Take in an authority from elsewhere; with its private key it may issue here.

    Raises:
        AlreadyExists: the name is taken, or it is here already.
        Invalid: the file has no certificate of an authority, or it has expired.
    """
    bundle = await asyncio.to_thread(files.read, wanted.content, wanted.passphrase.get_secret_value())
    certificate, others = bundle.leaf_and_others()
    if not issuing.is_authority(certificate):
        raise Invalid(f"{certificate.subject.rfc4514_string()} is not the certificate of an authority", field="content")
    if certificate.not_valid_after_utc <= now():
        raise Invalid(f"the authority has expired on {certificate.not_valid_after_utc:%Y-%m-%d}", field="content")
    key = None if bundle.key is None else issuing.pkcs8(bundle.key)
    return await _keep(work, wanted.name, wanted, certificate, key, others, "authority.import")


async def adopt(work: Transaction, root: x509.Certificate) -> Authority:
    """Take in the root that came with a certificate from elsewhere; clients with its certificates are not let in."""
    words = issuing.common_name(root) or root.subject.rfc4514_string()
    name = await _free_name(work, re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:48] or "outside")
    await _keep(work, name, AuthorityChange(), root, None, (), "authority.import")
    return await find(work, name)


async def change(work: Transaction, name: str, wanted: AuthorityChange) -> AuthorityView:
    """Change what is given.

    Raises:
        LostUpdate: somebody else changed it since.
        NotFound: there is no such authority.
    """
    row = await find(work, name)
    before = await _view(work, row)
    work.expect(before)
    for field in wanted.model_fields_set & set(AuthorityChange.model_fields):
        setattr(row, field, getattr(wanted, field))
    await work.session.flush()
    after = await _view(work, row)
    audit.record(work, "authority.change", row.name, before=before, after=after)
    return after


async def define(work: Transaction, name: str, wanted: AuthorityDefinition) -> tuple[AuthorityView, bool]:
    """Have an authority of our own with these settings, whether it is there or not; tells also whether it is new.

    Raises:
        LostUpdate: as ``change`` does.
    """
    new = NewAuthority(**wanted.model_dump(mode="python", exclude_unset=True) | {"name": name})
    if await repository.find_authority(work.session, new.name) is None:
        work.expect(None)
        return await make(work, new), True
    settings = new.model_dump(mode="python", include=set(AuthorityChange.model_fields))
    return await change(work, new.name, AuthorityChange(**settings)), False


async def choose(work: Transaction, name: str) -> AuthorityView:
    """Have this authority issue from now on. What others issued stays good.

    Raises:
        Invalid: its private key is not here.
        NotFound: there is no such authority.
    """
    row = await find(work, name)
    if (await records.certificate_of(work, row)).private_key is None:
        raise Invalid(f"the private key of {row.name} is not here: it can issue nothing")
    before = await _view(work, row)
    for other in await repository.all_authorities(work.session):
        other.issues = other.id == row.id
    await work.session.flush()
    after = await _view(work, row)
    audit.record(work, "authority.choose", row.name, before=before, after=after)
    return after


async def renew(work: Transaction, name: str) -> AuthorityView:
    """Give one of our own roots a new certificate: same name and key, so what it issued stays good.

    Clients that check dates need the new one before the old one expires.

    Raises:
        Invalid: its private key is not here, or it is no root.
        NotFound: there is no such authority.
    """
    row = await find(work, name, lock=True)
    present = await records.certificate_of(work, row)
    certificate = records.load(present)
    if not issuing.is_self_issued(certificate):
        raise Invalid(f"{row.name} is no root: the authority above it renews it")
    key = records.open_key(work, present)
    renewed = issuing.renew_authority(certificate, key, now())
    present.retired_at = now()
    await records.keep(
        work, CertificatePurpose.AUTHORITY, renewed, key=issuing.pkcs8(key), names=(), authority_id=row.id
    )
    return await _view(work, row)


async def remove(work: Transaction, name: str) -> None:
    """Forget an authority, and the certificates of its that are good no longer.

    Raises:
        InUse: it issues, or certificates that it issued are good.
        NotFound: there is no such authority.
    """
    row = await find(work, name)
    work.expect(await _view(work, row))
    if row.issues:
        raise InUse(f"{row.name} is the authority that issues", remedy="choose another one first: coati ca choose NAME")
    issued = await repository.issued_by(work.session, row.id)
    good = [each for each in issued if records.state(each) is CertificateState.GOOD]
    if good:
        raise InUse(
            f"{len(good)} certificates that {row.name} issued are good: {', '.join(each.subject for each in good[:3])}",
            remedy="revoke or replace them first",
        )
    audit.record(work, "authority.remove", row.name, before=await _view(work, row))
    for each in issued:
        await work.session.delete(each)
    for own in await repository.certificates_of(work.session, row.id):
        await work.session.delete(own)
    await work.session.flush()
    await work.session.delete(row)


async def certificate(work: Transaction, name: str) -> x509.Certificate:
    """Give an authority's present certificate.

    Raises:
        NotFound: there is no such authority.
    """
    return records.load(await records.certificate_of(work, await find(work, name)))


# ---- CRLs --------------------------------------------------------------------------------------------


async def crl(work: Transaction, name: str | None = None) -> x509.CertificateRevocationList:
    """Give the CRL that an authority of ours published last; without a name, that of the one that issues.

    Raises:
        NotFound: there is no such authority, or it publishes none.
    """
    row = await repository.issuer(work.session) if name is None else await find(work, name)
    if row is None or row.crl is None:
        raise NotFound("there is no CRL", remedy="the first start of coati serve makes it")
    return x509.load_der_x509_crl(row.crl)


async def crl_pem(work: Transaction, name: str | None = None) -> str:
    """Give it in PEM."""
    return (await crl(work, name)).public_bytes(Encoding.PEM).decode()


async def publish_crls(work: Transaction) -> list[str]:
    """Make the CRLs that are missing or more than a day old; give the names of their authorities."""
    published = []
    for row in await repository.all_authorities(work.session):
        if row.crl_issued_at is not None and now() - row.crl_issued_at < _CRL_REFRESHED_AFTER:
            continue
        if await publish_crl(work, row.name):
            published.append(row.name)
    return published


async def publish_crl(work: Transaction, name: str) -> bool:
    """Make a new CRL with all that the authority revoked; ``False``: its private key is not here."""
    row = await find(work, name, lock=True)
    present = await records.certificate_of(work, row)
    if present.private_key is None:
        return False
    # A certificate that has expired needs no revocation any more, but for one more CRL (RFC 5280 section 3.3).
    since = now() - issuing.CRL_LASTS
    revoked = [
        Revoked(int(each.serial_number, 16), each.revoked_at, each.revocation_reason)
        for each in await repository.issued_by(work.session, row.id)
        if each.revoked_at is not None and each.not_after > since
    ]
    row.crl_number += 1
    row.crl_issued_at = at = now().replace(microsecond=0)
    row.crl_next_update_at = at + issuing.CRL_LASTS
    made = await asyncio.to_thread(
        issuing.make_crl, records.load(present), records.open_key(work, present), revoked, row.crl_number, at
    )
    row.crl = made.public_bytes(Encoding.DER)
    await work.session.flush()
    return True


def crl_url(work: Transaction, row: Authority) -> str:
    """Give where certificates say that the CRL is; empty when nobody could find us there."""
    settings = work.installation.settings
    if row.crl_url or not settings.public_name:
        return row.crl_url
    if settings.crl_listen is not None:
        return f"{_in_the_clear(settings.public_name, settings.crl_listen.port)}/crl/{row.name}.der"
    port = "" if settings.listen.port == 443 else f":{settings.listen.port}"
    return f"https://{settings.public_name}{port}/crl/{row.name}.der"


def issuer_url(work: Transaction, row: Authority) -> str:
    """Give where certificates say that their issuer's is; empty unless that is in the clear (RFC 5280, 4.2.2.1)."""
    settings = work.installation.settings
    if settings.crl_listen is None or not settings.public_name:
        return ""
    return f"{_in_the_clear(settings.public_name, settings.crl_listen.port)}/ca/{row.name}.cer"


def _in_the_clear(name: str, port: int) -> str:
    return f"http://{name}" if port == 80 else f"http://{name}:{port}"


# ---- rows --------------------------------------------------------------------------------------------


async def _keep(
    work: Transaction,
    name: str,
    wanted: AuthorityChange,
    certificate: x509.Certificate,
    key: bytes | None,
    chain: tuple[x509.Certificate, ...],
    deed: str,
) -> AuthorityView:
    if await repository.find_authority(work.session, name) is not None:
        raise AlreadyExists(f"there is an authority {name} already", field="name")
    row = Authority(
        name=name,
        for_clients=wanted.for_clients,
        check=wanted.check,
        crl_url=wanted.crl_url,
        ocsp_url=wanted.ocsp_url,
    )
    work.session.add(row)
    await work.session.flush()
    await records.keep(
        work,
        CertificatePurpose.AUTHORITY,
        certificate,
        key=key,
        names=(),
        authority_id=row.id,
        chain=chain,
        deed="certificate.issue" if key is not None else "certificate.import",
    )
    if key is not None:
        await publish_crl(work, name)
    shown = await _view(work, row)
    audit.record(work, deed, name, after=shown)
    return shown


async def _free_name(work: Transaction, wanted: str) -> str:
    taken = {row.name for row in await repository.all_authorities(work.session)}
    return next(name for name in (wanted, *(f"{wanted}-{n}" for n in range(2, len(taken) + 3))) if name not in taken)


async def _view(work: Transaction, row: Authority) -> AuthorityView:
    present = await records.certificate_of(work, row)
    states = [records.state(each) for each in await repository.issued_by(work.session, row.id)]
    return AuthorityView(
        name=row.name,
        issues=row.issues,
        has_private_key=present.private_key is not None,
        for_clients=row.for_clients,
        check=row.check,
        crl_url=row.crl_url,
        ocsp_url=row.ocsp_url,
        certificates=states.count(CertificateState.GOOD),
        revoked=states.count(CertificateState.REVOKED),
        crl_number=row.crl_number,
        crl_issued_at=row.crl_issued_at,
        crl_next_update_at=row.crl_next_update_at,
        created_at=row.created_at,
        certificate=await records.view(work, present),
    )

"""The rules of certificates: this appliance's own, made on the first start and renewed by themselves, and all others.

A certificate is referred to by its number, or by what it serves: ``gateway``, ``panel``, ``authority``.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from appliance.audit import service as audit
from appliance.certificates import authorities, files, issuing, records, repository
from appliance.certificates.issuing import KeyKind
from appliance.certificates.schemas import (
    CertificateFilter,
    CertificateState,
    CertificateView,
    NewCertificate,
    Revocation,
)
from appliance.errors import Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import Certificate, CertificatePurpose, RevocationReason
from appliance.models.columns import now
from appliance.pools import repository as pools
from appliance.schema import EVERYTHING, Page, Paging
from ike_engine.secret import Secret

RENEW_BEFORE: Final = timedelta(days=60)
_NODE_GONE: Final = timedelta(days=30)

_OWN_KEYS: Final = {CertificatePurpose.GATEWAY: KeyKind.RSA_2048, CertificatePurpose.PANEL: KeyKind.ECDSA_P256}
_SPEAKS_IKE: Final = (CertificatePurpose.GATEWAY, CertificatePurpose.SERVER, CertificatePurpose.USER)
# ---- this appliance's own -----------------------------------------------------------------------------


async def ensure(work: Transaction, *, follow_names: bool = True) -> list[CertificateView]:
    """Make what is missing or runs out soon; give what was made. What an outside authority issued is left alone.

    Gateways with one database share these certificates: they carry the names of all, so that clients find the same
    behind each and none takes another's away.

    Args:
        work: The transaction.
        follow_names: Replace those that lack a name of a gateway, too.
    """
    made = []
    issuer = await repository.issuer(work.session)
    if issuer is None:
        issuer = await authorities.ensure_issuer(work)
        made.append(await records.view(work, await records.certificate_of(work, issuer)))
    await repository.find_authority(work.session, issuer.name, lock=True)  # gateways that start at once take turns
    until = (await records.certificate_of(work, issuer)).not_after
    for purpose in records.OWN:
        present = await repository.in_use(work.session, purpose)
        names = await _names_of_all(work, purpose, () if present is None else present.names)
        if present is not None:
            if not await _is_ours(work, present):
                continue
            runs_out = present.not_after - now() < RENEW_BEFORE and present.not_after < until
            if not runs_out and (not follow_names or set(names) <= set(present.names)):
                continue
            names = names if follow_names else present.names
        made.append(await _replace(work, purpose, names))
    return made


async def renew(work: Transaction) -> list[CertificateView]:
    """Issue new certificates to gateway and panel under the authority that issues: clients notice nothing.

    Raises:
        Invalid: both are from outside authorities.
    """
    renewed = []
    for purpose in records.OWN:
        present = await repository.in_use(work.session, purpose)
        if present is None or await _is_ours(work, present):
            renewed.append(await _replace(work, purpose, await own_names(work, purpose)))
    if not renewed:
        raise Invalid(
            "the certificates of gateway and panel are from outside authorities, which renew them",
            remedy="coati certificate csr, and import the answer; or coati certificate issue --purpose gateway",
        )
    return renewed


async def panel_credentials(work: Transaction) -> tuple[bytes, Secret]:
    """Give the panel's certificate with its chain and its private key, both in PEM, to whoever serves TLS.

    Raises:
        NotFound: there is none.
    """
    row = await find(work, CertificatePurpose.PANEL)
    pem = records.open_key(work, row).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    between = [one for one in await records.chain_above(work, row) if not issuing.is_self_issued(one)]
    return files.pem([records.load(row), *between]).encode(), Secret(pem)


async def client_trust(work: Transaction) -> str:
    """Give what clients must trust, in PEM: the root above the gateway's certificate.

    Raises:
        NotFound: there is no gateway certificate yet.
    """
    above = await records.chain_above(work, await find(work, CertificatePurpose.GATEWAY))
    if not above:
        raise NotFound("the authority of the gateway's certificate is not here", remedy="coati ca import")
    return files.pem(above[-1:])


async def signing_credentials(work: Transaction) -> tuple[x509.Certificate, issuing.SigningKey, list[x509.Certificate]]:
    """Give what files for clients are signed with: the panel's certificate, its key, and the chain above it.

    It is the one that a public authority may have issued, so that systems know it before they know our own.

    Raises:
        NotFound: there is none.
    """
    row = await find(work, CertificatePurpose.PANEL)
    return records.load(row), records.open_key(work, row), await records.chain_above(work, row)


# ---- all ---------------------------------------------------------------------------------------------


async def page(
    work: Transaction, wanted: CertificateFilter = CertificateFilter(), paging: Paging = EVERYTHING
) -> Page[CertificateView]:
    """List certificates, those in use first."""
    rows, total = await repository.page(work.session, wanted, paging, now())
    names = await records.authority_names(work)
    return Page(items=[await records.view(work, row, names) for row in rows], total=total)


async def show(work: Transaction, which: CertificatePurpose | int | str) -> CertificateView:
    """Show one certificate.

    Raises:
        NotFound: there is none.
    """
    return await records.view(work, await find(work, which))


async def find(work: Transaction, which: CertificatePurpose | int | str) -> Certificate:
    """Give the row of a certificate, by its number or by what it serves.

    Raises:
        NotFound: there is none.
    """
    text = str(which)
    if text.isdecimal():
        row = await repository.find(work.session, int(text)) if int(text) < 2**63 else None
        if row is None:
            raise NotFound(f"there is no certificate {text}", remedy="coati certificate list shows them")
        return row
    if text not in (*records.OWN, CertificatePurpose.AUTHORITY):
        raise NotFound(f"{text!r} is no certificate", remedy="give its number, or one of gateway, panel and authority")
    row = await repository.in_use(work.session, CertificatePurpose(text))
    if row is None:
        raise NotFound(f"there is no {text} certificate yet; the first start of coati serve makes it")
    return row


async def issue(work: Transaction, new: NewCertificate) -> CertificateView:
    """Issue a certificate; one for gateway or panel takes the place of the present one.

    Raises:
        Invalid: what is asked for does not fit its purpose.
        NotFound: there is no such authority.
    """
    names: tuple[str, ...]
    if new.purpose in records.OWN:
        names = new.names or await own_names(work, new.purpose)
        key = new.key if "key" in new.model_fields_set else _OWN_KEYS[new.purpose]
        return await _replace(work, new.purpose, names, key=key, days=new.days, authority=new.authority)
    if new.purpose is CertificatePurpose.AUTHORITY:
        raise Invalid("authorities are made by coati ca create", field="purpose")
    owner = ""
    if new.purpose is CertificatePurpose.USER:
        owner = records.owner_name(new.owner)
        names = tuple(dict.fromkeys((owner, *new.names)))
        if wrong := next((name for name in new.names if "@" not in name), None):
            raise Invalid(f"{wrong!r} is not a mail address", field="names", remedy="the login name is in it anyway")
    else:
        names = tuple(dict.fromkeys(new.names))
        if not names:
            raise Invalid("a server's certificate needs a name", field="names")
    return await _issue(work, new.purpose, names, key=new.key, days=new.days, authority=new.authority, owner=owner)


async def renew_one(work: Transaction, which: CertificatePurpose | int | str) -> CertificateView:
    """Issue a certificate like this one, with a new key and a new span of life, and retire this one.

    Raises:
        Invalid: an outside authority issued it, or it is an authority's, or it was revoked or retired.
        NotFound: there is none.
    """
    row = await find(work, which)
    if row.purpose is CertificatePurpose.AUTHORITY:
        raise Invalid("an authority is renewed by coati ca renew NAME")
    if not await _is_ours(work, row):
        raise Invalid(
            f"an outside authority issued {row.subject}", remedy="coati certificate csr, and import the answer"
        )
    if records.state(row) in (CertificateState.REVOKED, CertificateState.RETIRED):
        raise Invalid(f"{row.subject} is {records.state(row).value}", remedy="issue a new one")
    certificate = records.load(row)
    days = max(1, (row.not_after - row.not_before).days - 1)
    key = next(
        (kind for kind in KeyKind if kind.value == issuing.key_words(certificate.public_key())), KeyKind.RSA_2048
    )
    if row.purpose in records.OWN:
        return await _replace(work, row.purpose, row.names, key=_OWN_KEYS[row.purpose])
    renewed = await _issue(work, row.purpose, row.names, key=key, days=days, owner=row.owner)
    row.retired_at = now()
    await work.session.flush()
    return renewed


async def revoke(work: Transaction, which: CertificatePurpose | int | str, wanted: Revocation) -> CertificateView:
    """Take trust away from a certificate: the gateway refuses it at once, the CRL says so to everybody else.

    The appliance's own certificate is replaced first.

    Raises:
        Invalid: it is an authority's.
        NotFound: there is none.
    """
    row = await find(work, which)
    if row.purpose is CertificatePurpose.AUTHORITY:
        raise Invalid("an authority is not revoked but removed", remedy="coati ca remove")
    before = await records.view(work, row)
    work.expect(before)
    if row.revoked_at is not None:
        return before
    if row.purpose in records.OWN and row.retired_at is None:
        await _replace(work, row.purpose, row.names)
    return await _revoke(work, row, before, wanted.reason)


async def revoke_of_user(work: Transaction, login: str) -> None:
    """Take trust away from the certificates of a local user who is removed: the name may be somebody else's next."""
    for row in await repository.good_of_user(work.session, login, now()):
        await _revoke(work, row, await records.view(work, row), RevocationReason.CESSATION_OF_OPERATION)


async def _revoke(
    work: Transaction, row: Certificate, before: CertificateView, reason: RevocationReason
) -> CertificateView:
    row.revoked_at = now()
    row.revocation_reason = reason
    row.retired_at = row.retired_at or row.revoked_at
    await work.session.flush()
    if row.authority_id is not None:
        names = await records.authority_names(work)
        await authorities.publish_crl(work, names[row.authority_id])
    after = await records.view(work, row)
    audit.record(work, "certificate.revoke", after.subject, before=before, after=after)
    return after


async def own_names(work: Transaction, purpose: CertificatePurpose) -> tuple[str, ...]:
    """Give the names that gateway or panel are known by."""
    networks = [network for pool in await pools.all_pools(work.session) for network in pool.networks]
    return records.OWN[purpose](work.installation.settings, networks)


async def _names_of_all(work: Transaction, purpose: CertificatePurpose, present: Sequence[str]) -> tuple[str, ...]:
    """Note what this machine is known by; give the names of all gateways that were here lately.

    Host names come first, since clients are told the first; otherwise those that the present certificate has keep
    their places.
    """
    own = await own_names(work, purpose)
    await repository.note_names(work.session, work.installation.settings.node_name, purpose, own, now())
    others = await repository.names_of_nodes(work.session, purpose, now() - _NODE_GONE)
    wanted = {*own, *others}
    ordered = [name for name in dict.fromkeys((*present, *own, *others)) if name in wanted]
    return tuple(sorted(ordered, key=_is_address))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


async def _is_ours(work: Transaction, row: Certificate) -> bool:
    """Whether one of our own authorities issued it."""
    if row.authority_id is None:
        return False
    above = await repository.certificate_of(work.session, row.authority_id)
    return above is not None and above.private_key is not None


async def _replace(
    work: Transaction,
    purpose: CertificatePurpose,
    names: Sequence[str],
    *,
    key: KeyKind | None = None,
    days: int = issuing.LEAF_DAYS,
    authority: str | None = None,
) -> CertificateView:
    before = await repository.in_use(work.session, purpose)
    key = key or _OWN_KEYS[purpose]
    view = await _issue(work, purpose, names, key=key, days=days, authority=authority)
    if before is not None:
        before.retired_at = now()
        await work.session.flush()
    return view


async def _issue(
    work: Transaction,
    purpose: CertificatePurpose,
    names: Sequence[str],
    *,
    key: KeyKind,
    days: int = issuing.LEAF_DAYS,
    authority: str | None = None,
    owner: str = "",
) -> CertificateView:
    if purpose in _SPEAKS_IKE and key is KeyKind.ECDSA_P256:
        raise Invalid("IKEv1's methods sign with RSA", field="key", remedy="take rsa-2048 or rsa-3072")
    row = await (authorities.ensure_issuer(work) if authority is None else authorities.find(work, authority))
    above = await records.certificate_of(work, row)
    in_the_clear = bool(authorities.issuer_url(work, row))
    try:
        issued = await asyncio.to_thread(
            issuing.issue,
            purpose,
            records.load(above),
            records.open_key(work, above),
            names,
            now(),
            kind=key,
            days=days,
            # Who checks our own certificates has no TLS yet that it believes.
            crl_url=authorities.crl_url(work, row) if purpose not in records.OWN or in_the_clear else "",
            # quirk: vpnc 0.5.3: the gateway's certificate must be small (``issuing``); clients have its root anyway.
            issuer_url="" if purpose is CertificatePurpose.GATEWAY else authorities.issuer_url(work, row),
        )
    except ValueError as error:
        raise Invalid(str(error), field="names") from None
    return await records.keep(
        work,
        purpose,
        issued.certificate,
        key=issued.private_key,
        names=names,
        authority_id=row.id,
        owner=owner,
    )

"""Certificates as files: handed out with their chain and key, taken in from elsewhere."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from appliance.audit import service as audit
from appliance.certificates import authorities, files, issuing, records, repository, service
from appliance.certificates.files import FileFormat
from appliance.certificates.schemas import CertificateExport, CertificateImport, CertificateView
from appliance.errors import Invalid
from appliance.installation import Transaction
from appliance.models import CertificatePurpose
from appliance.models.columns import now
from ike_engine.crypto.certificates import matches_name
from ike_engine.secret import Secret

_MEDIA_TYPES: Final = {
    FileFormat.PEM: ("pem", "application/x-pem-file"),
    FileFormat.DER: ("cer", "application/pkix-cert"),
    FileFormat.PKCS12: ("p12", "application/x-pkcs12"),
    FileFormat.PKCS12_AES: ("p12", "application/x-pkcs12"),
}
MEDIA_TYPES: Final = tuple(dict.fromkeys(media_type for _, media_type in _MEDIA_TYPES.values()))
"""What an exported certificate may be."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A file to be handed out."""

    name: str
    media_type: str
    content: Secret = field(repr=False)


async def export(work: Transaction, which: CertificatePurpose | int | str, wanted: CertificateExport) -> Exported:
    """Give a certificate as a file, with its chain; a private key leaves encrypted only, and is written down.

    Raises:
        Invalid: the private key is asked for and is not here, or there is no passphrase to encrypt it under.
        NotFound: there is none.
    """
    row = await service.find(work, which)
    with_key = wanted.with_key and wanted.format is not FileFormat.DER
    if with_key and row.private_key is None:
        raise Invalid(f"the private key of {row.subject} is not here", remedy="export the certificate without it")
    if with_key and wanted.passphrase is None:
        raise Invalid("a private key leaves encrypted only: a passphrase is needed", field="passphrase")
    if wanted.format in (FileFormat.PKCS12, FileFormat.PKCS12_AES) and wanted.passphrase is None:
        raise Invalid("a PKCS#12 file needs a passphrase", field="passphrase")
    passphrase = wanted.passphrase.get_secret_value() if wanted.passphrase is not None else ""
    name = row.owner or (row.names[0] if row.names else issuing.common_name(records.load(row)) or f"{row.id}")
    content = await asyncio.to_thread(
        files.write,
        wanted.format,
        records.load(row),
        await records.chain_above(work, row),
        records.open_key(work, row) if with_key else None,
        name=name,
        passphrase=passphrase,
    )
    if with_key:
        audit.record(work, "certificate.export-key", row.subject, after=await records.view(work, row))
    ending, media_type = _MEDIA_TYPES[wanted.format]
    plain = "".join(character if character.isalnum() or character in "-._@" else "-" for character in name)
    return Exported(f"{plain}.{ending}", media_type, content)


async def import_(work: Transaction, wanted: CertificateImport) -> CertificateView:
    """Take in a certificate from elsewhere; one for gateway or panel takes the place of the present one.

    Raises:
        AlreadyExists: it is here already.
        Invalid: the file cannot be read, or the certificate's chain, key, names or dates do not fit.
    """
    bundle = await asyncio.to_thread(files.read, wanted.content, wanted.passphrase.get_secret_value())
    leaf, others = bundle.leaf_and_others()
    key = None if bundle.key is None else issuing.pkcs8(bundle.key)
    return await take_in(work, wanted.purpose, leaf, others, key, owner=wanted.owner)


async def take_in(
    work: Transaction,
    purpose: CertificatePurpose,
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    key: bytes | None,
    *,
    owner: str = "",
) -> CertificateView:
    """Check a certificate from elsewhere and keep it; a root that came with it becomes known here.

    Raises:
        AlreadyExists: it is here already.
        Invalid: its chain, key, names or dates do not fit.
    """
    if purpose is CertificatePurpose.AUTHORITY:
        raise Invalid("an authority is imported by coati ca import", field="purpose")
    if purpose in records.OWN and key is None:
        raise Invalid(f"the {purpose.value} needs the private key as well", field="content")
    if purpose is CertificatePurpose.GATEWAY and not issuing.key_words(leaf.public_key()).startswith("rsa"):
        raise Invalid("the gateway needs an RSA key: IKEv1's methods sign with RSA", field="content")
    authority, between = await records.find_issuer(work, leaf, others, purpose)
    names = issuing.names_of(leaf)
    if purpose in records.OWN:
        _check_public_name(work, purpose, leaf)
    if purpose is CertificatePurpose.USER:
        owner = records.owner_name(owner or issuing.common_name(leaf))
        names = tuple(dict.fromkeys((owner, *names)))
    if authority is None:
        top = between[-1] if between else leaf
        root = next(one for one in others if issuing.is_self_issued(one) and records.is_issued_by(top, one))
        authority = await authorities.adopt(work, root)
    before = await repository.in_use(work.session, purpose) if purpose in records.OWN else None
    view = await records.keep(
        work,
        purpose,
        leaf,
        key=key,
        names=names,
        authority_id=authority.id,
        owner=owner,
        chain=between,
        deed="certificate.import",
    )
    if before is not None:
        before.retired_at = now()
        await work.session.flush()
    return view


def _check_public_name(work: Transaction, purpose: CertificatePurpose, leaf: x509.Certificate) -> None:
    wanted = work.installation.settings.public_name
    wildcard = f"*.{wanted.partition('.')[2]}"
    if not wanted or matches_name(leaf, wanted):
        return
    if purpose is CertificatePurpose.PANEL and wildcard in issuing.names_of(leaf):
        return
    raise Invalid(
        f"the certificate is not for {wanted}, the public name of this gateway, but for "
        f"{', '.join(issuing.names_of(leaf)) or 'no name at all'}",
        field="content",
        remedy="ask the authority for one with that name, or change COATI_PUBLIC_NAME",
    )

"""Rows of certificates: how they are written, read back, shown and chained; what the services here share."""

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.audit import service as audit
from appliance.certificates import files, issuing, repository
from appliance.certificates.issuing import SigningKey
from appliance.certificates.local_names import gateway_names, panel_names
from appliance.certificates.schemas import CertificateState, CertificateView
from appliance.errors import AlreadyExists, Invalid, NotFound
from appliance.installation import Transaction
from appliance.master_key import Unsealable
from appliance.models import Authority, Certificate, CertificatePurpose
from appliance.models.columns import now
from appliance.users.schemas import login_name
from ike_engine.crypto.certificates import Purpose, validate
from ike_engine.errors import InvalidCertificate

KEY_PURPOSE: Final = "certificates.private_key"
OWN: Final = {CertificatePurpose.GATEWAY: gateway_names, CertificatePurpose.PANEL: panel_names}
"""What this appliance has certificates of its own for, and what gives the names that they carry."""


def owner_name(text: str) -> str:
    """Give the login name that a certificate is for.

    Raises:
        Invalid: nobody can be called so.
    """
    try:
        return login_name(text)
    except ValueError as error:
        raise Invalid(str(error), field="owner") from None


async def keep(
    work: Transaction,
    purpose: CertificatePurpose,
    certificate: x509.Certificate,
    *,
    key: bytes | None,
    names: Sequence[str],
    authority_id: int | None,
    owner: str = "",
    chain: Sequence[x509.Certificate] = (),
    deed: str = "certificate.issue",
) -> CertificateView:
    """Write down a certificate.

    Args:
        work: The transaction.
        purpose: What it is for.
        certificate: It.
        key: PKCS#8 DER of its private key, if we have it.
        names: What it stands for, as it was asked for.
        authority_id: Who issued it.
        owner: Login name of the user it is for.
        chain: Intermediates above it.
        deed: For the audit log.

    Raises:
        AlreadyExists: it is here already.
    """
    fingerprint = compact_fingerprint(certificate)
    if await repository.by_fingerprint(work.session, fingerprint) is not None:
        raise AlreadyExists(f"the certificate {certificate.subject.rfc4514_string()} is here already", field="content")
    row = Certificate(
        purpose=purpose,
        subject=certificate.subject.rfc4514_string(),
        serial_number=issuing.serial_number(certificate),
        fingerprint=fingerprint,
        names=tuple(names),
        owner=owner,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        certificate=certificate.public_bytes(Encoding.DER),
        chain=files.pem(chain),
        private_key=None if key is None else work.installation.master_key.seal(key, KEY_PURPOSE),
        authority_id=authority_id,
    )
    work.session.add(row)
    await work.session.flush()
    shown = await view(work, row)
    audit.record(work, deed, shown.subject, after=shown)
    return shown


async def view(work: Transaction, row: Certificate, names: dict[int, str] | None = None) -> CertificateView:
    """Show a certificate.

    Args:
        work: The transaction.
        row: It.
        names: Names of the authorities by key, when the caller shows many.
    """
    if names is None:
        names = await authority_names(work)
    certificate = load(row)
    return CertificateView(
        id=row.id,
        purpose=row.purpose,
        state=state(row),
        subject=row.subject,
        issuer=certificate.issuer.rfc4514_string(),
        serial_number=row.serial_number,
        fingerprint=issuing.fingerprint(certificate),
        key=issuing.key_words(certificate.public_key()),
        names=row.names,
        owner=row.owner,
        authority=names.get(row.authority_id) if row.authority_id is not None else None,
        has_private_key=row.private_key is not None,
        not_before=row.not_before,
        not_after=row.not_after,
        retired_at=row.retired_at,
        revoked_at=row.revoked_at,
        revocation_reason=row.revocation_reason,
        pem=certificate.public_bytes(Encoding.PEM).decode(),
    )


def state(row: Certificate) -> CertificateState:
    """Tell whether a certificate is good."""
    if row.revoked_at is not None:
        return CertificateState.REVOKED
    if row.not_after <= now():
        return CertificateState.EXPIRED
    return CertificateState.GOOD if row.retired_at is None else CertificateState.RETIRED


async def authority_names(work: Transaction) -> dict[int, str]:
    """Give the names of all authorities by key."""
    return {row.id: row.name for row in await repository.all_authorities(work.session)}


def load(row: Certificate) -> x509.Certificate:
    """Give the certificate of a row."""
    return x509.load_der_x509_certificate(row.certificate)


def compact_fingerprint(certificate: x509.Certificate) -> str:
    """Give the fingerprint as the table has it."""
    return issuing.fingerprint(certificate).replace(":", "")


def open_key(work: Transaction, row: Certificate) -> SigningKey:
    """Give a certificate's private key.

    Raises:
        Invalid: we have none.
    """
    if row.private_key is None:
        raise Invalid(f"the private key of {row.subject} is not here")
    return files.open_key(work.installation.master_key.open(row.private_key, KEY_PURPOSE))


async def expect_master_key(work: Transaction) -> None:
    """Make sure that our master key is the one that the database's secrets were sealed under.

    Raises:
        Invalid: it is another one.
    """
    row = await repository.any_with_private_key(work.session)
    if row is None or row.private_key is None:
        return
    try:
        work.installation.master_key.open(row.private_key, KEY_PURPOSE)
    except Unsealable:
        file = work.installation.settings.master_key_file
        raise Invalid(
            f"{file} does not open what is in the database",
            remedy=f"copy master.key from another gateway of this database to {file}, or from the backup",
        ) from None


async def certificate_of(work: Transaction, authority: Authority) -> Certificate:
    """Give an authority's present certificate.

    Raises:
        NotFound: it has none.
    """
    row = await repository.certificate_of(work.session, authority.id)
    if row is None:
        raise NotFound(f"the authority {authority.name} has no certificate")
    return row


async def chain_above(work: Transaction, row: Certificate) -> list[x509.Certificate]:
    """Give the certificates between a certificate and its root, the root last; without what is not here."""
    found = files.from_pem(row.chain)
    if row.authority_id is None or issuing.is_self_issued(load(row)):
        return found
    above = await repository.certificate_of(work.session, row.authority_id)
    while above is not None and above.id != row.id:
        certificate = load(above)
        if certificate not in found:
            found.append(certificate)
        found += [one for one in files.from_pem(above.chain) if one not in found]
        top = found[-1]
        if issuing.is_self_issued(top):
            break
        above = await _issuer_of(work, top)
    return found


async def _issuer_of(work: Transaction, certificate: x509.Certificate) -> Certificate | None:
    for authority in await repository.all_authorities(work.session):
        row = await repository.certificate_of(work.session, authority.id)
        if row is not None and is_issued_by(certificate, load(row)):
            return row
    return None


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether ``authority`` signed ``certificate``."""
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001  a key of another kind, a wrong signature, another name: all mean no
        return False
    return True


async def find_issuer(
    work: Transaction, leaf: x509.Certificate, others: Sequence[x509.Certificate], purpose: CertificatePurpose
) -> tuple[Authority | None, list[x509.Certificate]]:
    """Check the chain of a certificate from elsewhere.

    Returns:
        The authority here that it hangs on (``None``: it hangs on a root that came with it), and the intermediates
        that lead there.

    Raises:
        Invalid: it does not hang together, is not good now, or is not for this purpose.
    """
    authorities = list(await repository.all_authorities(work.session))
    known = [(each, load(await certificate_of(work, each))) for each in authorities]
    roots = [one for one in others if issuing.is_self_issued(one) and issuing.is_authority(one)]
    anchors = [one.public_bytes(Encoding.DER) for one in (*(certificate for _, certificate in known), *roots)]
    between = [one for one in others if one not in roots and issuing.is_authority(one)]
    try:
        validate(
            [one.public_bytes(Encoding.DER) for one in (leaf, *between)],
            anchors,
            at=now(),
            identification=None,
            purpose=Purpose.CLIENT if purpose is CertificatePurpose.USER else Purpose.GATEWAY,
        )
    except InvalidCertificate as error:
        raise Invalid(
            str(error),
            field="content",
            remedy="put the intermediates and the root into the file, or import its authority first: coati ca import",
        ) from None
    current, used = leaf, list[x509.Certificate]()
    while True:
        for authority, certificate in known:
            if is_issued_by(current, certificate):
                return authority, used
        above = next((one for one in between if one not in used and is_issued_by(current, one)), None)
        if above is None:
            return None, used
        used.append(above)
        current = above

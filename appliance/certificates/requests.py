"""Requests to outside authorities (PKCS#10), and their answers."""

import asyncio

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.audit import service as audit
from appliance.certificates import files, issuing, records, repository, service, transfers
from appliance.certificates.issuing import KeyKind
from appliance.certificates.schemas import CertificateView, NewRequest, RequestAnswer, RequestView
from appliance.errors import Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import CertificatePurpose, CertificateRequest
from appliance.schema import EVERYTHING, Page, Paging

_ASKED_FOR = (CertificatePurpose.GATEWAY, CertificatePurpose.PANEL)


async def page(work: Transaction, paging: Paging = EVERYTHING) -> Page[RequestView]:
    """List the requests that wait for an answer."""
    rows = await repository.all_requests(work.session)
    return Page.cut([_view(row) for row in rows], paging)


async def show(work: Transaction, request_id: int) -> RequestView:
    """Show one request.

    Raises:
        NotFound: there is no such request.
    """
    return _view(await _find(work, request_id))


async def make(work: Transaction, new: NewRequest) -> RequestView:
    """Make a key and a request for a certificate of the gateway or the panel; the key never leaves.

    Raises:
        Invalid: it is for neither of them, the gateway's key is not RSA, or a name cannot be one.
    """
    if new.purpose not in _ASKED_FOR:
        raise Invalid("requests are for gateway and panel; others keep their own keys", field="purpose")
    if new.purpose is CertificatePurpose.GATEWAY and new.key is KeyKind.ECDSA_P256:
        raise Invalid("IKEv1's methods sign with RSA", field="key", remedy="take rsa-2048 or rsa-3072")
    names = tuple(dict.fromkeys(new.names)) or await service.own_names(work, new.purpose)
    key = await asyncio.to_thread(new.key.generate)
    try:
        subject = issuing.subject_name(names[0], new.organisation, new.country)
        request = issuing.request(new.purpose, subject, names, key)
    except ValueError as error:
        raise Invalid(str(error), field="names") from None
    row = CertificateRequest(
        purpose=new.purpose,
        subject=subject.rfc4514_string(),
        names=names,
        request=request.public_bytes(Encoding.DER),
        private_key=work.installation.master_key.seal(issuing.pkcs8(key), records.KEY_PURPOSE),
    )
    work.session.add(row)
    await work.session.flush()
    view = _view(row)
    audit.record(work, "certificate-request.make", row.subject, after=view)
    return view


async def answer(work: Transaction, request_id: int, answered: RequestAnswer) -> CertificateView:
    """Take in what the authority gave: its key, chain, dates and names are checked, then it is used at once.

    Raises:
        Invalid: it is not the answer to this request, or not to be believed.
        NotFound: there is no such request.
    """
    row = await _find(work, request_id)
    bundle = await asyncio.to_thread(files.read, answered.content)
    asked = x509.load_der_x509_csr(row.request)
    leaf = next((one for one in bundle.certificates if _same_key(one, asked)), None)
    if leaf is None:
        raise Invalid("none of the certificates in it is for the key of this request", field="content")
    if missing := sorted(set(row.names) - set(issuing.names_of(leaf))):
        raise Invalid(
            f"the certificate lacks {', '.join(missing)}, which the request asked for",
            field="content",
            remedy="ask the authority again, or make a request without that name",
        )
    others = [one for one in bundle.certificates if one is not leaf]
    key = work.installation.master_key.open(row.private_key, records.KEY_PURPOSE)
    taken = await transfers.take_in(work, row.purpose, leaf, others, key)
    audit.record(work, "certificate-request.answer", row.subject, before=_view(row), after=taken)
    await work.session.delete(row)
    return taken


async def remove(work: Transaction, request_id: int) -> None:
    """Forget a request and its key.

    Raises:
        NotFound: there is no such request.
    """
    row = await _find(work, request_id)
    before = _view(row)
    work.expect(before)
    audit.record(work, "certificate-request.remove", row.subject, before=before)
    await work.session.delete(row)


def _same_key(certificate: x509.Certificate, request: x509.CertificateSigningRequest) -> bool:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == request.public_key().public_bytes(*form)


async def _find(work: Transaction, request_id: int) -> CertificateRequest:
    row = await repository.find_request(work.session, request_id)
    if row is None:
        raise NotFound(f"there is no request {request_id}", remedy="coati certificate csr --list shows them")
    return row


def _view(row: CertificateRequest) -> RequestView:
    pem = x509.load_der_x509_csr(row.request).public_bytes(Encoding.PEM).decode()
    return RequestView(
        id=row.id, purpose=row.purpose, subject=row.subject, names=row.names, created_at=row.created_at, pem=pem
    )

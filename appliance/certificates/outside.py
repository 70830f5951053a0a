"""Asking outside authorities whether a certificate was revoked: CRLs (RFC 5280 section 5) and OCSP (RFC 6960).

Whatever waits for the network runs in threads of its own with a deadline; what was learned is kept as long as its
authority says (within bounds), and so is, for a minute, that nobody answered. All who ask for the same thing at once
wait for one answer.
"""

from __future__ import annotations

import asyncio
import enum
import http.client
import urllib.error
import urllib.request
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from appliance.models.columns import now as utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

logger = structlog.get_logger(__name__)

DEADLINE_SECONDS: Final = 5.0  # clients give a login up after about 14 s
_READ_SECONDS: Final = 4.0
_LARGEST_CRL_OCTETS: Final = 32_000_000
_LARGEST_OCSP_OCTETS: Final = 100_000
_AT_ONCE: Final = 4
_MOST_ANSWERS: Final = 20_000
_LONGEST: Final = timedelta(hours=6)
_SHORTEST: Final = timedelta(minutes=1)
_SILENCE: Final = timedelta(minutes=1)
_SLOW_CLOCKS: Final = timedelta(minutes=5)

# What cryptography and our own reading raise on octets that are not what they should be.
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound)


class Status(enum.Enum):
    """What is known of a certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out, and why or why not in words."""

    status: Status
    words: str = ""


class Silent(Exception):
    """Nobody told, in words."""


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    until: datetime
    value: T | None
    silence: str = ""


def fetch(url: str, body: bytes | None, media_type: str, most: int) -> bytes:
    """Get (or, with a body, post to) a URL; blocks for some seconds at most.

    Raises:
        Silent: there is no answer, or it is too large.
    """
    # Nothing but HTTP: the URL may come from a certificate. No proxies, no files, no cookies.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    headers = {"Content-Type": media_type} if body is not None else {}
    try:
        request = urllib.request.Request(url, body, headers)  # noqa: S310  the opener knows HTTP only
        with opener.open(request, timeout=_READ_SECONDS) as answer:
            octets: bytes = answer.read(most + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise Silent(f"{url}: {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Silent(f"{url}: {getattr(error, 'reason', None) or error}") from error
    if len(octets) > most:
        raise Silent(f"{url}: the answer has more than {most} octets")
    return octets


class RevocationService:
    """Finds out, and remembers.

    Args:
        get: Fetches; runs in a thread.
        wall_clock: Aware time.
        deadline_seconds: After so long an answer is missing.
    """

    def __init__(
        self,
        get: Callable[[str, bytes | None, str, int], bytes] = fetch,
        *,
        wall_clock: Callable[[], datetime] = utc_now,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._get = get
        self._wall_clock = wall_clock
        self._deadline_seconds = deadline_seconds
        self._threads = ThreadPoolExecutor(_AT_ONCE, "revocation")
        self._kept: OrderedDict[object, _Kept[object]] = OrderedDict()
        self._running: dict[object, asyncio.Task[object]] = {}

    async def ask(
        self, certificate: x509.Certificate, issuer: x509.Certificate, *, crl_url: str = "", ocsp_url: str = ""
    ) -> Finding:
        """Tell whether a certificate was revoked. OCSP is asked first: it knows of the last minutes.

        Args:
            certificate: Of a client.
            issuer: The authority that issued it.
            crl_url: Where the CRL is; empty: where the certificate says.
            ocsp_url: Where the responder is; empty: where the certificate says.
        """
        silent: list[str] = []
        for url in [ocsp_url] if ocsp_url else _responders(certificate):
            finding = await self._try(
                ("ocsp", url, issuer.public_bytes(Encoding.DER), certificate.serial_number),
                lambda url=url: self._ask_responder(url, certificate, issuer),  # type: ignore[misc]
                silent,
            )
            if isinstance(finding, Finding):
                return finding
        for url in [crl_url] if crl_url else _distribution_points(certificate):
            crl = await self._try(
                ("crl", url, issuer.public_bytes(Encoding.DER)),
                lambda url=url: self._get_crl(url, issuer),  # type: ignore[misc]
                silent,
            )
            if isinstance(crl, x509.CertificateRevocationList):
                finding, gap = _look_up(crl, certificate), _gap(crl, certificate)
                if finding.status is Status.REVOKED or not gap:
                    return finding
                silent.append(f"{url}: {gap}")
        return Finding(
            Status.UNKNOWN, "; ".join(silent) or "neither the certificate nor its authority says where to ask"
        )

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _try(self, key: object, find: Callable[[], tuple[object, datetime | None]], silent: list[str]) -> object:
        kept = self._kept.get(key)
        if kept is not None and kept.until > self._wall_clock():
            if kept.silence:
                silent.append(kept.silence)
            return kept.value
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.create_task(self._find(key, find))
        try:
            # Who gives a login up must not take the answer away from those who wait for the same.
            return await asyncio.shield(running)
        except Silent as failure:
            silent.append(str(failure))
            return None

    async def _find(self, key: object, find: Callable[[], tuple[object, datetime | None]]) -> object:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline_seconds):
                value, until = await loop.run_in_executor(self._threads, find)
        except TimeoutError:
            self._keep(key, _Kept(self._wall_clock() + _SILENCE, None, "no answer in time"))
            raise Silent("no answer in time") from None
        except Silent as failure:
            logger.warning("an authority does not tell of revocations", why=str(failure))
            self._keep(key, _Kept(self._wall_clock() + _SILENCE, None, str(failure)))
            raise
        finally:
            del self._running[key]
        at = self._wall_clock()
        self._keep(key, _Kept(min(max(until or at, at + _SHORTEST), at + _LONGEST), value))
        return value

    def _keep(self, key: object, kept: _Kept[object]) -> None:
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_ANSWERS:
            self._kept.popitem(last=False)

    # ---- in threads ----------------------------------------------------------------------------------

    def _get_crl(self, url: str, issuer: x509.Certificate) -> tuple[x509.CertificateRevocationList, datetime | None]:
        octets = self._get(url, None, "", _LARGEST_CRL_OCTETS)
        try:
            load = x509.load_pem_x509_crl if octets.lstrip().startswith(b"-----BEGIN") else x509.load_der_x509_crl
            crl = load(octets)
            key = issuer.public_key()
            if crl.issuer != issuer.subject or not crl.is_signature_valid(key):  # type: ignore[arg-type]
                raise Silent(f"{url}: the CRL is not signed by {issuer.subject.rfc4514_string()}")
        except _UNREADABLE as error:
            raise Silent(f"{url}: not a CRL ({error})") from error
        if crl.next_update_utc is not None and crl.next_update_utc <= self._wall_clock():
            raise Silent(f"{url}: the CRL has run out on {crl.next_update_utc:%Y-%m-%d %H:%M} UTC")
        return crl, crl.next_update_utc

    def _ask_responder(
        self, url: str, certificate: x509.Certificate, issuer: x509.Certificate
    ) -> tuple[Finding, datetime | None]:
        # SHA-1 names the issuer here and proves nothing: what every responder knows (RFC 5019 section 2.1.1).
        question = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1()).build()  # noqa: S303
        octets = self._get(url, question.public_bytes(Encoding.DER), "application/ocsp-request", _LARGEST_OCSP_OCTETS)
        try:
            answer = ocsp.load_der_ocsp_response(octets)
            if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                raise Silent(f"{url}: the responder says {answer.response_status.name.lower().replace('_', ' ')}")
            return self._read_answer(url, answer, question, issuer)
        except _UNREADABLE as error:
            raise Silent(f"{url}: not an OCSP answer ({error})") from error

    def _read_answer(
        self, url: str, answer: ocsp.OCSPResponse, question: ocsp.OCSPRequest, issuer: x509.Certificate
    ) -> tuple[Finding, datetime | None]:
        at = self._wall_clock()
        if answer.serial_number != question.serial_number or answer.issuer_key_hash != question.issuer_key_hash:
            raise Silent(f"{url}: the answer is about another certificate")
        if not _signed(answer, issuer, at):
            raise Silent(f"{url}: the answer is not signed by {issuer.subject.rfc4514_string()}")
        until = answer.next_update_utc
        if answer.this_update_utc > at + _SLOW_CLOCKS or (until is not None and until + _SLOW_CLOCKS <= at):
            raise Silent(f"{url}: the answer is out of date")
        match answer.certificate_status:
            case ocsp.OCSPCertStatus.GOOD:
                return Finding(Status.GOOD), until
            case ocsp.OCSPCertStatus.REVOKED:
                when = answer.revocation_time_utc
                return Finding(Status.REVOKED, _words(when, answer.revocation_reason)), until
        raise Silent(f"{url}: the responder does not know the certificate")


def _signed(answer: ocsp.OCSPResponse, issuer: x509.Certificate, at: datetime) -> bool:
    """RFC 6960 section 4.2.2.2: by the authority, or by whom it issued a certificate for just that."""
    return any(_verifies(answer, signer) for signer in (issuer, *_delegates(answer.certificates, issuer, at)))


def _delegates(
    certificates: Iterable[x509.Certificate], issuer: x509.Certificate, at: datetime
) -> Iterable[x509.Certificate]:
    for one in certificates:
        try:
            one.verify_directly_issued_by(issuer)
            uses = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (*_UNREADABLE, InvalidSignature):
            continue
        if ExtendedKeyUsageOID.OCSP_SIGNING in uses and one.not_valid_before_utc <= at < one.not_valid_after_utc:
            yield one


def _verifies(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    algorithm = answer.signature_hash_algorithm
    key = signer.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _gap(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> str:
    """Say why a certificate may be revoked although it is not on this CRL; empty: all are (RFC 5280 section 6.3.3).

    The authority signs its partial CRLs with the same key, and over plain HTTP anybody can hand us the wrong one.
    """
    try:
        critical = [extension.value for extension in crl.extensions if extension.critical]
    except _UNREADABLE as error:
        return f"the CRL cannot be read ({error})"
    for extension in critical:
        if not isinstance(extension, x509.IssuingDistributionPoint):
            delta = isinstance(extension, x509.DeltaCRLIndicator)
            return "the CRL lists only what has changed" if delta else "the CRL is of a kind that is not known here"
        narrowed = (
            (extension.only_contains_ca_certs and not _is_authority(certificate))
            or (extension.only_contains_user_certs and _is_authority(certificate))
            or extension.only_contains_attribute_certs
            or extension.only_some_reasons
            or extension.indirect_crl
        )
        points = _distribution_points(certificate)
        if narrowed or (extension.full_name and points and not {*_http(extension.full_name)} & {*points}):
            return "the CRL is about other certificates"
    return ""


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except _UNREADABLE:
        return False


def _look_up(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> Finding:
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return Finding(Status.GOOD)
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except _UNREADABLE:
        reason = None
    if reason is x509.ReasonFlags.remove_from_crl:
        return Finding(Status.GOOD)
    return Finding(Status.REVOKED, _words(entry.revocation_date_utc, reason))


def _words(at: datetime | None, reason: x509.ReasonFlags | None) -> str:
    when = f"on {at:%Y-%m-%d %H:%M} UTC" if at is not None else ""
    return f"{when} ({reason.value})" if reason is not None else when


def _responders(certificate: x509.Certificate) -> list[str]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except _UNREADABLE:
        return []
    return _http(
        description.access_location
        for description in access
        if description.access_method == AuthorityInformationAccessOID.OCSP
    )


def _distribution_points(certificate: x509.Certificate) -> list[str]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except _UNREADABLE:
        return []
    return _http(name for point in points for name in point.full_name or ())


def _http(names: Iterable[x509.GeneralName]) -> list[str]:
    return [
        name.value
        for name in names
        if isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith(("http://", "https://"))
    ]

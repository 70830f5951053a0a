"""X.509 certificates as IKE uses them: chains, purposes, and the tie between an ID and a certificate.

The walk from leaf to authority (signatures, dates, basicConstraints, path lengths, name constraints, critical
extensions: RFC 5280 section 6) is done by ``cryptography.x509.verification`` with extension policies that suit
IKE instead of the web. What RFC 4945 adds for IKE is judged here on the verified leaf: key usage, extended key
usage, and the match of the ID payload, which a web verifier cannot express (USER_FQDN, DER_ASN1_DN).
"""

from __future__ import annotations

import contextlib
import enum
import ipaddress
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from ike_engine.crypto.signatures import MINIMUM_MODULUS_BITS
from ike_engine.errors import InvalidCertificate
from ike_engine.identities import Identification, IdType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

_IKE_USES: Final = {
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    ExtendedKeyUsageOID.IPSEC_IKE,  # RFC 4945 section 5.1.3.12
    x509.ObjectIdentifier("1.3.6.1.5.5.8.2.2"),  # iKEIntermediate, what Apple's and Microsoft's clients know
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5"),  # ipsecEndSystem, withdrawn by RFC 4945 but still issued
}

# What cryptography raises on certificates that are not as they should be, some of it only when a field is looked at.
_UNREADABLE: Final = (
    TypeError,
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class Purpose(enum.Enum):
    """What the owner of a certificate wants to be, with the extended key usages that allow it."""

    GATEWAY = frozenset(
        {*_IKE_USES, ExtendedKeyUsageOID.SERVER_AUTH, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.6")}  # ipsecTunnel
    )
    CLIENT = frozenset(
        {*_IKE_USES, ExtendedKeyUsageOID.CLIENT_AUTH, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.7")}  # ipsecUser
    )


def validate(
    chain: Sequence[bytes],
    anchors: Sequence[bytes],
    *,
    at: datetime,
    identification: Identification | None,
    purpose: Purpose,
) -> tuple[x509.Certificate, ...]:
    """Decide whether to believe a certificate.

    Args:
        chain: DER; the leaf first, then whatever else the peer sent, in any order.
        anchors: DER of the authorities that we trust; a leaf that is itself an anchor is trusted too.
        at: When, with its time zone.
        identification: What the peer's ID payload says and its certificate must confirm, or ``None``.
        purpose: What the peer is to us.

    Returns:
        The leaf, whatever leads from it to the authority that vouches, and that authority; the leaf alone if it is
        trusted itself.

    Raises:
        InvalidCertificate: it is not to be believed; the message says why.
    """
    if not chain:
        raise InvalidCertificate("no certificate was sent")
    leaf = _load(chain[0])
    # What else a peer sends is no more than an offer of links: one that cannot be read cannot be needed.
    intermediates = [certificate for der in chain[1:] if (certificate := _load_or_none(der)) is not None]
    store = [_load(der) for der in anchors]
    if not store:
        raise InvalidCertificate(
            f"no authority is trusted that could vouch for {_subject(leaf)}", remedy=_UNKNOWN_AUTHORITY[purpose]
        )
    verifier = (
        PolicyBuilder()
        .store(Store(store))
        .time(at)
        .extension_policies(ca_policy=_AUTHORITY, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        verified = verifier.verify(leaf, intermediates)
    except (VerificationError, *_UNREADABLE) as error:
        outlived = _outlived(leaf, intermediates, at)
        reason, remedy = (outlived, "") if outlived else (_why(leaf, intermediates, error), _UNKNOWN_AUTHORITY[purpose])
        raise InvalidCertificate(reason, remedy=remedy) from error
    try:
        _check_key(leaf)
        _check_use(leaf, purpose)
        if identification is not None:
            _check_identification(leaf, identification)
    except _UNREADABLE as error:
        raise InvalidCertificate(f"the certificate of {_subject(leaf)} cannot be read: {error}") from error
    return tuple(verified.chain)


def public_key(der: bytes) -> PublicKeyTypes:
    """The key in a certificate that nobody has validated yet.

    Raises:
        InvalidCertificate: there is none that can be read.
    """
    try:
        return _load(der).public_key()
    except _UNREADABLE as error:
        raise InvalidCertificate(f"the certificate's key cannot be read: {error}") from error


def matches_name(certificate: x509.Certificate, name: str) -> bool:
    """Whether ``name``, a host name or an IP address, is among the alternative names of a validated certificate.

    No wildcards and no common name: RFC 4945 section 3.1.2 and RFC 9525 section 6 agree on that.
    """
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name) in _alternatives(certificate).get_values_for_type(x509.IPAddress)
    wanted = name.rstrip(".").casefold()
    return any(
        wanted == dns.rstrip(".").casefold() for dns in _alternatives(certificate).get_values_for_type(x509.DNSName)
    )


# ---- the walk up to an authority ------------------------------------------------------------


def _authority_may_sign(policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    del policy
    if usage is not None and not usage.key_cert_sign:
        raise ValueError(f"{_subject(certificate)} may not sign certificates")
    _check_key(certificate)


_AUTHORITY: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _authority_may_sign)
)


_UNKNOWN_AUTHORITY: Final = {
    Purpose.CLIENT: "Import the authority that issued it, and let it vouch for clients.",
    Purpose.GATEWAY: "",
}
_NOBODY_ABOVE: Final = "with no interior errors"
"""How the library ends when it simply found no issuer."""


def _outlived(leaf: x509.Certificate, others: Iterable[x509.Certificate], at: datetime) -> str:
    """Say which certificate is not valid now; empty: none of them."""
    for certificate in (leaf, *others):
        if at < certificate.not_valid_before_utc:
            return f"the certificate of {_subject(certificate)} is valid from {certificate.not_valid_before_utc} only"
        if at > certificate.not_valid_after_utc:
            return f"the certificate of {_subject(certificate)} has expired at {certificate.not_valid_after_utc}"
    return ""


def _why(leaf: x509.Certificate, others: Iterable[x509.Certificate], error: Exception) -> str:
    reason = str(error).removeprefix("validation failed: ").partition(" (encountered processing")[0]
    if reason.endswith(_NOBODY_ABOVE):
        with contextlib.suppress(*_UNREADABLE):
            known = {each.subject for each in others}
            lost = next((each for each in (leaf, *others) if each.issuer not in known), leaf)
            issuer = Identification.distinguished_name(lost.issuer)
            reason = f"the certificate of {issuer}, who issued that of {_subject(lost)}, is not here"
    return f"the certificate of {_subject(leaf)} chains to no trusted authority: {reason}"


# ---- what IKE wants of a leaf ---------------------------------------------------------------


def _check_key(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if isinstance(key, RSAPublicKey) and key.key_size < MINIMUM_MODULUS_BITS:
        raise InvalidCertificate(
            f"the RSA key of {_subject(certificate)} has {key.key_size} bits; {MINIMUM_MODULUS_BITS} is the least"
        )


def _check_use(leaf: x509.Certificate, purpose: Purpose) -> None:
    usage = _extension(leaf, x509.KeyUsage)
    # RFC 4945 section 5.1.3.2: one of the two, if the extension is there at all.
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        raise InvalidCertificate(f"the key of {_subject(leaf)} is not for signatures (keyUsage)")
    uses = _extension(leaf, x509.ExtendedKeyUsage)
    if uses is not None and purpose.value.isdisjoint(uses):
        raise InvalidCertificate(f"the certificate of {_subject(leaf)} is not for a {purpose.name.lower()}")


def _check_identification(leaf: x509.Certificate, identification: Identification) -> None:
    try:
        matches = _matches(leaf, identification)
    except ValueError as error:
        raise InvalidCertificate(f"the identity {identification} is malformed: {error}") from error
    if not matches:
        raise InvalidCertificate(f"the certificate of {_subject(leaf)} does not confirm the identity {identification}")


def _matches(leaf: x509.Certificate, identification: Identification) -> bool:
    match identification.kind:
        case IdType.FQDN:
            return matches_name(leaf, identification.data.decode("ascii"))
        case IdType.IPV4_ADDR | IdType.IPV6_ADDR:
            return ipaddress.ip_address(identification.data) in _alternatives(leaf).get_values_for_type(x509.IPAddress)
        case IdType.USER_FQDN:
            wanted = _mailbox(identification.data.decode("ascii"))
            return any(
                wanted == _mailbox(address) for address in _alternatives(leaf).get_values_for_type(x509.RFC822Name)
            )
        case IdType.DER_ASN1_DN:
            return _comparable(x509.Name.from_bytes(identification.data)) == _comparable(leaf.subject)
        case kind:
            raise InvalidCertificate(f"an identity of type {kind} cannot be confirmed by a certificate")


def _mailbox(address: str) -> tuple[str, str]:
    """RFC 5280 section 7.5: the host part compares without case, the local part does not."""
    local, _, host = address.rpartition("@")
    return local, host.casefold()


def _comparable(name: x509.Name) -> list[frozenset[tuple[x509.ObjectIdentifier, str | bytes]]]:
    """RFC 5280 section 7.1: string types, case and runs of white space make no difference."""
    return [
        frozenset(
            (part.oid, " ".join(part.value.casefold().split()) if isinstance(part.value, str) else part.value)
            for part in relative
        )
        for relative in name.rdns
    ]


# ---- reading --------------------------------------------------------------------------------


def _load(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except _UNREADABLE as error:
        raise InvalidCertificate(f"not an X.509 certificate: {error}") from error


def _load_or_none(der: bytes) -> x509.Certificate | None:
    try:
        return _load(der)
    except InvalidCertificate:
        return None


def _subject(certificate: x509.Certificate) -> str:
    try:
        return str(Identification.distinguished_name(certificate.subject)) or "an empty subject"
    except _UNREADABLE:
        return "an unreadable subject"


def _alternatives(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return _extension(certificate, x509.SubjectAlternativeName) or x509.SubjectAlternativeName(())


_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None

"""Making certificates and CRLs (RFC 5280): authorities, and leaves that are small enough for one datagram.

A hybrid client such as vpnc cannot reassemble IKE fragments, so the message with the gateway's
certificate should fit 1472 octets: one leaf directly under the root, short names, a 64-bit serial
number and key identifier, no extension that nobody reads. That is why the gateway's own certificate
says where its CRL is only if that is in the clear: nobody else could look there before the tunnel is up.
"""

import enum
import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from appliance.models import CertificatePurpose, RevocationReason
from ike_engine.secret import Secret

# RFC 4945 section 5.1.3.12: some clients still look for it.
IKE_INTERMEDIATE: Final = x509.ObjectIdentifier("1.3.6.1.5.5.8.2.2")

AUTHORITY_DAYS: Final = 3650
LEAF_DAYS: Final = 800  # Apple's systems refuse more than 825
CRL_LASTS: Final = timedelta(days=7)
_BACKDATED: Final = timedelta(days=1)  # clients' clocks are not always right
_LONGEST_COMMON_NAME: Final = 64  # RFC 5280 appendix A: ub-common-name

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class KeyKind(enum.StrEnum):
    """A kind of key pair. IKEv1's methods of our clients sign with RSA; ECDSA is for TLS."""

    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    ECDSA_P256 = "ecdsa-p256"

    def generate(self) -> SigningKey:
        """Make a key; an RSA key takes a second or so: not in an event loop."""
        if self is KeyKind.ECDSA_P256:
            return ec.generate_private_key(ec.SECP256R1())
        return rsa.generate_private_key(public_exponent=65537, key_size=int(self.removeprefix("rsa-")))


_USES: Final = {
    CertificatePurpose.GATEWAY: (ExtendedKeyUsageOID.SERVER_AUTH, IKE_INTERMEDIATE),
    CertificatePurpose.PANEL: (ExtendedKeyUsageOID.SERVER_AUTH,),
    CertificatePurpose.SERVER: (ExtendedKeyUsageOID.SERVER_AUTH, IKE_INTERMEDIATE),
    CertificatePurpose.USER: (ExtendedKeyUsageOID.CLIENT_AUTH,),
}


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate and its key (PKCS#8 DER)."""

    certificate: x509.Certificate
    private_key: Secret = field(repr=False)

    @property
    def der(self) -> bytes:
        """The certificate's DER encoding."""
        return self.certificate.public_bytes(Encoding.DER)


class Revoked(NamedTuple):
    """An entry of a CRL."""

    serial_number: int
    at: datetime
    reason: RevocationReason | None


def make_authority(
    at: datetime, *, common_name: str = "", kind: KeyKind = KeyKind.RSA_2048, days: int = AUTHORITY_DAYS
) -> Issued:
    """Make a root; without a name, one of its own, so that two installations are told apart."""
    key = kind.generate()
    name = subject_name(common_name or f"Coati CA {secrets.token_hex(2)}")
    return Issued(_self_signed(name, key, at, days), pkcs8(key))


def renew_authority(authority: x509.Certificate, key: SigningKey, at: datetime) -> x509.Certificate:
    """Give a root a new span of life: same name, same key, so that what it issued stays good."""
    days = max(AUTHORITY_DAYS, (authority.not_valid_after_utc - authority.not_valid_before_utc).days)
    return _self_signed(authority.subject, key, at, days)


def issue(
    purpose: CertificatePurpose,
    authority: x509.Certificate,
    authority_key: SigningKey,
    names: Sequence[str],
    at: datetime,
    *,
    kind: KeyKind,
    days: int = LEAF_DAYS,
    crl_url: str = "",
    issuer_url: str = "",
) -> Issued:
    """Issue a leaf.

    Args:
        purpose: What it is for; not an authority.
        authority: Who issues.
        authority_key: Its key.
        names: Host names, addresses, mail addresses; the first is the common name as well.
        at: From when on it is good (less a day for slow clocks).
        kind: Of its key.
        days: How long it is good, but never longer than the authority.
        crl_url: Where its revocation will be published; empty: nowhere.
        issuer_url: Where the authority's certificate is published; empty: nowhere.
    """
    key = kind.generate()
    until = min(at + timedelta(days=days), authority.not_valid_after_utc)
    subject = subject_name(names[0])
    builder = _builder(subject, authority.subject, key.public_key(), at, until)
    if alternatives := general_names(purpose, names):
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    builder = (
        builder.add_extension(x509.ExtendedKeyUsage(_USES[purpose]), critical=False)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(_authority_identifier(authority, authority_key), critical=False)
    )
    if crl_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    if issuer_url:
        where = x509.UniformResourceIdentifier(issuer_url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return Issued(builder.sign(authority_key, hashes.SHA256()), pkcs8(key))


def request(
    purpose: CertificatePurpose, subject: x509.Name, names: Sequence[str], key: SigningKey
) -> x509.CertificateSigningRequest:
    """Make a request (PKCS#10, RFC 2986) for an outside authority."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if alternatives := general_names(purpose, names):
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return (
        builder.add_extension(x509.ExtendedKeyUsage(_USES[purpose]), critical=False)
        .add_extension(_key_usage(authority=False), critical=True)
        .sign(key, hashes.SHA256())
    )


def make_crl(
    authority: x509.Certificate, authority_key: SigningKey, revoked: Iterable[Revoked], number: int, at: datetime
) -> x509.CertificateRevocationList:
    """Make a CRL (RFC 5280 section 5), good for a week."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(at)
        .next_update(at + CRL_LASTS)
        .add_extension(_authority_identifier(authority, authority_key), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for entry in revoked:
        one = x509.RevokedCertificateBuilder().serial_number(entry.serial_number).revocation_date(entry.at)
        # RFC 5280 section 5.3.1: "unspecified" is said by saying nothing.
        if entry.reason not in (None, RevocationReason.UNSPECIFIED):
            one = one.add_extension(x509.CRLReason(x509.ReasonFlags(entry.reason)), critical=False)
        builder = builder.add_revoked_certificate(one.build())
    return builder.sign(authority_key, hashes.SHA256())


def serial_number(certificate: x509.Certificate) -> str:
    """Give the serial number as ``openssl x509 -serial`` prints it."""
    text = f"{certificate.serial_number:X}"
    return text.zfill(len(text) + len(text) % 2)


def fingerprint(certificate: x509.Certificate) -> str:
    """Give the SHA-256 fingerprint as browsers show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give the host names, addresses and mail addresses in subjectAltName."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    kinds = (x509.DNSName, x509.RFC822Name, x509.IPAddress)
    return tuple(str(name.value) for name in found if isinstance(name, kinds))


def common_name(certificate: x509.Certificate) -> str:
    """Give the first common name of the subject; may be empty."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether it is a root."""
    return certificate.subject == certificate.issuer


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may issue certificates (RFC 5280 section 4.2.1.9)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def key_words(key: PublicKeyTypes) -> str:
    """Give the kind of a key in a word or two: ``rsa-2048``, ``ecdsa-secp256r1``."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ecdsa-{key.curve.name}"
    return type(key).__name__.removeprefix("_").removesuffix("PublicKey").lower()


def pkcs8(key: PrivateKeyTypes) -> Secret:
    """Give a private key as it is sealed."""
    return Secret(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def subject_name(common_name: str, organisation: str = "", country: str = "") -> x509.Name:
    """Give a distinguished name."""
    parts = [(NameOID.COUNTRY_NAME, country), (NameOID.ORGANIZATION_NAME, organisation)]
    parts.append((NameOID.COMMON_NAME, common_name[:_LONGEST_COMMON_NAME]))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text])


def general_names(purpose: CertificatePurpose, names: Sequence[str]) -> list[x509.GeneralName]:
    """Give what subjectAltName holds for these names: a login name that is no mail address is none of its kinds."""
    found: list[x509.GeneralName] = []
    for name in names:
        if "@" in name:
            found.append(x509.RFC822Name(name))
            continue
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            if purpose is not CertificatePurpose.USER:
                found.append(x509.DNSName(name))
    return found


def _self_signed(name: x509.Name, key: SigningKey, at: datetime, days: int) -> x509.Certificate:
    return (
        _builder(name, name, key.public_key(), at, at + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(_key_identifier(key.public_key())), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: PublicKey, at: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(secrets.randbits(62) | 1 << 62)
        .not_valid_before(at - _BACKDATED)
        .not_valid_after(until)
    )


def _authority_identifier(authority: x509.Certificate, key: SigningKey) -> x509.AuthorityKeyIdentifier:
    """Give what the authority's certificate says its key is called; an imported one has its own way."""
    try:
        identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        identifier = _key_identifier(key.public_key())
    return x509.AuthorityKeyIdentifier(identifier, authority_cert_issuer=None, authority_cert_serial_number=None)


def _key_identifier(public_key: PublicKey) -> bytes:
    """RFC 5280 section 4.2.1.2, method (2): the type 0100 and 60 bits of the key's SHA-1."""
    bits = x509.SubjectKeyIdentifier.from_public_key(public_key).digest
    return bytes([0x40 | bits[-8] & 0x0F]) + bits[-7:]


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )

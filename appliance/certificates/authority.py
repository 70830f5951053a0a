"""Making certificates (RFC 5280): a root, and leaves that are small enough for one datagram.

A hybrid client such as vpnc cannot reassemble IKE fragments, so the message with the gateway's
certificate should fit 1472 octets: one leaf directly under the root, short names, a 64-bit serial
number and key identifier, no extension that nobody reads.
"""

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ike_engine.secret import Secret

# RFC 4945 section 5.1.3.12: some clients still look for it.
IKE_INTERMEDIATE: Final = x509.ObjectIdentifier("1.3.6.1.5.5.8.2.2")

_AUTHORITY_DAYS: Final = 3650
_LEAF_DAYS: Final = 800  # Apple's systems refuse more than 825
_BACKDATED: Final = timedelta(days=1)  # clients' clocks are not always right
_RSA_BITS: Final = 2048
_LONGEST_COMMON_NAME: Final = 64  # RFC 5280 appendix A: ub-common-name


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate and its key (PKCS#8 DER)."""

    certificate: x509.Certificate
    private_key: Secret = field(repr=False)

    @property
    def der(self) -> bytes:
        """The certificate's DER encoding."""
        return self.certificate.public_bytes(Encoding.DER)


def make_authority(at: datetime) -> Issued:
    """Make a root with a name of its own, so that two installations are told apart."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    name = _common_name(f"Coati CA {secrets.token_hex(2)}")
    builder = (
        _builder(name, name, key.public_key(), at, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(_key_identifier(key.public_key())), critical=False)
    )
    return Issued(builder.sign(key, hashes.SHA256()), _pkcs8(key))


def issue_gateway(
    authority: x509.Certificate, authority_key: rsa.RSAPrivateKey, names: Sequence[str], at: datetime
) -> Issued:
    """Issue the gateway's certificate: RSA, because IKEv1's hybrid methods sign with RSA."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, IKE_INTERMEDIATE]
    return _issue_leaf(authority, authority_key, key, names, purposes, at)


def issue_panel(
    authority: x509.Certificate, authority_key: rsa.RSAPrivateKey, names: Sequence[str], at: datetime
) -> Issued:
    """Issue the panel's certificate for TLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _issue_leaf(authority, authority_key, key, names, [ExtendedKeyUsageOID.SERVER_AUTH], at)


def serial_number(certificate: x509.Certificate) -> str:
    """Give the serial number as ``openssl x509 -serial`` prints it."""
    text = f"{certificate.serial_number:X}"
    return text.zfill(len(text) + len(text) % 2)


def fingerprint(certificate: x509.Certificate) -> str:
    """Give the SHA-256 fingerprint as browsers show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _issue_leaf(
    authority: x509.Certificate,
    authority_key: rsa.RSAPrivateKey,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    purposes: Sequence[x509.ObjectIdentifier],
    at: datetime,
) -> Issued:
    subject = _common_name(names[0][:_LONGEST_COMMON_NAME])
    builder = (
        _builder(subject, authority.subject, key.public_key(), at, _LEAF_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier(
                _key_identifier(authority_key.public_key()),
                authority_cert_issuer=None,
                authority_cert_serial_number=None,
            ),
            critical=False,
        )
    )
    return Issued(builder.sign(authority_key, hashes.SHA256()), _pkcs8(key))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    at: datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(secrets.randbits(62) | 1 << 62)
        .not_valid_before(at - _BACKDATED)
        .not_valid_after(at + timedelta(days=days))
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_identifier(public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
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


def _pkcs8(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> Secret:
    return Secret(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))

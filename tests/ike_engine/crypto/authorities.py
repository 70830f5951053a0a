"""Authorities of a laboratory, and certificates of theirs that are as wrong as a test wants them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def key(number: int) -> ec.EllipticCurvePrivateKey:
    """Always the same key for a number."""
    return ec.derive_private_key(number, ec.SECP256R1())


def name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Laboratory"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


class Authority:
    """Something that signs, and its own certificate."""

    def __init__(
        self,
        common: str,
        number: int,
        issuer: Authority | None = None,
        *,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (
            (x509.BasicConstraints(ca=True, path_length=None), True),
        ),
        start: datetime = NOW - YEAR,
        end: datetime = NOW + YEAR,
        own_key: Key | None = None,
    ) -> None:
        self.subject = name(common)
        self.key: Key = own_key or key(number)
        self.der = (issuer or self).issue(self.subject, self.key, extensions, start=start, end=end)

    def issue(
        self,
        subject: x509.Name,
        subject_key: Key,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        *,
        start: datetime = NOW - YEAR,
        end: datetime = NOW + YEAR,
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .issuer_name(self.subject)
            .subject_name(subject)
            .public_key(subject_key.public_key())
            .serial_number(4711)
            .not_valid_before(start)
            .not_valid_after(end)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def usage(*names: str) -> x509.KeyUsage:
    known = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{each: each in names for each in known})

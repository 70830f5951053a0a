"""Certificates and keys as files: PEM, DER and PKCS#12 (RFC 7292) in and out, PKCS#7 (RFC 2315) in."""

import base64
import contextlib
import enum
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)

from appliance.certificates.issuing import SigningKey
from appliance.errors import Invalid
from ike_engine.secret import Secret

_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
_JAVA_KEYSTORE: Final = b"\xfe\xed\xfe\xed"
# More work would not help a short passphrase much, and phones take long as it is.
_ROUNDS: Final = 50_000


class FileFormat(enum.StrEnum):
    """How a certificate leaves.

    ``pkcs12`` is what every system reads: 3DES and SHA-1, as iOS before 14, Android before 12, macOS before 14 and
    Windows before 10 (1709) know nothing else. ``pkcs12-aes`` is for all others.
    """

    PEM = "pem"
    DER = "der"
    PKCS12 = "pkcs12"
    PKCS12_AES = "pkcs12-aes"


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a file held.

    Attributes:
        certificates: In the order of the file.
        key: The first private key, ``None`` when there is none.
    """

    certificates: tuple[x509.Certificate, ...]
    key: SigningKey | None = None

    def leaf_and_others(self) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
        """Give the certificate that the key belongs to, or the first that issued none of the others, and the rest.

        Raises:
            Invalid: there is no certificate, or the key belongs to none of them.
        """
        if not self.certificates:
            raise Invalid("there is no certificate in it", field="content")
        leaf = next((one for one in self.certificates if self._is_leaf(one)), None)
        if leaf is None:
            raise Invalid("the private key belongs to none of the certificates", field="content")
        return leaf, tuple(one for one in self.certificates if one is not leaf)

    def _is_leaf(self, one: x509.Certificate) -> bool:
        if self.key is not None:
            return one.public_key() == self.key.public_key()
        return not any(other.issuer == one.subject for other in self.certificates if other is not one)


def read(content: bytes, passphrase: str = "") -> Bundle:
    """Read a PEM, DER, PKCS#7 (.p7b) or PKCS#12 file.

    Args:
        content: Of the file.
        passphrase: Opens PKCS#12 and encrypted keys.

    Raises:
        Invalid: it is none of these, or the passphrase does not open it.
    """
    secret = passphrase.encode() or None
    if b"-----BEGIN" in content:
        return _read_pem(content, secret)
    for read_certificates in (lambda octets: [x509.load_der_x509_certificate(octets)], _read_pkcs7):
        with contextlib.suppress(ValueError, UnsupportedAlgorithm):
            return Bundle(tuple(read_certificates(content)))
    return _read_pkcs12(content, secret)


def _read_pkcs7(content: bytes) -> list[x509.Certificate]:
    """Read what outside authorities answer with a chain in: signed data without any data."""
    with warnings.catch_warnings():
        # What is written as BER allows and DER does not is read as well, and the library would say so.
        warnings.simplefilter("ignore")
        return pkcs7.load_der_pkcs7_certificates(content)


def _read_pem(content: bytes, secret: bytes | None) -> Bundle:
    certificates, keys = [], []
    for block in _PEM.finditer(content):
        kind = block[1].decode()
        try:
            if kind in ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"):
                certificates.append(x509.load_pem_x509_certificate(block[0]))
            elif kind in ("PKCS7", "CMS"):
                certificates += _read_pkcs7(base64.b64decode(b"".join(block[0].splitlines()[1:-1])))
            elif kind.endswith("PRIVATE KEY"):
                encrypted = kind.startswith("ENCRYPTED") or b"Proc-Type: 4,ENCRYPTED" in block[0]
                keys.append(load_pem_private_key(block[0], secret if encrypted else None))
        except TypeError:
            raise Invalid("the private key is encrypted: a passphrase is needed", field="passphrase") from None
        except (ValueError, UnsupportedAlgorithm) as error:
            wrong = "passphrase" if "PRIVATE KEY" in kind and secret else "content"
            raise Invalid(f"its {kind.lower()} cannot be read: {error}", field=wrong) from None
    if not certificates and not keys:
        raise Invalid("there is neither a certificate nor a private key in it", field="content")
    return Bundle(tuple(certificates), _ours(keys[0]) if keys else None)


def _read_pkcs12(content: bytes, secret: bytes | None) -> Bundle:
    try:
        found = pkcs12.load_pkcs12(content, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if "password" in str(error).lower():
            raise Invalid("the passphrase does not open it", field="passphrase") from None
        if content.startswith(_JAVA_KEYSTORE):
            raise Invalid(
                "it is a Java keystore",
                field="content",
                remedy="make PKCS#12 of it: keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 "
                "-deststoretype PKCS12",
            ) from None
        raise Invalid("it is neither PEM nor DER nor PKCS#7 nor PKCS#12", field="content") from None
    certificates = [found.cert] if found.cert is not None else []
    certificates += found.additional_certs
    return Bundle(
        tuple(one.certificate for one in certificates if one is not None),
        _ours(found.key) if found.key is not None else None,
    )


def _ours(key: PrivateKeyTypes) -> SigningKey:
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    raise Invalid("its private key is neither RSA of 2048 bits or more nor ECDSA", field="content")


def open_key(octets: bytes) -> SigningKey:
    """Read a private key as it was sealed (PKCS#8 DER)."""
    # Made here, or looked at when it was taken in, and sealed since: to prove its primes anew takes 60 ms each time.
    return _ours(load_der_private_key(octets, None, unsafe_skip_rsa_key_validation=True))


def write(
    form: FileFormat,
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    key: SigningKey | None,
    *,
    name: str,
    passphrase: str,
) -> Secret:
    """Give the octets of a file.

    Args:
        form: Its format; DER holds the certificate alone.
        certificate: The leaf.
        others: Intermediates and root.
        key: Its private key, ``None`` to leave it out.
        name: What systems show it under (PKCS#12).
        passphrase: Encrypts the private key.
    """
    if form is FileFormat.DER:
        return Secret(certificate.public_bytes(Encoding.DER))
    if form is FileFormat.PEM:
        parts = [one.public_bytes(Encoding.PEM) for one in (certificate, *others)]
        if key is not None:
            encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
            parts.append(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        return Secret(b"".join(parts))
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(_ROUNDS)
    if form is FileFormat.PKCS12:
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())  # noqa: S303  what old systems read
    else:
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).hmac_hash(hashes.SHA256())
    return Secret(
        pkcs12.serialize_key_and_certificates(
            name.encode(), key, certificate, list(others), builder.build(passphrase.encode())
        )
    )


def pem(certificates: Sequence[x509.Certificate]) -> str:
    """Give certificates in PEM, one after the other."""
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def from_pem(text: str) -> list[x509.Certificate]:
    """Read what ``pem`` wrote."""
    return x509.load_pem_x509_certificates(text.encode()) if text.strip() else []

"""Certificates and authorities as they go in and out; private keys leave only by an export that was asked for."""

import enum
from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, Base64Bytes, Field, SecretStr

from appliance.certificates.files import FileFormat
from appliance.certificates.issuing import LEAF_DAYS, KeyKind
from appliance.models import CertificatePurpose, RevocationCheck, RevocationReason
from appliance.names import PlainName
from appliance.schema import Filter, Password, Schema

LEAST_PASSPHRASE: Final = 8
_LONGEST_LIFE_DAYS: Final = 3650


def _passphrase(text: SecretStr) -> SecretStr:
    if len(text.get_secret_value()) < LEAST_PASSPHRASE:
        raise ValueError(f"a passphrase has at least {LEAST_PASSPHRASE} characters")
    return text


def _url(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise ValueError("write http://... or https://..., or nothing")
    return text


class CertificateState(enum.StrEnum):
    """Whether a certificate is good."""

    GOOD = "good"
    EXPIRED = "expired"
    REVOKED = "revoked"
    RETIRED = "retired"


class CertificateView(Schema):
    """A certificate."""

    id: int
    purpose: CertificatePurpose
    state: CertificateState
    subject: str
    issuer: str
    serial_number: str
    fingerprint: Annotated[str, Field(description="SHA-256")]
    key: Annotated[str, Field(description="rsa-2048, ecdsa-secp256r1 ...")]
    names: tuple[str, ...]
    owner: Annotated[str, Field(description="Login name of the user that it is for.")]
    authority: Annotated[str | None, Field(description="Name of the authority here that issued it.")]
    has_private_key: bool
    not_before: datetime
    not_after: datetime
    retired_at: datetime | None
    revoked_at: datetime | None
    revocation_reason: RevocationReason | None
    pem: str


class CertificateFilter(Filter):
    """Which certificates to list."""

    purpose: CertificatePurpose | None = None
    state: CertificateState | None = None
    owner: Annotated[str, Field(description="Only those of this user.")] = ""
    text: Annotated[str, Field(description="Only those with this in subject, serial number or names.")] = ""


class NewCertificate(Schema):
    """A certificate to be issued by one of our authorities."""

    purpose: CertificatePurpose = CertificatePurpose.USER
    names: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=253)], ...],
        Field(description="Host names and addresses; of a user's certificate, mail addresses."),
    ] = ()
    owner: Annotated[str, Field(description="Login name, for purpose user.")] = ""
    key: KeyKind = KeyKind.RSA_2048
    days: Annotated[int, Field(ge=1, le=_LONGEST_LIFE_DAYS)] = LEAF_DAYS
    authority: Annotated[str | None, Field(description="Name; null: the one that issues.")] = None


class Revocation(Schema):
    """Why a certificate is not to be believed any more."""

    reason: RevocationReason = RevocationReason.UNSPECIFIED


class CertificateExport(Schema):
    """How a certificate is to leave."""

    format: FileFormat = FileFormat.PKCS12
    with_key: Annotated[bool, Field(description="The private key too; encrypted under the passphrase.")] = True
    passphrase: Annotated[
        Annotated[Password, AfterValidator(_passphrase)] | None, Field(description="Encrypts the private key.")
    ] = None


class CertificateImport(Schema):
    """A certificate from elsewhere."""

    purpose: CertificatePurpose
    content: Annotated[Base64Bytes, Field(description="PEM, DER or PKCS#12, in base64; intermediates and root too.")]
    passphrase: Password = SecretStr("")
    owner: Annotated[str, Field(description="Login name, for purpose user.")] = ""


class NewRequest(Schema):
    """A request for an outside authority."""

    purpose: CertificatePurpose = CertificatePurpose.GATEWAY
    names: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=253)], ...],
        Field(description="Host names and addresses; empty: those that this appliance is known by."),
    ] = ()
    organisation: Annotated[str, Field(max_length=64)] = ""
    country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$", description="Two letters.")] = ""
    key: KeyKind = KeyKind.RSA_2048


class RequestView(Schema):
    """A request that waits for its answer."""

    id: int
    purpose: CertificatePurpose
    subject: str
    names: tuple[str, ...]
    created_at: datetime
    pem: Annotated[str, Field(description="To be sent to the authority.")]


class RequestAnswer(Schema):
    """What the outside authority gave."""

    content: Annotated[
        Base64Bytes, Field(description="The certificate with its chain in base64: PEM, DER, PKCS#7 (.p7b).")
    ]


class AuthorityChange(Schema):
    """What to change; what is left out stays."""

    for_clients: Annotated[
        bool, Field(description="Clients with its certificates may use profiles that name no authority.")
    ] = False
    check: Annotated[
        RevocationCheck,
        Field(description="soft lets a client in when neither CRL nor OCSP responder can be reached; hard refuses."),
    ] = RevocationCheck.SOFT
    crl_url: Annotated[
        str,
        AfterValidator(_url),
        Field(
            max_length=512,
            description="Of an outside authority: where its CRL is (empty: where its certificates say). "
            "Of ours: what certificates say; empty: our own address.",
        ),
    ] = ""
    ocsp_url: Annotated[
        str,
        AfterValidator(_url),
        Field(max_length=512, description="Of an outside authority: its responder; empty: where certificates say."),
    ] = ""


class AuthorityDefinition(AuthorityChange):
    """An authority of our own; its name, key and span of life count when it is made only."""

    common_name: Annotated[str, Field(max_length=64, description="In its certificate; empty: made up.")] = ""
    key: KeyKind = KeyKind.RSA_2048
    days: Annotated[int, Field(ge=30, le=2 * _LONGEST_LIFE_DAYS)] = _LONGEST_LIFE_DAYS
    for_clients: bool = True
    check: RevocationCheck = RevocationCheck.OFF


class NewAuthority(AuthorityDefinition):
    """An authority of our own to be made."""

    name: PlainName


class AuthorityImport(AuthorityChange):
    """An authority from elsewhere, with or without its private key."""

    name: PlainName
    content: Annotated[Base64Bytes, Field(description="PEM, DER or PKCS#12, in base64.")]
    passphrase: Password = SecretStr("")


class AuthorityView(Schema):
    """An authority."""

    happens = frozenset({"certificates", "revoked", "crl_number", "crl_issued_at", "crl_next_update_at"})

    name: str
    issues: Annotated[bool, Field(description="New certificates are issued by this one.")]
    has_private_key: bool
    for_clients: bool
    check: RevocationCheck
    crl_url: str
    ocsp_url: str
    certificates: Annotated[int, Field(description="Certificates here that it issued and that are good.")]
    revoked: int
    crl_number: int
    crl_issued_at: datetime | None
    crl_next_update_at: datetime | None
    created_at: datetime
    certificate: CertificateView

"""What a client is told to do, in plain values: they cross from the keeper to the client process as JSON.

Everything here is what a person would type or a file would hold; ``profile`` and ``connect`` make the
engine's values of it. So there is one place where it is checked, in both processes.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, fields, replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from ike_engine.actions import Connect, Credentials
from ike_engine.crypto.signatures import PrivateKey
from ike_engine.crypto.suites import DhGroup
from ike_engine.identities import Identification
from ike_engine.path import Address, Path
from ike_engine.policy import (
    Authentication,
    EspProposal,
    IkeProposal,
    Limits,
    LocalIdentity,
    Phase1Mode,
    Policy,
    Profile,
)
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

# Message 1 cannot be fragmented by IKE: the gateway has not yet said that it could put it together. Eight transforms
# and our vendor IDs make 524 octets, which pass any path (576 with IP and UDP in front).
MODERN_IKE: Final = (
    "aes256-sha256-ecp256",
    "aes256-sha256-modp2048",
    "aes128-sha256-ecp256",
    "aes128-sha256-modp2048",
    "aes256-sha384-ecp384",
    "aes256-sha256-modp3072",
    "aes256-sha512-modp4096",
    "aes256-sha256-modp4096",
)
LEGACY_IKE: Final = (
    "aes256-sha256-modp2048",
    "aes256-sha1-modp2048",
    "aes256-sha1-modp1536",
    "aes256-sha1-modp1024",
    "aes128-sha1-modp1024",
    "3des-sha1-modp1024",
    "aes128-md5-modp1024",
    "3des-md5-modp1024",
)
MODERN_ESP: Final = ("aes256gcm16", "aes128gcm16", "aes256-sha256", "aes128-sha256", "aes256-sha512")
LEGACY_ESP: Final = ("aes256-sha256", "aes256-sha1", "aes128-sha1", "3des-sha1", "aes128-md5", "3des-md5")

_PROFILE: Final = "client"
_NO_SECRET: Final = Secret()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOrder:
    """A stay at a gateway.

    Attributes:
        gateway: Its IPv4 address; the keeper fills it in.
        port, nat_t_port: Where it serves IKE, and IKE and ESP behind NATs.
        gateway_name: Host name or address that its certificate must carry.
        authentication: A value of ``policy.Authentication``.
        mode: A value of ``policy.Phase1Mode``.
        group: Group name: our identity in place of the user's name or address; may be empty.
        pre_shared_key: The group's key (``xauth-psk``).
        authorities: Certificates in PEM that the gateway's must chain to (all but ``xauth-psk``).
        certificate: Ours and its intermediates in PEM, leaf first (``xauth-rsa``).
        private_key: Its key in PEM, not encrypted.
        ike_proposals, esp_proposals: In words, the preferred first.
        pfs: Diffie-Hellman group of quick mode in words; empty: none.
        networks: Destinations to ask for, where the gateway names none.
        behind: Networks behind us that the gateway shall reach, in words.
        encapsulate: Have ESP in UDP also where there is no NAT.
        hostname: What we call ourselves.
        verbose: Log what the engine does.
    """

    user: str
    password: Secret
    gateway: str = ""
    port: int = 500
    nat_t_port: int = 4500
    gateway_name: str = ""
    authentication: str = Authentication.HYBRID_RSA.value
    mode: str = Phase1Mode.MAIN.value
    group: str = ""
    pre_shared_key: Secret = _NO_SECRET
    authorities: str = ""
    certificate: str = ""
    private_key: Secret = _NO_SECRET
    ike_proposals: tuple[str, ...] = MODERN_IKE
    esp_proposals: tuple[str, ...] = MODERN_ESP
    pfs: str = ""
    networks: tuple[str, ...] = ("0.0.0.0/0",)
    behind: tuple[str, ...] = ()
    isakmp_lifetime_seconds: int = 28_800
    child_lifetime_seconds: int = 3_600
    dpd_interval_seconds: int = 30
    dpd_timeout_seconds: int = 120
    encapsulate: bool = True
    hostname: str = ""
    verbose: bool = False

    # ---- from one process to the other ----------------------------------------------------------

    def encode(self) -> bytes:
        """Give it as JSON; secrets are in it."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return json.dumps(
            {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in values}
        ).encode()

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read it again; for what our own keeper wrote."""
        read: dict[str, Any] = json.loads(octets)
        for field in fields(cls):
            if field.type == "Secret":
                read[field.name] = Secret(read[field.name].encode("latin-1"))
            elif field.type == "tuple[str, ...]":
                read[field.name] = tuple(read[field.name])
        return cls(**read)

    def at(self, gateway: str, *, encapsulate: bool) -> Self:
        """The same at this address, with this data plane."""
        return replace(self, gateway=gateway, encapsulate=encapsulate)

    def with_password(self, password: Secret) -> Self:
        """The same, once the user has typed it."""
        return replace(self, password=password)

    # ---- as the engine's values -----------------------------------------------------------------

    def profile(self) -> Profile:
        """How we log in.

        Raises:
            ValueError: something does not fit, in words.
        """
        method = Authentication(self.authentication)
        anchors = tuple(_der(_certificates(self.authorities, "the CA file")))
        if method is Authentication.XAUTH_PSK:
            if not self.pre_shared_key:
                raise ValueError("a group key is needed: without one nothing tells the gateway from anybody else")
        elif not anchors:
            raise ValueError("a CA certificate is needed: without one nothing tells the gateway from anybody else")
        if not (self.ike_proposals and self.esp_proposals):
            raise ValueError("at least one IKE and one ESP proposal are needed")
        group = _group(self.pfs) if self.pfs else None
        return Profile(
            name=_PROFILE,
            authentication=frozenset({method}),
            modes=frozenset({Phase1Mode(self.mode)}),
            identity=self._identity(method),
            pre_shared_key=self.pre_shared_key or None,
            trust_anchors=anchors,
            ike_proposals=tuple(map(IkeProposal.from_text, self.ike_proposals)),
            esp_proposals=tuple(map(EspProposal.from_text, self.esp_proposals)),
            pfs_groups=(group,) if group else tuple(DhGroup),
            require_pfs=group is not None,
            isakmp_lifetime_seconds=self.isakmp_lifetime_seconds,
            child_lifetime_seconds=self.child_lifetime_seconds,
            dpd_interval_seconds=float(self.dpd_interval_seconds),
            dpd_timeout_seconds=float(self.dpd_timeout_seconds),
        )

    def _identity(self, method: Authentication) -> LocalIdentity | None:
        """Who we say we are; ``None``: the address that the gateway sees."""
        if method is Authentication.XAUTH_RSA:
            chain = _certificates(self.certificate, "the certificate")
            if not chain or not self.private_key:
                raise ValueError("a certificate and its key are needed")
            key = PrivateKey.from_pem(self.private_key)
            if key.public_key != chain[0].public_key():
                raise ValueError("the key is not that of the certificate")
            return LocalIdentity(
                identification=_identification_of(chain[0]), certificates=tuple(_der(chain)), private_key=key
            )
        if self.group:
            return LocalIdentity(identification=Identification.key_id(self.group))
        if method is Authentication.XAUTH_PSK:
            return None
        named = Identification.user_fqdn if "@" in self.user else Identification.fqdn
        return LocalIdentity(identification=named(self.user))

    def policy(self) -> Policy:
        """What our endpoint does besides: to initiate is all; message 1 of a stranger gets no state."""
        return Policy(force_encapsulation=self.encapsulate, limits=Limits(half_open=0))

    def connect(self, plain: Address, nat_t: Address) -> Connect:
        """The command to the endpoint.

        Args:
            plain: Our end for IKE.
            nat_t: Our end for IKE and ESP behind NATs.

        Raises:
            ValueError: as ``profile``.
        """
        return Connect(
            profile=self.profile(),
            credentials=Credentials(username=self.user, password=self.password),
            path=Path(plain, Address(self.gateway, self.port), nat_t=False),
            nat_t_path=Path(nat_t, Address(self.gateway, self.nat_t_port), nat_t=True),
            gateway_name=self.gateway_name,
            networks=tuple(map(IPv4Network, self.networks)),
            behind=tuple(map(IPv4Network, self.behind)),
            hostname=self.hostname,
        )


def _certificates(pem: str, what: str) -> list[x509.Certificate]:
    if not pem:
        return []
    try:
        with warnings.catch_warnings():
            # Systems' bundles have a root or two with a serial number that RFC 5280 does not allow.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise ValueError(f"{what} holds no certificate in PEM that can be read: {error}") from error


def _der(certificates: Iterable[x509.Certificate]) -> list[bytes]:
    return [certificate.public_bytes(Encoding.DER) for certificate in certificates]


def _identification_of(certificate: x509.Certificate) -> Identification:
    """The subject, which every gateway can compare; a certificate without one has an alternative name (RFC 5280)."""
    if certificate.subject.rdns:
        return Identification.distinguished_name(certificate.subject)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("the certificate has neither a subject nor alternative names") from None
    for mailbox in names.get_values_for_type(x509.RFC822Name):
        return Identification.user_fqdn(mailbox)
    for host in names.get_values_for_type(x509.DNSName):
        return Identification.fqdn(host)
    raise ValueError("the certificate has no subject, mail address or host name")


def _group(word: str) -> DhGroup:
    for group in DhGroup:
        if group.keyword == word.strip().lower():
            return group
    raise ValueError(f"unknown group {word!r}; known: {', '.join(group.keyword for group in DhGroup)}")

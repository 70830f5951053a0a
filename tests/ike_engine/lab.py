"""A gateway and a client that can talk, with throw-away keys; certificates are made once."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ike_engine.actions import Configuration, Connect, Credentials
from ike_engine.crypto.signatures import PrivateKey
from ike_engine.identities import Identification
from ike_engine.ikev1.envelope import Phase2Transport
from ike_engine.ikev1.numbers import ExchangeType
from ike_engine.path import Address, Path
from ike_engine.policy import Authentication, IkeProposal, LocalIdentity, Phase1Mode, Policy, Profile
from ike_engine.secret import Secret
from tests.ike_engine.network import CLIENT, NOW, Network, Station, Weather, passwords, path

if TYPE_CHECKING:
    from ike_engine.ikev1.isakmp_sa import IsakmpSa
    from ike_engine.ikev1.messages import Ikev1Message

GATEWAY_NAME = "vpn.example.test"
CONFIGURATION = Configuration(address=IPv4Address("10.77.0.2"), dns=(IPv4Address("10.1.0.53"),))


def _certificate(subject: str, key: Any, issuer: str, issuer_key: Any, *, ca: bool) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if ca:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


@functools.cache
def key(_name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(private: rsa.RSAPrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


@functools.cache
def authority(name: str = "Coati test CA") -> bytes:
    return der(_certificate(name, key(name), name, key(name), ca=True))


@functools.cache
def identity(name: str, ca: str = "Coati test CA") -> LocalIdentity:
    certificate = _certificate(name, key(name), ca, key(ca), ca=False)
    return LocalIdentity(
        identification=Identification.fqdn(name),
        certificates=(der(certificate),),
        private_key=PrivateKey.from_pem(_pem(key(name))),
    )


SMALL = (IkeProposal.from_text("aes128-sha256-ecp256"),)
"""The cheapest suite, for tests about something else."""


@dataclass
class Pair:
    network: Network
    gateway: Station
    client: Station
    order: Connect

    def connect(self, seconds: float = 120.0) -> None:
        self.network.command(self.client, self.order)
        self.network.run(seconds)


def pair(
    *,
    method: Authentication = Authentication.HYBRID_RSA,
    mode: Phase1Mode = Phase1Mode.MAIN,
    seed: int = 0,
    weather: Weather | None = None,
    gateway: dict[str, Any] | None = None,
    client: dict[str, Any] | None = None,
    policy: dict[str, Any] | None = None,
    password: bytes = b"s3cret",
    configuration: Configuration | None = CONFIGURATION,
    trust: bytes | None = None,
) -> Pair:
    psk = Secret(b"group key") if method is Authentication.XAUTH_PSK else None
    shared: dict[str, Any] = {
        "authentication": frozenset({method}),
        "ike_proposals": SMALL,
        "pre_shared_key": psk,
        "trust_anchors": (authority() if trust is None else trust,),
    }
    server = Profile(name="staff", **{**shared, "identity": identity(GATEWAY_NAME), **(gateway or {})})
    own = identity("alice.example.test")
    if method is not Authentication.XAUTH_RSA:
        own = replace(own, identification=Identification.key_id("staff"), certificates=(), private_key=None)
    asks = Profile(name="client", modes=frozenset({mode}), **{**shared, "identity": own, **(client or {})})
    network = Network(seed, weather or Weather())
    g = network.add(Station("gateway", Policy(profiles=(server,), **(policy or {})), seed), "192.0.2.1")
    c = network.add(Station("client", Policy(profiles=(asks,)), seed), "198.51.100.7")
    g.answer = passwords({"alice": b"s3cret"}, configuration)
    order = Connect(
        profile=asks,
        credentials=Credentials(username="alice", password=Secret(password)),
        path=path(),
        nat_t_path=path(port=4500),
        gateway_name=GATEWAY_NAME if method is not Authentication.XAUTH_PSK else "",
    )
    return Pair(network, g, c, order)


# ---- what an engine would not do by itself ----------------------------------------------------------


def newest_sa(station: Station) -> IsakmpSa:
    """The ISAKMP SA that ``station`` made last and still has."""
    return list(station.endpoint._ikev1._by_own_cookie.values())[-1]


def pending(station: Station) -> int:
    """How many moments its endpoint waits for."""
    return sum(timer.action is not None for _, _, timer in station.endpoint._timers._heap)


def sealed(
    sa: IsakmpSa,
    message: Ikev1Message,
    message_id: int = 0xDB,
    exchange_type: ExchangeType = ExchangeType.INFORMATIONAL,
) -> list[bytes]:
    """``message`` as the first of an exchange under the keys of ``sa``."""
    return [transmit.data for transmit in Phase2Transport(sa, exchange_type, message_id).seal(message)]


def say(
    lab: Pair,
    message: Ikev1Message,
    message_id: int = 0xDB,
    exchange_type: ExchangeType = ExchangeType.INFORMATIONAL,
    *,
    sa: IsakmpSa | None = None,
    source: Address | None = None,
) -> None:
    """Have the client say something of its own to the gateway, at once, whatever the weather."""
    sa = sa or newest_sa(lab.client)
    way = Path(sa.path.remote, source or sa.path.local, sa.path.nat_t)
    for data in sealed(sa, message, message_id, exchange_type):
        lab.network.deliver(lab.gateway, data, way)


def translated(lab: Pair, public: str = "203.0.113.20", port: int = 40_000) -> None:
    """Put the client behind a NAT: its two flows leave from ``port`` and ``port`` + 1 of ``public``."""
    lab.network.at[public] = lab.client

    def nat(sender: Station, data: bytes, way: Path) -> tuple[bytes, Path]:
        if sender is lab.client:
            return data, way._replace(local=Address(public, port + way.nat_t))
        return data, way._replace(remote=Address(CLIENT, 4500 if way.nat_t else 500))

    lab.network.hook = nat

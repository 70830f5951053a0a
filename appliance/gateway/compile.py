"""Turns the rows of the configuration into the engine's ``Policy`` and into what Mode Config gives.

What cannot be compiled is left out and becomes a problem in words; the rest works.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from sqlalchemy import select

from appliance import models
from appliance.certificates import files, issuing
from appliance.certificates.records import KEY_PURPOSE as PRIVATE_KEY
from appliance.master_key import Unsealable
from appliance.models import CertificatePurpose
from appliance.policy import levels
from appliance.policy import repository as policy
from appliance.policy.effective import Policies
from appliance.profiles import presets
from appliance.profiles.service import KEY_PURPOSE as GROUP_KEY
from ike_engine.crypto.signatures import PrivateKey
from ike_engine.crypto.suites import DhGroup
from ike_engine.identities import Identification, IdType
from ike_engine.policy import Authentication, LocalIdentity, Phase1Mode, Policy, Profile
from ike_engine.runtime.operations import VirtualNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncSession

    from appliance.master_key import MasterKey


class Problem(NamedTuple):
    """What is off, and how to switch it on."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """How the clients of one profile log in.

    Attributes:
        realms: Names of the realms that judge logins, in their order; empty: all.
        prompts: The clients can show further rounds of a login.
    """

    realms: tuple[str, ...] = ()
    prompts: bool = True


@dataclass(frozen=True, slots=True)
class Configured:
    """The rows that a gateway is configured by.

    Attributes:
        certificates: Those in use.
        for_clients: Keys of the authorities whose clients may use profiles that name no authority.
        groups: All groups.
        base: What is said for everybody.
        addresses: Static addresses, by the name of the user.
    """

    profiles: Sequence[models.Profile] = ()
    pools: Sequence[models.Pool] = ()
    certificates: Sequence[models.Certificate] = ()
    for_clients: frozenset[int] = frozenset()
    groups: Sequence[models.Group] = ()
    base: models.BasePolicy | None = None
    addresses: Mapping[str, IPv4Address] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What a gateway works by.

    Attributes:
        offers: By the name of the profile.
        policies: What is said for more than one user.
        reserved: Whose each static address is.
        pool_names: By key.
        networks: Where virtual IPs come from.
    """

    policy: Policy
    offers: Mapping[str, Offer]
    policies: Policies = field(default_factory=Policies)
    reserved: Mapping[IPv4Address, str] = field(default_factory=dict)
    pool_names: Mapping[int, str]
    networks: tuple[VirtualNetwork, ...] = ()
    problems: tuple[Problem, ...] = ()


async def read(session: AsyncSession) -> Configured:
    """Read the rows."""
    profiles = await session.scalars(
        select(models.Profile).where(models.Profile.enabled).order_by(models.Profile.position, models.Profile.id)
    )
    pools = await session.scalars(select(models.Pool).order_by(models.Pool.id))
    certificates = await session.scalars(
        select(models.Certificate).where(models.Certificate.retired_at.is_(None)).order_by(models.Certificate.id.desc())
    )
    for_clients = await session.scalars(select(models.Authority.id).where(models.Authority.for_clients))
    return Configured(
        profiles.all(),
        pools.all(),
        certificates.all(),
        frozenset(for_clients),
        await policy.groups(session),
        await policy.base(session),
        {
            user: IPv4Address(said["address"])
            for user, said in (await policy.said_of_users(session)).items()
            if "address" in said
        },
    )


def compile_rows(rows: Configured, master_key: MasterKey, *, force_encapsulation: bool) -> Compiled:
    """Give the policy and the offers.

    Args:
        rows: What is configured.
        master_key: Opens private keys and group keys.
        force_encapsulation: The data plane can do ESP in UDP only.
    """
    compiler = _Compiler(rows, master_key)
    profiles = tuple(profile for row in rows.profiles if (profile := compiler.profile(row)) is not None)
    if not profiles:
        compiler.problem("no connection profile is in force: every client is refused", "coati profile add")
    if not rows.pools:
        compiler.problem("there is no address pool: every client is refused", "coati pool add")
    return Compiled(
        policy=Policy(profiles=profiles, force_encapsulation=force_encapsulation),
        offers={row.name: Offer(realms=row.realms, prompts=row.xauth_prompts) for row in rows.profiles},
        policies=levels.policies(rows.base, rows.groups, rows.pools, rows.profiles),
        reserved={address: user for user, address in rows.addresses.items()},
        pool_names={pool.id: pool.name for pool in rows.pools},
        networks=tuple(VirtualNetwork(network, pool.masquerade) for pool in rows.pools for network in pool.networks),
        problems=tuple(compiler.problems),
    )


class _NoCertificate(ValueError):
    """What the first start makes is not there."""


@dataclass(slots=True)
class _Compiler:
    rows: Configured
    master_key: MasterKey
    problems: list[Problem] = field(default_factory=list)
    _identity: LocalIdentity | None = None

    def problem(self, what: str, remedy: str) -> None:
        if (problem := Problem(what, remedy)) not in self.problems:
            self.problems.append(problem)

    def profile(self, row: models.Profile) -> Profile | None:
        try:
            return self._profile(row)
        except _NoCertificate as failure:
            self.problem(f"profile {row.name!r} is not in force: {failure}", "coati ca renew")
        except (ValueError, Unsealable) as failure:
            self.problem(f"profile {row.name!r} is not in force: {failure}", f"coati profile set {row.name}")
        return None

    def _profile(self, row: models.Profile) -> Profile:
        authentication = frozenset(Authentication(word) for word in row.authentication)
        needs_identity = authentication & {Authentication.HYBRID_RSA, Authentication.XAUTH_RSA}
        if Authentication.XAUTH_PSK in authentication and row.pre_shared_key is None:
            raise ValueError("it has no group key")
        return Profile(
            name=row.name,
            authentication=authentication,
            modes=frozenset(Phase1Mode(word) for word in row.modes),
            group_names=row.group_names,
            identity=self._our_identity() if needs_identity else None,
            pre_shared_key=(
                self.master_key.open(row.pre_shared_key, GROUP_KEY) if row.pre_shared_key is not None else None
            ),
            trust_anchors=self._trust_anchors(row) if Authentication.XAUTH_RSA in authentication else (),
            ike_proposals=presets.ike_proposals(row),
            esp_proposals=presets.esp_proposals(row),
            pfs_groups=tuple(_group(keyword) for keyword in row.pfs_groups) or tuple(DhGroup),
            require_pfs=row.require_pfs,
            truncate_sha256_to_96=row.truncate_sha256_to_96,
            isakmp_lifetime_seconds=row.isakmp_lifetime_seconds,
            child_lifetime_seconds=row.child_lifetime_seconds,
            child_lifetime_kilobytes=row.child_lifetime_kilobytes,
            configuration_push=row.configuration_push,
            reauthenticate_on_rekey=row.reauthenticate_on_rekey,
            xauth_prompts=row.xauth_prompts,
            dpd_interval_seconds=row.dpd_interval_seconds,
            dpd_timeout_seconds=row.dpd_timeout_seconds,
            fragment_octets=row.fragment_octets,
            xauth_timeout_seconds=row.xauth_timeout_seconds,
        )

    def _our_identity(self) -> LocalIdentity:
        if self._identity is None:  # reading a key tests it, which costs as much as many signatures
            row = next((row for row in self.rows.certificates if row.purpose is CertificatePurpose.GATEWAY), None)
            if row is None:
                raise _NoCertificate("the gateway has no certificate")
            if row.private_key is None:
                raise ValueError("the gateway's private key is not here")
            key = load_der_private_key(self.master_key.open(row.private_key, PRIVATE_KEY), None)
            if not isinstance(key, RSAPrivateKey):
                raise ValueError("the gateway's key is not an RSA key")
            self._identity = LocalIdentity(
                identification=_identification(row),
                certificates=tuple(self._chain(row)),
                private_key=PrivateKey(key),
            )
        return self._identity

    def _chain(self, leaf: models.Certificate) -> Iterable[bytes]:
        """Give the leaf and the intermediates. The root is left out: a client has it or does not believe it."""
        yield leaf.certificate
        above = (
            row
            for row in self.rows.certificates
            if row.purpose is CertificatePurpose.AUTHORITY and row.authority_id == leaf.authority_id
        )
        issuer = next(above, None)
        between = files.from_pem(leaf.chain)
        if issuer is not None:
            between += [x509.load_der_x509_certificate(issuer.certificate), *files.from_pem(issuer.chain)]
        for certificate in between:
            if not issuing.is_self_issued(certificate):
                yield certificate.public_bytes(Encoding.DER)

    def _trust_anchors(self, row: models.Profile) -> tuple[bytes, ...]:
        if row.client_authorities.strip():
            authorities = x509.load_pem_x509_certificates(row.client_authorities.encode())
            return tuple(authority.public_bytes(Encoding.DER) for authority in authorities)
        own = tuple(
            certificate.certificate
            for certificate in self.rows.certificates
            if certificate.purpose is CertificatePurpose.AUTHORITY and certificate.authority_id in self.rows.for_clients
        )
        if not own:
            raise _NoCertificate("there is no authority that clients' certificates could chain to")
        return own


def _identification(row: models.Certificate) -> Identification:
    """Give the identity that clients compare with the certificate: its first name."""
    if not row.names:
        return Identification.distinguished_name(x509.load_der_x509_certificate(row.certificate).subject)
    try:
        return Identification(IdType.IPV4_ADDR, IPv4Address(row.names[0]).packed)
    except ValueError:
        return Identification.fqdn(row.names[0])


def _group(keyword: str) -> DhGroup:
    for group in DhGroup:
        if group.keyword == keyword:
            return group
    raise ValueError(f"unknown group {keyword!r}; known: {', '.join(group.keyword for group in DhGroup)}")

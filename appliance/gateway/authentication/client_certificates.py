"""Judges the certificates that clients prove themselves by (RSA followed by Xauth), beyond what the engine checked.

The engine has checked chain, dates and signature by then. Here: whether the certificate was revoked (our own
authorities' by our own table, at once; outside ones' by CRL and OCSP), and whether it is that of the user who logs in.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, Final

import structlog
from cryptography import x509
from sqlalchemy import select

from appliance import models
from appliance.auth.verdicts import Rejected
from appliance.certificates import issuing
from appliance.certificates.outside import RevocationService, Status
from appliance.certificates.records import is_issued_by
from appliance.models import CertificatePurpose, RevocationCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from sqlalchemy.ext.asyncio import AsyncSession

    from ike_engine.actions import PeerDescription

logger = structlog.get_logger(__name__)

_BETWEEN_REVOCATIONS_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Known:
    """What the database says of clients' certificates.

    Attributes:
        revoked: Why, in words, by issuer (DER of its name) and serial number.
        authorities: Whom to ask about theirs.
        named: Profiles whose clients' certificates must carry the login name.
    """

    revoked: Mapping[tuple[bytes, int], str] = field(default_factory=dict)
    authorities: tuple[Outside, ...] = ()
    named: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outside:
    """An authority that may have revoked what it issued."""

    certificate: x509.Certificate
    check: RevocationCheck
    crl_url: str = ""
    ocsp_url: str = ""


async def read(session: AsyncSession) -> Known:
    """Read the rows."""
    revoked = await session.scalars(select(models.Certificate).where(models.Certificate.revoked_at.is_not(None)))
    authorities = await session.execute(
        select(models.Authority, models.Certificate)
        .join(models.Certificate, models.Certificate.authority_id == models.Authority.id)
        .where(models.Certificate.purpose == CertificatePurpose.AUTHORITY, models.Certificate.retired_at.is_(None))
    )
    known = [
        Outside(x509.load_der_x509_certificate(row.certificate), authority.check, authority.crl_url, authority.ocsp_url)
        for authority, row in authorities
    ]
    profiles = (await session.scalars(select(models.Profile))).all()
    present = {outside.certificate for outside in known}
    for profile in profiles:
        for certificate in _authorities_of(profile):
            if certificate not in present:  # named by the profile only: asked where its certificates say
                present.add(certificate)
                known.append(Outside(certificate, RevocationCheck.SOFT))
    return Known(
        revoked={_key(x509.load_der_x509_certificate(row.certificate)): _why(row) for row in revoked},
        authorities=tuple(known),
        named=frozenset(profile.name for profile in profiles if profile.certificate_names_login),
    )


class ClientCertificates:
    """The certificates of who logs in and of who is connected.

    Args:
        revocations: Asks outside authorities.
    """

    def __init__(self, revocations: RevocationService) -> None:
        self._revocations = revocations
        self._known = Known()
        self._connected: dict[int, Chain] = {}

    def reconfigure(self, known: Known) -> None:
        """Judge from now on by what is configured now."""
        self._known = known

    async def judge(self, peer: PeerDescription) -> Rejected | None:
        """Say why this login must be refused whatever the password is; ``None``: nothing speaks against it."""
        if peer.certificate is None:
            return None
        found = await self._look_up(_chain(peer, peer.certificate))
        if found.revoked:
            return Rejected(
                f"the certificate of {found.subject} was revoked {found.revoked}",
                "issue another: coati certificate issue",
            )
        if found.unknown:
            return Rejected(
                f"nobody can tell whether the certificate of {found.subject} was revoked: {found.unknown}",
                "see to it that its authority's CRL or OCSP responder can be reached, "
                "or let clients in all the same: coati ca set NAME --check soft",
            )
        return None

    def of_another(self, peer: PeerDescription, user: str) -> Rejected | None:
        """Say that the certificate is another's, if the profile wants it to be the user's own.

        Args:
            peer: Who logs in.
            user: Whom the password was found to be good for.
        """
        if peer.certificate is None or peer.profile not in self._known.named:
            return None
        certificate = x509.load_der_x509_certificate(peer.certificate)
        carried = {name.casefold() for name in (issuing.common_name(certificate), *issuing.names_of(certificate))}
        if user.casefold() in carried:
            return None
        return Rejected(
            f"the certificate of {certificate.subject.rfc4514_string()} is not that of {user!r}",
            f"issue one to that user (coati certificate issue --user {quote(user)}), or let profile {peer.profile} "
            f"take any: coati profile set {peer.profile} --any-certificate",
        )

    def note(self, peer_id: int, peer: PeerDescription) -> None:
        """Remember by which certificate a client came in."""
        if peer.certificate is not None:
            self._connected[peer_id] = _chain(peer, peer.certificate)

    def revoked_here(self, peers: Collection[int]) -> list[tuple[int, str]]:
        """Give those of the connected clients whose certificate our own table says was revoked, and why in words.

        Args:
            peers: Who is there still.
        """
        for gone in self._connected.keys() - set(peers):
            del self._connected[gone]
        return [
            (peer_id, _ended(certificate, words))
            for peer_id, chain in self._connected.items()
            for certificate in chain
            if (words := self._known.revoked.get(_key(certificate))) is not None
        ]

    async def revoked_outside(self, peers: Collection[int]) -> list[tuple[int, str]]:
        """Give those whose authority has revoked their certificate meanwhile; may wait for the network."""
        self.revoked_here(peers)
        found = []
        for peer_id, chain in list(self._connected.items()):
            finding = await self._look_up(chain)
            if finding.revoked:
                found.append((peer_id, _ended(finding.certificate, finding.revoked)))
        return found

    def end_revoked(self, peers: Collection[int], disconnect: Callable[[int, str], None]) -> None:
        """End the sessions of clients whose certificate we revoked."""
        for peer_id, reason in self.revoked_here(peers):
            disconnect(peer_id, reason)

    async def watch_outside(self, there: Callable[[], Collection[int]], disconnect: Callable[[int, str], None]) -> None:
        """End the sessions of clients whose certificate an outside authority revoked, whenever that is."""
        while True:
            await asyncio.sleep(_BETWEEN_REVOCATIONS_SECONDS)
            for peer_id, reason in await self.revoked_outside(there()):
                disconnect(peer_id, reason)

    async def _look_up(self, chain: Chain) -> _Found:
        """Look up each certificate of a chain, from the leaf up; whom we trust ourselves is not looked up."""
        for certificate, above in zip(chain, (*chain[1:], None), strict=True):
            found = await self._look_up_one(certificate, above, chain[-1])
            if found.revoked or found.unknown:
                return found
            if above is None or self._authority(certificate) is not None:
                break
        return _Found(chain[0])

    async def _look_up_one(
        self, certificate: x509.Certificate, above: x509.Certificate | None, top: x509.Certificate
    ) -> _Found:
        if (words := self._known.revoked.get(_key(certificate))) is not None:
            return _Found(certificate, revoked=words)
        if certificate is top and self._authority(certificate) is not None:
            return _Found(certificate)
        issuer = self._authority(above) if above is not None else self._issuer(certificate)
        if issuer is None and above is not None and (anchor := self._authority(top)) is not None:
            # An intermediate that the client sent along: asked where certificates say, as strictly as what it hangs on.
            issuer = Outside(above, anchor.check)
        if issuer is None:
            strict = any(each.check is RevocationCheck.HARD for each in self._known.authorities)
            unknown = f"{certificate.issuer.rfc4514_string()} is not known here" if strict else ""
            return _Found(certificate, unknown=unknown)
        if issuer.check is RevocationCheck.OFF:
            return _Found(certificate)
        finding = await self._revocations.ask(
            certificate, issuer.certificate, crl_url=issuer.crl_url, ocsp_url=issuer.ocsp_url
        )
        if finding.status is Status.REVOKED:
            return _Found(certificate, revoked=finding.words or "by its authority")
        if finding.status is Status.UNKNOWN and issuer.check is RevocationCheck.HARD:
            return _Found(certificate, unknown=finding.words)
        return _Found(certificate)

    def _authority(self, certificate: x509.Certificate) -> Outside | None:
        """Give what is known of an authority, be this an earlier certificate of the same name and key."""
        return next((each for each in self._known.authorities if _is_same(each.certificate, certificate)), None)

    def _issuer(self, certificate: x509.Certificate) -> Outside | None:
        return next((each for each in self._known.authorities if is_issued_by(certificate, each.certificate)), None)


Chain = tuple[x509.Certificate, ...]
"""A client's certificate, and those above it up to the authority that we trust."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known of a certificate: how it was revoked, or why nobody can tell although somebody must."""

    certificate: x509.Certificate
    revoked: str = ""
    unknown: str = ""

    @property
    def subject(self) -> str:
        """Whose it is."""
        return self.certificate.subject.rfc4514_string()


def _chain(peer: PeerDescription, leaf: bytes) -> Chain:
    return tuple(map(x509.load_der_x509_certificate, (leaf, *peer.issuers)))


def _is_same(one: x509.Certificate, other: x509.Certificate) -> bool:
    return one == other or (one.subject == other.subject and one.public_key() == other.public_key())


def _authorities_of(profile: models.Profile) -> Iterator[x509.Certificate]:
    if profile.client_authorities.strip():
        yield from x509.load_pem_x509_certificates(profile.client_authorities.encode())


def _ended(certificate: x509.Certificate, revoked: str) -> str:
    return f"the certificate of {certificate.subject.rfc4514_string()} was revoked {revoked}"


def _key(certificate: x509.Certificate) -> tuple[bytes, int]:
    return certificate.issuer.public_bytes(), certificate.serial_number


def _why(row: models.Certificate) -> str:
    reason = f" ({row.revocation_reason.value})" if row.revocation_reason is not None else ""
    return f"on {row.revoked_at:%Y-%m-%d %H:%M} UTC{reason}"

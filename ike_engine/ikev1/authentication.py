"""HASH_I, HASH_R, SIG_I, SIG_R and the certificates behind them (RFC 2409 section 5).

    HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b )
    HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b )

In hybrid authentication (draft-ietf-ipsec-isakmp-hybrid-auth-05) the gateway signs and the client
sends HASH_I. Other gateways ignore that hash; we verify it: it proves that the client holds the
Diffie-Hellman secret and binds its offer and identity.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from ike_engine.crypto.certificates import Purpose, matches_name, public_key, validate
from ike_engine.crypto.prf import prf
from ike_engine.crypto.signatures import verify_hash
from ike_engine.errors import AuthenticationFailed, InvalidCertificate, InvalidHash, InvalidSignature
from ike_engine.ikev1.numbers import CertificateEncoding
from ike_engine.ikev1.payloads import Certificate, Hash, Identity, Signature
from ike_engine.policy import Authentication, LocalIdentity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ike_engine.ikev1.isakmp_sa import IsakmpSa


@dataclass(frozen=True, slots=True)
class Hashed:
    """The octets of phase 1 that both hashes cover."""

    g_xi: bytes
    g_xr: bytes
    sai_b: bytes


def hash_i(sa: IsakmpSa, hashed: Hashed, idii_b: bytes) -> bytes:
    """HASH_I, over the initiator's identity."""
    t = hashed
    return prf(sa.agreed.hash_algorithm, sa.secrets.skeyid, t.g_xi, t.g_xr, sa.cky_i, sa.cky_r, t.sai_b, idii_b)


def hash_r(sa: IsakmpSa, hashed: Hashed, idir_b: bytes) -> bytes:
    """HASH_R, over the responder's identity."""
    t = hashed
    return prf(sa.agreed.hash_algorithm, sa.secrets.skeyid, t.g_xr, t.g_xi, sa.cky_r, sa.cky_i, t.sai_b, idir_b)


def signs(sa: IsakmpSa, *, initiator: bool) -> bool:
    """Whether that side proves itself by a signature: in hybrid only the responder."""
    return sa.authentication is Authentication.XAUTH_RSA or (
        sa.authentication is Authentication.HYBRID_RSA and not initiator
    )


def prove(sa: IsakmpSa, value: bytes) -> tuple[tuple[Certificate, ...], Hash | Signature]:
    """Our proof of ``value`` (our HASH) and the certificates that go with it.

    # quirk: vpnc 0.5.3, racoon (main mode) want the certificate in hybrid but send no CERTREQ: it goes unasked.
    """
    if not signs(sa, initiator=sa.initiator):
        return (), Hash(data=value)
    identity = _local(sa)
    if identity.private_key is None:
        raise AuthenticationFailed(
            f"profile {sa.served_by.name} has no private key", remedy="Give the profile a certificate with its key."
        )
    certificates = identity.certificates
    if sa.takes_one_certificate_only:
        certificates = certificates[:1]
    return (
        tuple(Certificate(encoding=CertificateEncoding.X509_SIGNATURE, data=der) for der in certificates),
        Signature(data=identity.private_key.sign_hash(value)),
    )


def _local(sa: IsakmpSa) -> LocalIdentity:
    identity = sa.served_by.identity
    if identity is None:
        raise AuthenticationFailed(
            f"profile {sa.served_by.name} has no certificate", remedy="Give the profile a gateway certificate."
        )
    return identity


def verify(sa: IsakmpSa, value: bytes, proof: Hash | Signature, certificates: Sequence[Certificate]) -> None:
    """Believe that ``proof`` was made by who took part in the Diffie-Hellman exchange and holds the key, or raise.

    Whether that key is worth anything is another question: ``trust``.

    Args:
        sa: Whose authentication method decides what the proof must be.
        value: The HASH as we compute it.
        proof: The peer's HASH or SIG payload.
        certificates: The peer's CERT payloads, leaf first.

    Raises:
        InvalidHash, InvalidSignature, InvalidCertificate, AuthenticationFailed: in words.
    """
    if not signs(sa, initiator=not sa.initiator):
        if not isinstance(proof, Hash):
            raise AuthenticationFailed("a signature where the method asks for a HASH")
        if not hmac.compare_digest(proof.data, value):
            raise InvalidHash("the peer's HASH does not verify: it has another key or another view of the exchange")
        return
    if not isinstance(proof, Signature):
        raise AuthenticationFailed("a HASH where the method asks for a signature")
    if not verify_hash(public_key(_chain(certificates)[0]), value, proof.data):
        raise InvalidSignature("the peer's signature does not verify")


def trust(
    sa: IsakmpSa, identity: Identity, certificates: Sequence[Certificate], *, at: datetime, gateway_name: str = ""
) -> None:
    """Believe that the key of a peer that signs belongs to whom it says it is, or raise.

    Args:
        sa: Gets the peer's certificate.
        identity: The peer's ID payload, which its certificate must carry.
        certificates: The peer's CERT payloads, leaf first.
        at: Now, for the validity of certificates.
        gateway_name: Client side: the name that was asked for must be in the certificate.

    Raises:
        InvalidCertificate: in words.
    """
    if not signs(sa, initiator=not sa.initiator):
        return
    chain = _chain(certificates)
    leaf, *issuers = validate(
        chain,
        sa.served_by.trust_anchors,
        at=at,
        identification=identity.identification,
        purpose=Purpose.GATEWAY if sa.initiator else Purpose.CLIENT,
    )
    if gateway_name and not matches_name(leaf, gateway_name):
        raise InvalidCertificate(f"the gateway's certificate is not for {gateway_name}")
    sa.certificate = chain[0]
    sa.issuers = tuple(each.public_bytes(Encoding.DER) for each in issuers)


def _chain(certificates: Sequence[Certificate]) -> list[bytes]:
    chain = [c.data for c in certificates if c.encoding == CertificateEncoding.X509_SIGNATURE]
    if not chain:
        raise InvalidCertificate("the peer sent no X.509 certificate")
    return chain

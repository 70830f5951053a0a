"""What main mode and aggressive mode share: agreeing on a suite, the Diffie-Hellman exchange, identities."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Protocol

from ike_engine.crypto.groups import KeyPair, generate
from ike_engine.errors import AuthenticationFailed
from ike_engine.identities import Identification, IdType
from ike_engine.ikev1 import keys, nat_traversal
from ike_engine.ikev1.numbers import NotifyType
from ike_engine.ikev1.payloads import CertificateRequest, Identity, NatDetection, Notification, VendorId
from ike_engine.policy import Authentication, Policy
from ike_engine.secret import Secret
from ike_engine.wire import vendor_ids

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ike_engine.crypto.suites import DhGroup
    from ike_engine.ikev1.isakmp_sa import IsakmpSa
    from ike_engine.ikev1.messages import Ikev1Message
    from ike_engine.ikev1.proposals import Phase1Choice, Phase1Offer
    from ike_engine.path import Path

NONCE_OCTETS = 32
NOTHING_FAKED = b""


class Surroundings(Protocol):
    """What phase 1 needs from around it."""

    policy: Policy
    entropy: Callable[[int], bytes]
    wall_clock: Callable[[], datetime]


class DiffieHellman:
    """Our half of the exchange. The key pair is made when the peer has shown that it receives."""

    def __init__(self, group: DhGroup, entropy: Callable[[int], bytes]) -> None:
        self._group, self._entropy = group, entropy
        self._pair: KeyPair | None = None
        self.g_xy = Secret()

    @property
    def public(self) -> bytes:
        """g^x, padded to the group's length."""
        if self._pair is None:
            self._pair = generate(self._group, self._entropy)
        return self._pair.public

    def accept(self, peer_public: bytes) -> None:
        """Compute g^xy.

        Raises:
            InvalidKeyInformation: the peer's value is not of the group.
        """
        if self._pair is None:
            self._pair = generate(self._group, self._entropy)
        self.g_xy = self._pair.shared(peer_public)


def agree(sa: IsakmpSa, choice: Phase1Choice) -> None:
    """Responder: write the choice into the SA.

    # quirk: vpnc 0.5.3 offers 2147483 s and does not survive a rekey; every offer is taken as it is and our
    # own limit is kept by deleting the SA, or told by RESPONDER-LIFETIME.
    """
    sa.profile, sa.proposal, sa.authentication = choice.profile, choice.suite, choice.authentication
    sa.lifetime_seconds = choice.offer.lifetime.seconds or choice.profile.isakmp_lifetime_seconds


def agreed_by_responder(sa: IsakmpSa, offer: Phase1Offer) -> None:
    """Initiator: write the responder's choice into the SA."""
    sa.proposal, sa.authentication = offer.suite, offer.authentication
    sa.lifetime_seconds = offer.lifetime.seconds or sa.served_by.isakmp_lifetime_seconds


def make_keys(sa: IsakmpSa, g_xy: Secret, g_xi: bytes, g_xr: bytes, ni_b: bytes, nr_b: bytes) -> None:
    """SKEYID and the rest, and the first IV."""
    hash_algorithm, cipher = sa.agreed.hash_algorithm, sa.agreed.cipher
    if sa.authentication is Authentication.XAUTH_PSK:
        key = sa.served_by.pre_shared_key
        if key is None:
            raise AuthenticationFailed(
                f"profile {sa.served_by.name} has no pre-shared key", remedy="Set the profile's group key."
            )
        skeyid = keys.skeyid_of_pre_shared_key(hash_algorithm, key, ni_b, nr_b)
    else:
        skeyid = keys.skeyid_of_signatures(hash_algorithm, ni_b, nr_b, g_xy)
    sa.keys = keys.derive(hash_algorithm, cipher, skeyid, g_xy, sa.cky_i, sa.cky_r)
    sa.iv = keys.initial_iv(hash_algorithm, cipher, g_xi, g_xr)


def own_identity(sa: IsakmpSa) -> Identity:
    """Our ID payload: the profile's identity, else the address that the peer sees."""
    identity = sa.served_by.identity
    if identity is not None:
        return Identity.of(identity.identification)
    return Identity.of(Identification(IdType.IPV4_ADDR, ipaddress.ip_address(sa.path.local.ip).packed))


def answering_vendor_ids(sa: IsakmpSa) -> tuple[VendorId, ...]:
    """Responder: XAUTH always; of the rest what the peer announced; exactly one NAT-T version, the best of both."""
    answered = [vendor_ids.XAUTH]
    answered += [
        known for known in (vendor_ids.DPD, vendor_ids.CISCO_UNITY, vendor_ids.FRAGMENTATION) if sa.announced(known)
    ]
    sa.nat_traversal = nat_traversal.choose(sa.vendor_ids)
    if sa.nat_traversal is not None:
        answered.append(sa.nat_traversal.vendor_id)
    return tuple(VendorId(data=value) for value in answered)


def offered_vendor_ids() -> tuple[VendorId, ...]:
    """Initiator: all that we can do."""
    return tuple(
        VendorId(data=value)
        for value in (
            vendor_ids.XAUTH,
            vendor_ids.DPD,
            vendor_ids.CISCO_UNITY,
            vendor_ids.FRAGMENTATION,
            *(version.vendor_id for version in nat_traversal.NatTraversal),
        )
    )


def nat_detections(sa: IsakmpSa, around: Surroundings) -> tuple[NatDetection, ...]:
    """Our NAT-D payloads, faked when ESP must be encapsulated whatever the path."""
    if sa.nat_traversal is None:
        return ()
    hash_algorithm = sa.agreed.hash_algorithm
    fake = around.entropy(hash_algorithm.octets) if around.policy.force_encapsulation else NOTHING_FAKED
    return nat_traversal.detections(sa.nat_traversal, hash_algorithm, sa.cky_i, sa.cky_r, sa.path, fake)


def evaluate_nat(sa: IsakmpSa, around: Surroundings, received: tuple[NatDetection, ...], *covered: Path) -> None:
    """Find the NATs on the path that ``received`` covers; we pretend one when encapsulation is forced."""
    found = nat_traversal.evaluate(received, sa.agreed.hash_algorithm, sa.cky_i, sa.cky_r, *covered)
    if received and around.policy.force_encapsulation:
        found = nat_traversal.NatSituation(local=True, remote=found.remote)
    sa.nat = found


def float_to_nat_t(sa: IsakmpSa) -> None:
    """Initiator: move to the NAT-T ports once a NAT is found (RFC 3947 section 4)."""
    if sa.encapsulated and not sa.path.nat_t and sa.nat_t_path is not None:
        sa.path = sa.nat_t_path


def certificate_requests(sa: IsakmpSa) -> tuple[CertificateRequest, ...]:
    """Ask for the peer's certificate where it must prove itself by one; empty authority means any."""
    wanted = sa.authentication is Authentication.XAUTH_RSA or sa.initiator
    return (CertificateRequest(authority=b""),) if wanted else ()


def initial_contact(sa: IsakmpSa, *, first: bool) -> tuple[Notification, ...]:
    """INITIAL-CONTACT when there is no other SA with that peer (RFC 2407 section 4.6.3.3)."""
    return (Notification(type=NotifyType.INITIAL_CONTACT, spi=sa.cky_i + sa.cky_r),) if first else ()


def note_peer(sa: IsakmpSa, message: Ikev1Message) -> None:
    """Remember what rides in a message: vendor IDs, INITIAL-CONTACT."""
    if not message.everywhere:
        return
    announced = message.vendor_ids
    sa.vendor_ids += announced
    # quirk: vpnc 0.5.3: this vendor ID comes only from it (and the Cisco client that it copies), in message 3.
    if vendor_ids.CISCO_CLIENT_MESSAGE_3 in announced:
        sa.vpnc = True
    if any(n.type == NotifyType.INITIAL_CONTACT for n in message.notifications):
        sa.initial_contact = True

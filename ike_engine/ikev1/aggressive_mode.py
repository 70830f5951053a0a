"""Aggressive mode (RFC 2409 section 5; hybrid: draft-ietf-ipsec-isakmp-hybrid-auth-05 section 3.2.2).

       Initiator                                      Responder
    HDR, SA, KE, Ni, IDii                    -->
                                             <--   HDR, SA, KE, Nr, IDir, [CERT], HASH_R | SIG_R, [NAT-D, NAT-D]
    HDR[*], [CERT], HASH_I | SIG_I, [NAT-D, NAT-D]  -->

Message 3 comes in clear from some clients and encrypted from others; only an encrypted one moves
the IV. It is sent to port 4500 when a NAT was found; its NAT-D payloads may still cover the ports of
message 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ike_engine.errors import InvalidCertificate, InvalidHash, InvalidSignature
from ike_engine.ikev1.authentication import Hashed, hash_i, hash_r, prove, trust, verify
from ike_engine.ikev1.messages import AggressiveMode1, AggressiveMode2, AggressiveMode3
from ike_engine.ikev1.nat_traversal import choose
from ike_engine.ikev1.payloads import KeyExchange, Nonce
from ike_engine.ikev1.phase_1 import (
    NONCE_OCTETS,
    DiffieHellman,
    Surroundings,
    agree,
    agreed_by_responder,
    answering_vendor_ids,
    certificate_requests,
    evaluate_nat,
    float_to_nat_t,
    initial_contact,
    make_keys,
    nat_detections,
    note_peer,
    offered_vendor_ids,
    own_identity,
)
from ike_engine.ikev1.proposals import accepted_phase_1, choose_phase_1, offer_phase_1
from ike_engine.policy import Phase1Mode

if TYPE_CHECKING:
    from ike_engine.exchange import Exchange
    from ike_engine.ikev1.isakmp_sa import IsakmpSa

SHORT_NONCE_OCTETS = 20
"""# quirk: vpnc 0.5.3: no IKE fragmentation: for message 2 to fit into one datagram every octet counts."""

BENEFIT_OF_DOUBT_SECONDS = 5.0
"""Anybody could have written a message 2 that is not believed; so long the initiator waits for a better one."""


async def respond(x: Exchange, sa: IsakmpSa, around: Surroundings) -> None:
    """The gateway's side: message 2, and the judgement of message 3."""
    m1 = await x.receive(AggressiveMode1)
    note_peer(sa, m1)
    sa.identity = m1.identity.identification
    choice = choose_phase_1(
        m1.sa,
        around.policy.profiles,
        Phase1Mode.AGGRESSIVE,
        group=str(sa.identity),
        public_octets=len(m1.key_exchange.data),
    )
    agree(sa, choice)
    vendor_ids = answering_vendor_ids(sa)
    dh = DiffieHellman(sa.agreed.group, around.entropy)
    dh.accept(m1.key_exchange.data)
    nr = Nonce(data=around.entropy(SHORT_NONCE_OCTETS if sa.takes_one_certificate_only else NONCE_OCTETS))
    hashed = Hashed(g_xi=m1.key_exchange.data, g_xr=dh.public, sai_b=m1.sa.body)
    make_keys(sa, dh.g_xy, hashed.g_xi, hashed.g_xr, m1.nonce.data, nr.data)
    identity = own_identity(sa)
    certificates, proof = prove(sa, hash_r(sa, hashed, identity.body))
    x.send(
        AggressiveMode2(
            sa=choice.answer,
            key_exchange=KeyExchange(data=dh.public),
            nonce=nr,
            identity=identity,
            certificates=certificates,
            proof=proof,
            certificate_requests=certificate_requests(sa),
            nat_detections=nat_detections(sa, around),
            everywhere=vendor_ids,
        )
    )

    def authentic(m3: AggressiveMode3) -> None:
        verify(sa, hash_i(sa, hashed, m1.identity.body), m3.proof, m3.certificates)

    m3 = await x.receive(AggressiveMode3, proof=authentic)
    note_peer(sa, m3)
    trust(sa, m1.identity, m3.certificates, at=around.wall_clock())
    # quirk: vpnc 0.5.3, libreswan 4.10: these cover the ports of message 1, racoon's those of message 3.
    evaluate_nat(sa, around, m3.nat_detections, sa.first_path, sa.path)


async def initiate(x: Exchange, sa: IsakmpSa, around: Surroundings, gateway_name: str, *, first: bool) -> None:
    """The client's side: messages 1 and 3 (encrypted). Arguments as in ``main_mode.initiate``.

    All suites of the profile must be of one Diffie-Hellman group, that of the KE in message 1.
    """
    offer = offer_phase_1(sa.served_by)
    dh = DiffieHellman(sa.served_by.ike_proposals[0].group, around.entropy)
    ni = Nonce(data=around.entropy(NONCE_OCTETS))
    identity = own_identity(sa)
    x.send(
        AggressiveMode1(
            sa=offer,
            key_exchange=KeyExchange(data=dh.public),
            nonce=ni,
            identity=identity,
            certificate_requests=certificate_requests(sa),
            everywhere=offered_vendor_ids(),
        )
    )
    hashed = Hashed(b"", b"", b"")
    doubted = False

    def authentic(m2: AggressiveMode2) -> None:
        nonlocal hashed, doubted
        agreed_by_responder(sa, accepted_phase_1(m2.sa, sa.served_by))
        dh.accept(m2.key_exchange.data)
        hashed = Hashed(g_xi=dh.public, g_xr=m2.key_exchange.data, sai_b=offer.body)
        make_keys(sa, dh.g_xy, hashed.g_xi, hashed.g_xr, ni.data, m2.nonce.data)
        try:
            verify(sa, hash_r(sa, hashed, m2.identity.body), m2.proof, m2.certificates)
            trust(sa, m2.identity, m2.certificates, at=around.wall_clock(), gateway_name=gateway_name)
        except (InvalidCertificate, InvalidHash, InvalidSignature):
            if not doubted:
                doubted = True
                x.allow(BENEFIT_OF_DOUBT_SECONDS)
            raise

    m2 = await x.receive(AggressiveMode2, proof=authentic)
    note_peer(sa, m2)
    sa.identity = m2.identity.identification
    sa.nat_traversal = choose(sa.vendor_ids)
    covered = sa.first_path
    evaluate_nat(sa, around, m2.nat_detections, covered)
    ours = nat_detections(sa, around)
    float_to_nat_t(sa)
    certificates, proof = prove(sa, hash_i(sa, hashed, identity.body))
    x.send(
        AggressiveMode3(
            certificates=certificates, proof=proof, nat_detections=ours, everywhere=initial_contact(sa, first=first)
        )
    )

"""Main mode (RFC 2409 section 5; hybrid: draft-ietf-ipsec-isakmp-hybrid-auth-05 section 3.2.1).

       Initiator                                 Responder
    HDR, SA                             -->
                                        <--   HDR, SA
    HDR, KE, Ni, [NAT-D, NAT-D]         -->
                                        <--   HDR, KE, Nr, [CERTREQ], [NAT-D, NAT-D]
    HDR*, IDii, [CERT], HASH_I | SIG_I  -->
                                        <--   HDR*, IDir, [CERT], HASH_R | SIG_R

Hybrid: HASH_I from the client, SIG_R from the gateway. The initiator moves to port 4500 with
message 5 when the NAT-D payloads tell of a NAT; the responder answers where a message came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ike_engine.ikev1.authentication import Hashed, hash_i, hash_r, prove, trust, verify
from ike_engine.ikev1.messages import MainMode1, MainMode2, MainMode3, MainMode4, MainMode5, MainMode6
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


async def respond(x: Exchange, sa: IsakmpSa, around: Surroundings) -> None:
    """The gateway's side: messages 2, 4 and 6."""
    m1 = await x.receive(MainMode1)
    note_peer(sa, m1)
    choice = choose_phase_1(m1.sa, around.policy.profiles, Phase1Mode.MAIN)
    agree(sa, choice)
    x.send(MainMode2(sa=choice.answer, everywhere=answering_vendor_ids(sa)))

    dh = DiffieHellman(sa.agreed.group, around.entropy)
    m3 = await x.receive(MainMode3, proof=lambda m: dh.accept(m.key_exchange.data))
    note_peer(sa, m3)
    nr = Nonce(data=around.entropy(NONCE_OCTETS))
    evaluate_nat(sa, around, m3.nat_detections, sa.path)
    x.send(
        MainMode4(
            key_exchange=KeyExchange(data=dh.public),
            nonce=nr,
            certificate_requests=certificate_requests(sa),
            nat_detections=nat_detections(sa, around),
        )
    )

    hashed = Hashed(g_xi=m3.key_exchange.data, g_xr=dh.public, sai_b=m1.sa.body)
    make_keys(sa, dh.g_xy, hashed.g_xi, hashed.g_xr, m3.nonce.data, nr.data)
    m5 = await x.receive(
        MainMode5, proof=lambda m: verify(sa, hash_i(sa, hashed, m.identity.body), m.proof, m.certificates)
    )
    note_peer(sa, m5)
    sa.identity = m5.identity.identification
    trust(sa, m5.identity, m5.certificates, at=around.wall_clock())
    identity = own_identity(sa)
    certificates, proof = prove(sa, hash_r(sa, hashed, identity.body))
    x.send(MainMode6(identity=identity, certificates=certificates, proof=proof))


async def initiate(x: Exchange, sa: IsakmpSa, around: Surroundings, gateway_name: str, *, first: bool) -> None:
    """The client's side: messages 1, 3 and 5.

    Args:
        gateway_name: Must be in the gateway's certificate; empty: any that chains to the trust anchors.
        first: Say INITIAL-CONTACT: we have no other SA with that gateway.
    """
    offer = offer_phase_1(sa.served_by)
    x.send(MainMode1(sa=offer, everywhere=offered_vendor_ids()))
    m2 = await x.receive(MainMode2, proof=lambda m: agreed_by_responder(sa, accepted_phase_1(m.sa, sa.served_by)))
    note_peer(sa, m2)
    sa.nat_traversal = choose(sa.vendor_ids)

    dh = DiffieHellman(sa.agreed.group, around.entropy)
    ni = Nonce(data=around.entropy(NONCE_OCTETS))
    x.send(
        MainMode3(
            key_exchange=KeyExchange(data=dh.public),
            nonce=ni,
            nat_detections=nat_detections(sa, around),
        )
    )
    m4 = await x.receive(MainMode4, proof=lambda m: dh.accept(m.key_exchange.data))
    note_peer(sa, m4)
    evaluate_nat(sa, around, m4.nat_detections, sa.path)
    float_to_nat_t(sa)

    hashed = Hashed(g_xi=dh.public, g_xr=m4.key_exchange.data, sai_b=offer.body)
    make_keys(sa, dh.g_xy, hashed.g_xi, hashed.g_xr, ni.data, m4.nonce.data)
    identity = own_identity(sa)
    certificates, proof = prove(sa, hash_i(sa, hashed, identity.body))
    x.send(
        MainMode5(
            identity=identity,
            certificates=certificates,
            proof=proof,
            certificate_requests=certificate_requests(sa),
            everywhere=initial_contact(sa, first=first),
        )
    )
    m6 = await x.receive(
        MainMode6, proof=lambda m: verify(sa, hash_r(sa, hashed, m.identity.body), m.proof, m.certificates)
    )
    note_peer(sa, m6)
    sa.identity = m6.identity.identification
    trust(sa, m6.identity, m6.certificates, at=around.wall_clock(), gateway_name=gateway_name)

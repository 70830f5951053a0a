"""Quick mode (RFC 2409 section 5.5): one Child SA.

       Initiator                                        Responder
    HDR*, HASH(1), SA, Ni [, KE ] [, IDci, IDcr ] -->
                                                  <--  HDR*, HASH(2), SA, Nr [, KE ] [, IDci, IDcr ]
    HDR*, HASH(3)                                 -->

    HASH(1) = prf(SKEYID_a, M-ID | rest)
    HASH(2) = prf(SKEYID_a, M-ID | Ni_b | rest)
    HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b)

The responder's inbound SA is installed before message 2 leaves, its outbound SA when message 3
proves that the initiator is ready; the initiator installs both before message 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ike_engine.child_sa import ChildSa
from ike_engine.errors import InvalidIdInformation, NoProposalChosen
from ike_engine.ikev1.keys import esp_keys
from ike_engine.ikev1.lifetimes import Lifetime, announced, responder_lifetime
from ike_engine.ikev1.messages import QuickMode1, QuickMode2, QuickMode3
from ike_engine.ikev1.numbers import EncapsulationMode, ProtocolId
from ike_engine.ikev1.payloads import Identity, KeyExchange, Nonce
from ike_engine.ikev1.phase_1 import DiffieHellman
from ike_engine.ikev1.proposals import EspChoice, choose_esp, offer_esp
from ike_engine.secret import Secret
from ike_engine.traffic_selectors import narrow, network_of

if TYPE_CHECKING:
    from ike_engine.crypto.suites import DhGroup, EspSuite
    from ike_engine.exchange import Exchange
    from ike_engine.identities import Identification
    from ike_engine.ikev1.envelope import Phase2Transport
    from ike_engine.ikev1.isakmp_sa import IsakmpSa
    from ike_engine.ikev1.payloads import Notification
    from ike_engine.policy import EspProposal, Profile

NONCE_OCTETS = 32
UNREACHABLE_KILOBYTES = 1 << 42
"""A limit of 4 exbibytes or more is none; in octets it would not fit into what a kernel counts with."""

# quirk: vpnc 0.5.3 answers our rekey in the copy of our own message: of a nonce longer than 20 octets it replaces the
# first 20 and sends the rest back, but makes its keys of those 20 alone (docs/decisions/0030-rekeying-vpnc.md).
VPNC_NONCE_OCTETS = 20


@dataclass(frozen=True, slots=True)
class Terms:
    """How a Child SA was negotiated, for a rekey in the same terms.

    Attributes:
        ours: Our side's traffic selector as it was said, which may be wider than what is installed.
        theirs: The peer's side.
        group: PFS group.
    """

    ours: Identification
    theirs: Identification
    suite: EspSuite
    group: DhGroup | None


Select = Callable[[Sequence[Identity]], tuple[tuple[IPv4Network, ...], tuple[IPv4Network, ...]]]
Install = Callable[[ChildSa, Terms], None]


@dataclass(frozen=True, slots=True)
class Means:
    """What quick mode needs from the role that runs it.

    Attributes:
        entropy: Source of nonces and exponents.
        draw_spi: Gives an inbound SPI that is free.
        install_inbound: Installs the inbound half; taken back by ``withdraw`` when the exchange fails.
    """

    entropy: Callable[[int], bytes]
    draw_spi: Callable[[], int]
    install_inbound: Install
    withdraw: Callable[[int], None]


def limits(profile: Profile, offered: Lifetime) -> Lifetime:
    """Our lifetime and the offered one, whichever is shorter."""
    seconds = min(offered.seconds or profile.child_lifetime_seconds, profile.child_lifetime_seconds)
    kilobytes = min(filter(None, (offered.kilobytes, profile.child_lifetime_kilobytes)), default=0)
    return Lifetime(seconds, kilobytes if kilobytes < UNREACHABLE_KILOBYTES else 0)


def _child(
    sa: IsakmpSa,
    choice: EspChoice,
    inbound_spi: int,
    nonces: bytes,
    g_xy: Secret,
    networks: tuple[tuple[IPv4Network, ...], tuple[IPv4Network, ...]],
    lifetime: Lifetime,
) -> ChildSa:
    if sa.peer is None:
        raise NoProposalChosen("quick mode before the login")
    hash_algorithm, skeyid_d = sa.agreed.hash_algorithm, sa.secrets.skeyid_d
    return ChildSa(
        inbound_spi=inbound_spi,
        outbound_spi=choice.spi,
        peer_id=sa.peer.id,
        suite=choice.suite,
        inbound_keys=esp_keys(hash_algorithm, skeyid_d, choice.suite, inbound_spi, nonces, g_xy),
        outbound_keys=esp_keys(hash_algorithm, skeyid_d, choice.suite, choice.spi, nonces, g_xy),
        path=sa.path,
        encapsulated=choice.encapsulated,
        local_networks=networks[0],
        remote_networks=networks[1],
        lifetime_seconds=lifetime.seconds,
        lifetime_kilobytes=lifetime.kilobytes or None,
    )


async def respond(x: Exchange, sa: IsakmpSa, transport: Phase2Transport, select: Select, means: Means) -> int:
    """Messages 2 and the judgement of message 3.

    Args:
        select: From the two ID payloads to our networks and the peer's, or ``InvalidIdInformation``.

    Returns:
        The inbound SPI of the Child SA, whose outbound half may now be installed.
    """
    m1 = await x.receive(QuickMode1)
    if len(m1.identities) not in (0, 2):
        raise InvalidIdInformation(f"{len(m1.identities)} identities in quick mode")
    choice = choose_esp(m1.sa, sa.served_by, encapsulated=sa.encapsulated, with_ke=m1.key_exchange is not None)
    networks = select(m1.identities)
    spi = means.draw_spi()
    nr = means.entropy(VPNC_NONCE_OCTETS if sa.vpnc else NONCE_OCTETS)
    key_exchange, g_xy = None, Secret()
    if choice.group is not None and m1.key_exchange is not None:
        dh = DiffieHellman(choice.group, means.entropy)
        dh.accept(m1.key_exchange.data)
        key_exchange, g_xy = KeyExchange(data=dh.public), dh.g_xy
    lifetime = limits(sa.served_by, choice.lifetime)
    nonces = m1.nonce.data + nr
    child = _child(sa, choice, spi, nonces, g_xy, networks, lifetime)
    # The initiator said its own side first.
    terms = Terms(m1.identities[1].identification, m1.identities[0].identification, choice.suite, choice.group)
    means.install_inbound(child, terms)
    x.on_failure(lambda: means.withdraw(spi))
    transport.nonces = m1.nonce.data
    shortened: tuple[Notification, ...] = ()
    if lifetime.seconds < choice.lifetime.seconds:
        shortened = (responder_lifetime(ProtocolId.ESP, spi.to_bytes(4, "big"), lifetime.seconds),)
    x.send(
        QuickMode2(
            sa=choice.answer(spi),
            nonce=Nonce(data=nr),
            key_exchange=key_exchange,
            identities=m1.identities,
            everywhere=shortened,
        )
    )
    transport.prefix, transport.nonces = b"\0", nonces
    # quirk: libreswan 4.10: message 3 leaves only after its updown script ran (5 s): message 2 is repeated meanwhile.
    await x.receive(QuickMode3)
    return spi


async def initiate(
    x: Exchange,
    sa: IsakmpSa,
    transport: Phase2Transport,
    means: Means,
    terms: Terms,
    networks: tuple[tuple[IPv4Network, ...], tuple[IPv4Network, ...]],
    proposals: Sequence[EspProposal],
) -> int:
    """Messages 1 and 3, for a first Child SA or a rekey.

    Args:
        terms: Selectors and PFS group to ask for.
        networks: Ours and the peer's, as installed; a peer that answers with a narrower selector of its own
            (strongSwan does) carries no more than that.
        proposals: What to offer; a rekey offers one, the old.
    """
    spi = means.draw_spi()
    ni = means.entropy(VPNC_NONCE_OCTETS if sa.vpnc else NONCE_OCTETS)
    dh = DiffieHellman(terms.group, means.entropy) if terms.group is not None else None
    wanted = Lifetime(sa.served_by.child_lifetime_seconds, sa.served_by.child_lifetime_kilobytes or 0)
    mode = EncapsulationMode.TUNNEL
    if sa.encapsulated and sa.nat_traversal is not None:
        mode = sa.nat_traversal.tunnel
    x.send(
        QuickMode1(
            sa=offer_esp(proposals, spi, mode=mode, lifetime=wanted, group=terms.group),
            nonce=Nonce(data=ni),
            key_exchange=KeyExchange(data=dh.public) if dh is not None else None,
            identities=(Identity.of(terms.ours), Identity.of(terms.theirs)),
        )
    )
    transport.nonces = ni
    m2 = await x.receive(QuickMode2)
    choice = choose_esp(m2.sa, sa.served_by, encapsulated=sa.encapsulated, with_ke=m2.key_exchange is not None)
    if choice.suite not in {proposal.suite for proposal in proposals} or choice.group is not terms.group:
        raise NoProposalChosen("the peer chose an ESP suite or a PFS group that was not offered")
    g_xy = Secret()
    if dh is not None and m2.key_exchange is not None:
        dh.accept(m2.key_exchange.data)
        g_xy = dh.g_xy
    lifetime = limits(sa.served_by, announced(m2.notifications, ProtocolId.ESP) or choice.lifetime)
    nonces = ni + m2.nonce.data
    child = _child(sa, choice, spi, nonces, g_xy, (networks[0], _agreed_networks(m2, networks[1])), lifetime)
    means.install_inbound(child, terms)
    x.on_failure(lambda: means.withdraw(spi))
    transport.prefix, transport.nonces = b"\0", nonces
    x.send(QuickMode3())
    return spi


def _agreed_networks(m2: QuickMode2, wanted: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
    """What of the peer's networks it agreed to carry; no identities in its answer: all of them."""
    if len(m2.identities) != 2:
        return wanted
    said = network_of(m2.identities[1].identification)
    agreed = narrow(said, wanted)
    if not agreed:
        raise InvalidIdInformation(f"the peer answered with {said}, which we did not ask for")
    return agreed

"""The octets of real clients, captured with another gateway, against ours.

Our gateway draws the cookie, the exponent and the nonce of the captured one; then the captured messages
verify, and all that is made of them is ours. What depends on our own words cannot have been captured:
there a test speaks under the same keys.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.actions import Configuration
from ike_engine.events import ChildSaEstablished, IsakmpSaEstablished, PeerConnected, PeerRefused
from ike_engine.ikev1.messages import AggressiveMode2, Informational, MainMode2, QuickMode1, QuickMode3
from ike_engine.ikev1.numbers import (
    EncapsulationMode,
    EspAttribute,
    EspTransform,
    ExchangeType,
    NotifyType,
    PayloadType,
)
from ike_engine.ikev1.numbers import ModeConfigAttribute as Mode
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, Nonce
from ike_engine.path import Address, Path
from ike_engine.policy import EspProposal, IkeProposal
from ike_engine.wire import vendor_ids
from ike_engine.wire.chain import parse_chain
from ike_engine.wire.header import HEADER_OCTETS, Header
from tests.ike_engine.ikev1.test_keys import whole_payloads
from tests.ike_engine.lab import newest_sa, pair
from tests.ike_engine.playbook import Script
from tests.vectors.captured import handshake

if TYPE_CHECKING:
    from ike_engine.wire.chain import Payload

OLD_SUITES = {
    "ike_proposals": tuple(map(IkeProposal.from_text, ("aes256-sha256-modp2048", "aes256-sha1-modp2048"))),
    "esp_proposals": tuple(map(EspProposal.from_text, ("aes256-sha256", "aes256-sha1"))),
    "fragment_octets": 9000,
}
CAPTURED_ADDRESS = Configuration(
    address=IPv4Address("10.99.99.1"), reachable=(IPv4Network("10.99.0.0/24"), IPv4Network("10.1.0.0/16"))
)
"""The address that the captured gateway gave: the captured quick mode is about it."""


class Replay(Script):
    """A captured client at our gateway, and a test that goes on in its name."""

    def __init__(self, name: str, **gateway: Any) -> None:
        found = handshake(name)
        self.messages: list[dict[str, Any]] = found["messages"]
        super().__init__(pair(gateway={**OLD_SUITES, **gateway}, configuration=CAPTURED_ADDRESS), phase_1=False)
        associations = self.lab.gateway.endpoint._ikev1
        answers = [
            bytes.fromhex(message["hex"])
            for message in self.messages
            if message["src"].startswith("192.0.2.1:") and not message["flags"] & 1
        ]
        nr = next(
            payload.data
            for data in answers
            if data[16] != PayloadType.FRAGMENT
            for payload in whole_payloads(data)
            if isinstance(payload, Nonce)
        )
        exponent = int(found["keys"]["dh_priv_r"], 16)
        drawn = [(exponent - 1).to_bytes(32, "big"), nr]
        entropy = associations.entropy
        associations.entropy = lambda count: drawn.pop(0) if drawn else entropy(count)
        associations._draw_cookie = lambda: answers[0][8:16]

    def plays(self, *numbers: int) -> list[bytes]:
        """Captured messages, by number; gives what our gateway says to them."""
        before = len(self.lab.gateway.sent)
        for number in numbers:
            message = self.messages[number]
            here, there = (message[end].rsplit(":", 1) for end in ("dst", "src"))
            way = Path(Address(here[0], int(here[1])), Address(there[0], int(there[1])), message["marker"])
            self.lab.network.deliver(self.lab.gateway, bytes.fromhex(message["hex"]), way)
        if len(self.lab.gateway.endpoint._ikev1):
            self.sa = newest_sa(self.lab.gateway)
        return self.lab.gateway.sent[before:]

    def begins(self, number: int) -> tuple[Payload, ...]:
        """A captured message that begins an exchange; what follows is in it. Gives what it says."""
        data = bytes.fromhex(self.messages[number]["hex"])
        header = Header.parse(data)
        self.begin(ExchangeType(header.exchange_type), header.message_id)
        opened = self.transport.open(data, self.sa.path)
        self.plays(number)
        opened.take()
        return opened.payloads


def clear(data: bytes) -> tuple[Any, ...]:
    header = Header.parse(data)
    return parse_chain(header.next_payload, data[HEADER_OCTETS:], IKEV1_PAYLOADS)[0]


def test_vpnc_logs_in() -> None:
    """vpnc 0.5.3, hybrid, aggressive mode, no NAT-T port: the whole stay."""
    vpnc = Replay("vpnc-hybrid")

    (answer,) = vpnc.plays(0)
    m2 = AggressiveMode2.match(clear(answer))
    # quirk: vpnc 0.5.3: no CERTREQ, but it needs our certificate, and exactly one.
    assert len(m2.certificates) == 1
    # quirk: vpnc 0.5.3: no IKE fragmentation: where IP fragments are dropped message 2 must fit into 1472 octets. With
    # its MODP-1024 (128 octets less than here) and our nonce of 20 (the captured one has 16) that leaves 808 for the
    # certificate, which tests/appliance/certificates/test_service.py keeps.
    assert len(answer) - len(m2.certificates[0].data) - 128 + 4 <= 1472 - 808
    # quirk: vpnc 0.5.3: counts transforms from 0, key length before cipher, lifetime in 4 octets: all as it came.
    (proposal,) = m2.sa.proposals
    assert (proposal.number, [transform.number for transform in proposal.transforms]) == (0, [0])
    # It announced five versions of NAT traversal: one comes back, the best.
    assert [vid for vid in m2.vendor_ids if vendor_ids.names(vid).startswith("NAT-T")] == [vendor_ids.NAT_T_RFC_3947]

    # quirk: vpnc 0.5.3: message 3 is encrypted, with proof of the group key (40503), INITIAL-CONTACT and vendor IDs.
    vpnc.plays(2)
    assert vpnc.sa.established
    assert vpnc.sa.vpnc
    assert vpnc.sa.initial_contact
    assert (vpnc.sa.nat.local, vpnc.sa.nat.remote) == (False, False)
    vpnc.logs_in()

    # quirk: vpnc 0.5.3: a REQUEST with values in it, under identifier 20.
    vpnc.begins(7)
    reply = vpnc.hears_asked()
    assert reply.identifier == 20
    assert reply.attributes[0].octets == CAPTURED_ADDRESS.address.packed
    assert reply.get(Mode.UNITY_DDNS_HOSTNAME) is not None

    # quirk: vpnc 0.5.3: 12 proposals of one transform each, DES and NULL among them; 0.0.0.0/0 whatever is reachable.
    m1q = QuickMode1.match(vpnc.begins(9))
    assert len(m1q.sa.proposals) == 12
    m2q = vpnc.hears_quick_mode_2(m1q.nonce.data)
    (chosen,) = m2q.sa.proposals
    (transform,) = chosen.transforms
    assert transform.id == EspTransform.AES_CBC
    assert transform.get(EspAttribute.KEY_LENGTH).number == 256
    assert transform.get(EspAttribute.ENCAPSULATION_MODE).number == EncapsulationMode.TUNNEL
    assert [identity.data for identity in m2q.identities] == [CAPTURED_ADDRESS.address.packed, bytes(8)]
    vpnc.says(QuickMode3())

    connected = vpnc.lab.gateway.one(PeerConnected)
    assert connected.application_version.startswith("Cisco Systems VPN Client 0.5.3")
    assert connected.identity == "vpngroup"
    assert not connected.behind_nat
    assert vpnc.lab.gateway.one(ChildSaEstablished).local_networks == CAPTURED_ADDRESS.reachable
    # quirk: vpnc 0.5.3: 24 days, in seconds, for both phases; ours is shorter and is kept.
    assert vpnc.lab.gateway.one(ChildSaEstablished).lifetime_seconds == 28_800

    # quirk: vpnc 0.5.3: probes right after quick mode, with a random sequence number.
    vpnc.begins(12)
    (ack,) = vpnc.hears(Informational).notifications
    assert (ack.type, ack.data.hex()) == (NotifyType.R_U_THERE_ACK, "446cfe3d")

    # quirk: vpnc 0.5.3: message ids below 256, and two SPIs in one DELETE.
    assert vpnc.lab.gateway.inbound
    vpnc.plays(15)
    assert not vpnc.lab.gateway.inbound
    vpnc.plays(16)
    assert not vpnc.lab.gateway.endpoint.peers


def test_racoon_logs_in_with_message_3_in_clear() -> None:
    """racoon 0.9.1, hybrid, aggressive mode, behind a NAT: its words are those of iOS and Android."""
    racoon = Replay("nat-aggressive")
    racoon.plays(0)

    # quirk: racoon: message 3 is clear, so the base of all later IVs is still hash(g^xi | g^xr); it comes to port 4500
    # from another port, and its NAT-D cover these ports.
    racoon.plays(6)
    assert racoon.sa.established
    assert racoon.sa.iv.hex() == handshake("nat-aggressive")["keys"]["IV0"]
    assert (racoon.sa.nat.local, racoon.sa.nat.remote) == (False, True)
    assert racoon.sa.path.nat_t
    assert racoon.sa.path.remote.port == 25_726

    # quirk: racoon: INITIAL-CONTACT on its own, before Xauth is done.
    racoon.plays(7)
    assert racoon.sa.initial_contact
    racoon.logs_in()

    # quirk: racoon: four zero octets ask for an address.
    racoon.begins(12)
    assert racoon.hears_asked().attributes[0].octets == CAPTURED_ADDRESS.address.packed

    # quirk: racoon, iOS: one quick mode a network; here with PFS.
    m1 = QuickMode1.match(racoon.begins(14))
    m2 = racoon.hears_quick_mode_2(m1.nonce.data)
    assert m2.key_exchange is not None
    (transform,) = m2.sa.proposals[0].transforms
    assert transform.get(EspAttribute.ENCAPSULATION_MODE).number == EncapsulationMode.UDP_TUNNEL
    racoon.says(QuickMode3())
    assert racoon.lab.gateway.one(PeerConnected).behind_nat
    assert racoon.lab.gateway.one(ChildSaEstablished).local_networks == (IPv4Network("10.99.0.0/24"),)


def test_strongswan_does_main_mode_through_a_nat() -> None:
    """strongSwan 5.9.8, hybrid, main mode: messages 1, 3 and 5."""
    strongswan = Replay("nat-main-strongswan-gw")
    (answer,) = strongswan.plays(0)
    (transform,) = MainMode2.match(clear(answer)).sa.proposals[0].transforms
    assert transform.number == 1
    strongswan.plays(2)
    # Message 5 comes from another port to port 4500, with a CERTREQ in hybrid and INITIAL-CONTACT inside.
    (m6,) = strongswan.plays(4)[:1]
    assert strongswan.sa.established
    assert strongswan.sa.initial_contact
    assert strongswan.sa.nat.remote
    assert strongswan.sa.path.remote.port == 27_070
    assert len(m6) > HEADER_OCTETS
    strongswan.logs_in()
    assert strongswan.lab.gateway.one(IsakmpSaEstablished).mode == "main"


@pytest.mark.parametrize(("name", "first", "last"), [("vpnc-hybrid", 0, 2), ("nat-aggressive", 0, 6)])
def test_a_hash_of_hybrid_that_does_not_verify_lets_nobody_in(name: str, first: int, last: int) -> None:
    """Other gateways ignore the client's HASH_I in hybrid; it binds the client's offer and identity."""
    client = Replay(name)
    client.plays(first)
    associations = client.lab.gateway.endpoint._ikev1
    (sa,) = associations._by_own_cookie.values()
    assert sa.keys is not None
    sa.keys = type(sa.keys)(
        *(
            key if key is not sa.keys.skeyid else type(key)(b"!" + key[1:])
            for key in (sa.keys.skeyid, sa.keys.skeyid_d, sa.keys.skeyid_a, sa.keys.cipher_key)
        )
    )
    client.plays(last)
    assert not sa.established
    client.waits(60)
    assert "HASH does not verify" in client.lab.gateway.one(PeerRefused).reason

"""Quick mode as a transcript: PFS, lifetimes, what may be reached, and lost messages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from ike_engine.actions import Configuration, InstallBoth, RekeyChildren
from ike_engine.crypto.groups import KeyPair, generate
from ike_engine.crypto.suites import Cipher, DhGroup, EspSuite, Integrity
from ike_engine.events import ChildSaEstablished, PeerConnected, PeerGone, PeerRefused, Stage
from ike_engine.ikev1.keys import esp_keys
from ike_engine.ikev1.lifetimes import Lifetime
from ike_engine.ikev1.messages import Informational, QuickMode1, QuickMode2, QuickMode3
from ike_engine.ikev1.numbers import EncapsulationMode, EspAttribute, ExchangeType, LifeType, NotifyType, ProtocolId
from ike_engine.ikev1.numbers import ModeConfigAttribute as Mode
from ike_engine.ikev1.payloads import Identity, KeyExchange, Nonce
from ike_engine.ikev1.proposals import offer_esp
from ike_engine.ikev1.quick_mode import UNREACHABLE_KILOBYTES, limits
from ike_engine.policy import EspProposal, Profile
from ike_engine.traffic_selectors import identification_of
from ike_engine.wire.attributes import Attribute, parse_attributes
from tests.ike_engine.lab import CONFIGURATION, newest_sa, pair
from tests.ike_engine.network import Weather
from tests.ike_engine.playbook import Script

AES_SHA256 = (EspProposal.from_text("aes256-sha256"),)
AN_HOUR = Lifetime(3600)
OWN, EVERYTHING = IPv4Network("10.77.0.2/32"), IPv4Network("0.0.0.0/0")
SPI, NI = 0xC0FFEE00, b"initiator's nonce..."


@dataclass
class Offer:
    """What a client says in message 1."""

    proposals: tuple[EspProposal, ...] = AES_SHA256
    lifetime: Lifetime = AN_HOUR
    group: DhGroup | None = None
    networks: tuple[IPv4Network, ...] = (OWN, EVERYTHING)
    mode: EncapsulationMode = EncapsulationMode.TUNNEL
    spi: int = SPI

    def message(self, pair: KeyPair | None = None) -> QuickMode1:
        return QuickMode1(
            sa=offer_esp(self.proposals, self.spi, mode=self.mode, lifetime=self.lifetime, group=self.group),
            nonce=Nonce(data=NI),
            key_exchange=KeyExchange(data=pair.public) if pair else None,
            identities=tuple(Identity.of(identification_of(network)) for network in self.networks),
        )


def configured(configuration: Configuration = CONFIGURATION, gateway: dict[str, Any] | None = None) -> Script:
    """A client that has its address; nothing is fragmented."""
    whole = {"fragment_octets": 9000}
    client = Script(pair(configuration=configuration, gateway={**whole, **(gateway or {})}, client=whole))
    client.logs_in()
    client.asks(Attribute(Mode.INTERNAL_IP4_ADDRESS, b""))
    client.hears_asked()
    return client


def opens(client: Script, message: QuickMode1, message_id: int = 0x400) -> bytes:
    client.begin(ExchangeType.QUICK, message_id)
    return client.says(message)


def lifetime_of(message: QuickMode2) -> list[tuple[int, int]]:
    """RESPONDER-LIFETIME as (type, duration) pairs."""
    found = []
    for notification in message.notifications:
        if notification.type == NotifyType.RESPONDER_LIFETIME:
            assert notification.protocol == ProtocolId.ESP
            attributes = parse_attributes(notification.data)
            found += [(a.number, b.number) for a, b in zip(attributes[::2], attributes[1::2], strict=True)]
    return found


# ---- the exchange ------------------------------------------------------------------------------------


def test_quick_mode_is_three_messages() -> None:
    client = configured()

    opens(client, Offer().message())
    m2 = client.hears_quick_mode_2(NI)
    (installed,) = [output for output in client.lab.gateway.installs if isinstance(output, InstallBoth)]
    assert m2.sa.proposals[0].spi == installed.child.inbound_spi.to_bytes(4, "big")
    assert installed.child.outbound_spi == SPI
    assert not client.lab.gateway.of(ChildSaEstablished)
    client.says(QuickMode3())

    established = client.lab.gateway.one(ChildSaEstablished)
    assert (established.local_networks, established.remote_networks) == ((EVERYTHING,), (OWN,))
    assert client.lab.gateway.one(PeerConnected).esp_suite == "aes256-sha256"


def test_what_a_client_offers_comes_back_as_it_was() -> None:
    client = configured()
    offer = Offer(lifetime=Lifetime(3600, 4_608_000)).message()
    opens(client, offer)
    m2 = client.hears_quick_mode_2(NI)
    (proposal,), (asked,) = m2.sa.proposals, offer.sa.proposals
    assert proposal.transforms == asked.transforms
    assert [identity.data for identity in m2.identities] == [identity.data for identity in offer.identities]


def test_a_client_with_slow_scripts_hears_message_2_again() -> None:
    # quirk: libreswan 4.10: message 3 leaves only after its updown script ran, which takes 5 s.
    client = configured()
    opens(client, Offer().message())
    client.hears_quick_mode_2(NI)
    before = len(client.lab.gateway.sent)
    client.waits(5)
    repeated = client.lab.gateway.sent[before:]
    assert len(repeated) >= 2
    assert len(set(repeated)) == 1
    client.says(QuickMode3())
    assert client.lab.gateway.one(ChildSaEstablished)


def test_a_message_1_repeated_earns_message_2_and_no_second_child_sa() -> None:
    client = configured()
    first = opens(client, Offer().message())
    client.hears_quick_mode_2(NI)
    client.repeats(first)
    assert len(client.lab.gateway.inbound) == 1


def test_a_message_3_that_never_comes_takes_the_child_sa_along() -> None:
    client = configured(gateway={"dpd_interval_seconds": 0})
    opens(client, Offer().message())
    client.hears_quick_mode_2(NI)
    assert client.lab.gateway.inbound
    client.waits(60)
    assert not client.lab.gateway.inbound


@pytest.mark.parametrize("forge", [b"", b"!" * 20])
def test_a_message_3_with_another_hash_proves_nothing(forge: bytes) -> None:
    client = configured()
    opens(client, Offer().message())
    client.hears_quick_mode_2(NI)
    client.transport.nonces = forge
    client.says(QuickMode3())
    assert not client.lab.gateway.of(ChildSaEstablished)


# ---- PFS ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", DhGroup)
def test_every_group_serves_for_pfs(group: DhGroup) -> None:
    client = configured()
    ours = generate(group, lambda count: bytes(range(1, count + 1)))
    opens(client, Offer(group=group).message(ours))
    m2 = client.hears_quick_mode_2(NI)
    assert m2.key_exchange is not None
    client.says(QuickMode3())
    (child,) = client.lab.gateway.inbound.values()
    expected = esp_keys(
        client.sa.agreed.hash_algorithm,
        client.sa.secrets.skeyid_d,
        child.suite,
        SPI,
        NI + m2.nonce.data,
        ours.shared(m2.key_exchange.data),
    )
    assert child.outbound_keys == expected


@pytest.mark.parametrize(
    ("offer", "with_ke", "gateway", "words"),
    [
        (Offer(), False, {"require_pfs": True}, "offered no PFS, which the profile requires"),
        (Offer(group=DhGroup.MODP_1024), True, {"pfs_groups": (DhGroup.ECP_256,)}, "PFS group modp1024 is not allowed"),
        (Offer(group=DhGroup.ECP_256), False, {}, "a PFS group without a KE payload"),
        (Offer(), True, {}, "a KE payload without a PFS group"),
        (Offer(proposals=(EspProposal.from_text("3des-md5"),)), False, {}, "no ESP suite in common"),
        (Offer(mode=EncapsulationMode.UDP_TUNNEL), False, {}, "wants ESP in UDP, but no NAT was found"),
        (Offer(mode=EncapsulationMode.TRANSPORT), False, {}, "no ESP suite in common"),
    ],
)
def test_what_is_not_acceptable_is_refused_in_words(
    offer: Offer, with_ke: bool, gateway: dict[str, Any], words: str
) -> None:
    client = configured(gateway=gateway)
    opens(client, offer.message(generate(DhGroup.ECP_256, lambda count: b"\7" * count) if with_ke else None))
    (notification,) = client.hears(Informational).notifications
    assert notification.type == NotifyType.NO_PROPOSAL_CHOSEN
    refused = client.lab.gateway.one(PeerRefused)
    assert refused.stage is Stage.QUICK_MODE
    assert words in refused.reason
    assert not client.lab.gateway.inbound


@pytest.mark.parametrize("group", [None, DhGroup.ECP_256])
def test_a_rekey_with_pfs_is_not_answered_by_one_without(group: DhGroup | None) -> None:
    client = configured()
    pair = generate(DhGroup.ECP_256, lambda count: bytes(range(1, count + 1)))
    opens(client, Offer(group=DhGroup.ECP_256).message(pair))
    client.hears_quick_mode_2(NI)
    client.says(QuickMode3())
    client.lab.network.command(client.lab.gateway, RekeyChildren(client.lab.gateway.one(PeerConnected).peer_id))
    m1 = client.hears(QuickMode1)
    assert m1.key_exchange is not None
    answer = replace(Offer(group=group), spi=SPI + 1).message(pair if group else None)
    client.transport.nonces = m1.nonce.data
    client.says(QuickMode2(**{name: getattr(answer, name) for name in ("sa", "nonce", "key_exchange")}))
    assert len(client.lab.gateway.inbound) == (2 if group else 1)
    if group is None:  # the client has its half installed, and would wait for message 3
        (notification,) = client.hears(Informational).notifications
        assert notification.type == NotifyType.NO_PROPOSAL_CHOSEN


def test_a_client_that_was_told_of_pfs_may_still_come_without() -> None:
    # quirk: vpnc 0.5.3 "pfs server": told of PFS by Mode Config, it sends no KE.
    client = configured(gateway={"pfs_groups": (DhGroup.MODP_2048,)})
    opens(client, Offer().message())
    assert client.hears_quick_mode_2(NI).key_exchange is None


# ---- lifetimes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "ours", "told", "kept"),
    [
        (Lifetime(3600), 28_800, [], 3600),
        (Lifetime(28_800), 28_800, [], 28_800),
        (Lifetime(86_400), 28_800, [(LifeType.SECONDS, 28_800)], 28_800),
        # quirk: vpnc 0.5.3: 24 days, in 4 octets.
        (Lifetime(2_147_483), 3_600, [(LifeType.SECONDS, 3_600)], 3_600),
        (Lifetime(0), 3_600, [], 3_600),
    ],
)
def test_the_shorter_lifetime_is_kept_and_a_shorter_one_of_ours_told(
    offered: Lifetime, ours: int, told: list[tuple[int, int]], kept: int
) -> None:
    client = configured(gateway={"child_lifetime_seconds": ours})
    opens(client, Offer(lifetime=offered).message())
    m2 = client.hears_quick_mode_2(NI)
    client.says(QuickMode3())
    assert lifetime_of(m2) == told
    assert client.lab.gateway.one(ChildSaEstablished).lifetime_seconds == kept


def test_our_client_believes_a_lifetime_that_it_is_told() -> None:
    lab = pair(client={"child_lifetime_seconds": 86_400}, gateway={"child_lifetime_seconds": 1_200})
    lab.connect(seconds=5)
    assert lab.client.one(ChildSaEstablished).lifetime_seconds == 1_200


@pytest.mark.parametrize(
    ("offered", "ours", "kept"),
    [
        (0, None, None),
        (4_608_000, None, 4_608_000),
        (4_608_000, 1_000_000, 1_000_000),
        (1_000, 4_000, 1_000),
        (0, 4_000, 4_000),
        (UNREACHABLE_KILOBYTES, None, None),
    ],
)
def test_a_limit_in_kilobytes_is_kept_too(offered: int, ours: int | None, kept: int | None) -> None:
    client = configured(gateway={"child_lifetime_kilobytes": ours})
    opens(client, Offer(lifetime=Lifetime(3600, offered)).message())
    client.hears_quick_mode_2(NI)
    (child,) = client.lab.gateway.inbound.values()
    assert child.lifetime_kilobytes == kept


def test_no_lifetime_at_all_is_the_profiles() -> None:
    profile = Profile(name="staff", child_lifetime_seconds=100, child_lifetime_kilobytes=7)
    assert limits(profile, Lifetime()) == Lifetime(100, 7)


# ---- suites ---------------------------------------------------------------------------------------------

ESP_SUITES = [EspSuite(cipher) for cipher in Cipher if cipher.is_aead] + [
    EspSuite(cipher, integrity)
    for cipher in Cipher
    if not cipher.is_aead
    for integrity in Integrity
    if integrity is not Integrity.HMAC_SHA2_256_96
]


@pytest.mark.parametrize("suite", ESP_SUITES, ids=str)
def test_every_esp_suite_is_negotiated(suite: EspSuite) -> None:
    proposals = {"esp_proposals": (EspProposal(suite),)}
    lab = pair(gateway=proposals, client=proposals)
    lab.connect(seconds=5)
    (ours,), (theirs,) = lab.gateway.inbound.values(), lab.client.inbound.values()
    assert ours.suite == theirs.suite == suite
    assert (ours.inbound_keys, ours.outbound_keys) == (theirs.outbound_keys, theirs.inbound_keys)
    assert len(ours.inbound_keys.encryption) == suite.cipher.keying_octets


def test_a_profile_may_cut_sha256_to_96_bits() -> None:
    # quirk: Android up to 7, PF_KEY on Linux: HMAC-SHA2-256 with an ICV of 96 bits under the number of that with 128.
    proposals = {"esp_proposals": (EspProposal.from_text("aes256-sha256"),)}
    lab = pair(gateway={**proposals, "truncate_sha256_to_96": True}, client=proposals)
    lab.connect(seconds=5)
    (ours,), (theirs,) = lab.gateway.inbound.values(), lab.client.inbound.values()
    assert ours.suite.integrity is Integrity.HMAC_SHA2_256_96
    assert theirs.suite.integrity is Integrity.HMAC_SHA2_256_128
    assert ours.inbound_keys == theirs.outbound_keys


# ---- traffic selectors ----------------------------------------------------------------------------------

REACHABLE = replace(CONFIGURATION, reachable=(IPv4Network("10.1.0.0/16"), IPv4Network("192.168.7.0/24")))


def test_everything_means_what_is_reachable() -> None:
    # quirk: vpnc 0.5.3, iOS, Cisco: 0.0.0.0/0 whatever the split networks are; another answer would be refused.
    client = configured(REACHABLE)
    opens(client, Offer().message())
    m2 = client.hears_quick_mode_2(NI)
    assert m2.identities[1].data == bytes(8)
    (child,) = client.lab.gateway.inbound.values()
    assert child.local_networks == REACHABLE.reachable


def test_one_quick_mode_a_network() -> None:
    # quirk: racoon, iOS: a Child SA for each split network.
    client = configured(REACHABLE)
    for number, network in enumerate(REACHABLE.reachable):
        opens(client, Offer(networks=(OWN, network), spi=SPI + number).message(), 0x400 + number)
        client.hears_quick_mode_2(NI)
        client.says(QuickMode3())
    assert {child.local_networks for child in client.lab.gateway.inbound.values()} == {
        (network,) for network in REACHABLE.reachable
    }
    assert len(client.lab.gateway.of(PeerConnected)) == 1


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        ((OWN, IPv4Network("172.16.0.0/12")), "wants to reach 172.16.0.0/12; allowed is 10.1.0.0/16, 192.168.7.0/24"),
        ((IPv4Network("10.77.0.3/32"), EVERYTHING), "wants to send from 10.77.0.3/32, but its address is 10.77.0.2"),
        ((IPv4Network("10.77.0.0/24"), EVERYTHING), "wants to send from 10.77.0.0/24"),
        ((), "named no networks"),
        ((OWN,), "1 identities"),
    ],
)
def test_nobody_reaches_more_than_it_may(networks: tuple[IPv4Network, ...], words: str) -> None:
    client = configured(REACHABLE)
    opens(client, Offer(networks=networks).message())
    (notification,) = client.hears(Informational).notifications
    assert notification.type == NotifyType.INVALID_ID_INFORMATION
    assert words in client.lab.gateway.one(PeerRefused).reason
    assert not client.lab.gateway.inbound


BEHIND = replace(CONFIGURATION, behind=(IPv4Network("172.20.1.0/24"), IPv4Network("172.20.7.0/24")))


@pytest.mark.parametrize(
    ("asked", "carried"),
    [
        (OWN, (OWN,)),
        (BEHIND.behind[0], (BEHIND.behind[0],)),
        (IPv4Network("172.20.7.64/26"), (IPv4Network("172.20.7.64/26"),)),
        (IPv4Network("172.20.0.0/16"), BEHIND.behind),
        (EVERYTHING, (OWN, *BEHIND.behind)),
    ],
)
def test_the_client_side_is_its_address_or_what_it_may_have_behind_it(
    asked: IPv4Network, carried: tuple[IPv4Network, ...]
) -> None:
    client = configured(BEHIND)
    opens(client, Offer(networks=(asked, EVERYTHING)).message())
    m2 = client.hears_quick_mode_2(NI)
    assert m2.identities[0].identification == identification_of(asked)
    (child,) = client.lab.gateway.inbound.values()
    assert child.remote_networks == carried


@pytest.mark.parametrize("asked", ["10.77.0.0/24", "172.20.2.0/24", "10.77.0.3/32"])
def test_no_other_network_is_behind_a_client(asked: str) -> None:
    client = configured(BEHIND)
    opens(client, Offer(networks=(IPv4Network(asked), EVERYTHING)).message())
    (notification,) = client.hears(Informational).notifications
    assert notification.type == NotifyType.INVALID_ID_INFORMATION
    refused = client.lab.gateway.one(PeerRefused)
    assert (
        f"wants to send from {asked}, but its address is 10.77.0.2, with 172.20.1.0/24, 172.20.7.0/24" in refused.reason
    )
    assert "Framed-Route" in refused.remedy
    assert not client.lab.gateway.inbound


def test_each_network_behind_a_client_is_rekeyed_by_itself() -> None:
    lab = pair(configuration=BEHIND, gateway={"child_lifetime_seconds": 100})
    lab.order = replace(lab.order, behind=BEHIND.behind)
    lab.connect(seconds=5)
    sides = {(OWN,), *((network,) for network in BEHIND.behind)}
    assert {child.remote_networks for child in lab.gateway.inbound.values()} == sides
    assert {child.local_networks for child in lab.client.inbound.values()} == sides
    before = set(lab.gateway.inbound)
    lab.network.run(300)
    assert {child.remote_networks for child in lab.gateway.inbound.values()} == sides
    assert not before & set(lab.gateway.inbound)
    assert len(lab.gateway.of(PeerConnected)) == 1
    assert not lab.gateway.of(PeerGone)


def test_a_gateway_renews_what_a_client_has_behind_it() -> None:
    lab = pair(configuration=BEHIND)
    lab.order = replace(lab.order, behind=BEHIND.behind)
    lab.connect(seconds=5)
    before = set(lab.gateway.inbound)
    lab.network.command(lab.gateway, RekeyChildren(lab.gateway.one(PeerConnected).peer_id))
    lab.network.run(60)
    assert {child.remote_networks for child in lab.gateway.inbound.values()} == {
        (OWN,),
        *((network,) for network in BEHIND.behind),
    }
    assert not before & set(lab.gateway.inbound)


def test_a_client_whose_network_is_not_carried_ends_and_says_why() -> None:
    lab = pair(configuration=BEHIND)
    lab.order = replace(lab.order, behind=(BEHIND.behind[0], IPv4Network("172.21.0.0/16")))
    lab.connect(seconds=5)
    gone = lab.client.one(PeerGone)
    assert "does not carry the network 172.21.0.0/16 behind us: it answered INVALID-ID-INFORMATION" in gone.reason
    assert not lab.gateway.inbound


def test_a_client_that_asked_for_no_address_gets_no_child_sa() -> None:
    client = Script(pair())
    client.logs_in()
    opens(client, Offer().message())
    (notification,) = client.hears(Informational).notifications
    assert notification.type == NotifyType.INVALID_ID_INFORMATION
    assert "without asking for an address" in client.lab.gateway.one(PeerRefused).reason


@pytest.mark.parametrize("spi", [0, 1, 255])
def test_reserved_spis_are_nobodys(spi: int) -> None:
    client = configured()
    opens(client, Offer(spi=spi).message())
    assert client.hears(Informational).notifications


# ---- rekeying --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pfs", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_rekey_over_a_terrible_network(*, pfs: bool, seed: int) -> None:
    profile = {"require_pfs": pfs, "pfs_groups": (DhGroup.ECP_256,)}
    lab = pair(gateway=profile, client=profile, weather=Weather(loss=0.2, duplication=0.3, jitter=0.3), seed=seed)
    lab.connect(seconds=60)
    (old,) = lab.gateway.inbound
    for station in (lab.gateway, lab.client):
        lab.network.command(station, RekeyChildren(station.of(ChildSaEstablished)[0].peer_id))
        lab.network.run(100)
    assert old not in lab.gateway.inbound
    assert set(lab.gateway.inbound) == {child.outbound_spi for child in lab.client.inbound.values()}


def test_a_gateways_rekey_is_in_the_old_terms() -> None:
    client = configured()
    opens(client, Offer().message())
    client.hears_quick_mode_2(NI)
    client.says(QuickMode3())
    client.lab.network.command(client.lab.gateway, RekeyChildren(1))
    m1 = client.hears(QuickMode1)
    assert [identity.data for identity in m1.identities] == [bytes(8), OWN.network_address.packed]
    (proposal,) = m1.sa.proposals
    (transform,) = proposal.transforms
    assert transform.get(EspAttribute.KEY_LENGTH) == Attribute(EspAttribute.KEY_LENGTH, 256)
    assert m1.key_exchange is None
    assert newest_sa(client.lab.gateway).peer is not None
    assert IPv4Address(m1.identities[1].data) == CONFIGURATION.address

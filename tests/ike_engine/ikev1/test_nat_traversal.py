"""NAT traversal: RFC 3947 and its drafts, the float, and NATs that change their minds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ike_engine.crypto.prf import digest
from ike_engine.crypto.suites import HashAlgorithm
from ike_engine.events import PeerConnected, PeerGone, PeerMoved
from ike_engine.ikev1 import aggressive_mode, main_mode, phase_1, quick_mode
from ike_engine.ikev1.nat_traversal import NatSituation, NatTraversal, choose, detections, evaluate, nat_hash
from ike_engine.ikev1.numbers import EncapsulationMode, PayloadType
from ike_engine.ikev1.payloads import NatDetection, NatDetectionDraft
from ike_engine.path import Address, Path
from ike_engine.policy import Authentication, Phase1Mode
from ike_engine.wire import vendor_ids
from ike_engine.wire.header import Header, encode_message
from tests.ike_engine.ikev1.test_keys import whole_payloads
from tests.ike_engine.lab import newest_sa, pair, translated
from tests.ike_engine.network import CLIENT, Station, Weather, path
from tests.vectors.captured import handshake

CKY_I, CKY_R = b"initiato", b"responde"
SHA256 = HashAlgorithm.SHA2_256
ALL = tuple(version.vendor_id for version in NatTraversal)


# ---- versions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "chosen"),
    [
        (ALL, NatTraversal.RFC_3947),
        (ALL[::-1], NatTraversal.RFC_3947),
        (ALL[1:], NatTraversal.DRAFT_03),
        # quirk: most boxes: draft 02 with a newline at the end of what is hashed; both are understood.
        (ALL[2:], NatTraversal.DRAFT_02_NEWLINE),
        (ALL[3:], NatTraversal.DRAFT_02),
        # quirk: vpnc 0.5.3 in its modes none and cisco-udp: no version at all.
        ((), None),
        # quirk: racoon, vpnc: drafts 00 and 01 do not float; nobody needs 04 to 08.
        ((vendor_ids.NAT_T_DRAFT_00, vendor_ids.NAT_T_DRAFT_01, vendor_ids.NAT_T_DRAFT_08), None),
    ],
)
def test_the_best_version_of_both_is_taken(received: tuple[bytes, ...], chosen: NatTraversal | None) -> None:
    assert choose(received) is chosen


@pytest.mark.parametrize("version", NatTraversal)
def test_drafts_have_numbers_of_their_own(version: NatTraversal) -> None:
    rfc = version is NatTraversal.RFC_3947
    for payload in detections(version, SHA256, CKY_I, CKY_R, path()):
        assert payload.number == (PayloadType.NAT_D if rfc else PayloadType.NAT_D_DRAFT)
    assert version.tunnel == (EncapsulationMode.UDP_TUNNEL if rfc else EncapsulationMode.UDP_TUNNEL_DRAFT)


def offering(monkeypatch: pytest.MonkeyPatch, version: NatTraversal | None) -> None:
    """Let our client announce one version only."""
    offered = phase_1.offered_vendor_ids()
    kept = tuple(vid for vid in offered if vid.data not in ALL or (version and vid.data == version.vendor_id))
    for module in (aggressive_mode, main_mode):
        monkeypatch.setattr(module, "offered_vendor_ids", lambda: kept)


@pytest.mark.parametrize("mode", Phase1Mode)
@pytest.mark.parametrize("version", NatTraversal)
def test_every_version_floats_and_encapsulates(
    version: NatTraversal, mode: Phase1Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    offering(monkeypatch, version)
    lab = pair(mode=mode)
    translated(lab)
    lab.connect(seconds=5)
    sa = newest_sa(lab.gateway)
    assert sa.nat_traversal is version
    assert sa.path.nat_t
    assert sa.nat == NatSituation(local=False, remote=True)
    (child,) = lab.gateway.inbound.values()
    assert child.encapsulated
    assert child.path.remote.port == 40_001
    assert lab.gateway.one(PeerConnected).behind_nat


@pytest.mark.parametrize("version", NatTraversal)
def test_a_child_sa_is_asked_for_by_the_number_of_the_version(
    version: NatTraversal, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[EncapsulationMode] = []
    offer_esp = quick_mode.offer_esp
    monkeypatch.setattr(quick_mode, "offer_esp", lambda *a, **k: (modes.append(k["mode"]), offer_esp(*a, **k))[1])
    offering(monkeypatch, version)
    lab = pair(policy={"force_encapsulation": True})
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerConnected)
    assert modes == [version.tunnel]


def test_without_a_version_in_common_esp_is_not_encapsulated(monkeypatch: pytest.MonkeyPatch) -> None:
    offering(monkeypatch, None)
    lab = pair()
    lab.connect(seconds=5)
    (child,) = lab.gateway.inbound.values()
    assert not child.encapsulated
    assert newest_sa(lab.gateway).nat_traversal is None


# ---- NAT-D ------------------------------------------------------------------------------------------------


def test_a_hash_covers_cookies_address_and_port() -> None:
    expected = digest(SHA256, CKY_I + CKY_R + bytes((192, 0, 2, 1)) + b"\x01\xf4")
    assert nat_hash(SHA256, CKY_I, CKY_R, Address("192.0.2.1", 500)) == expected
    ipv6 = digest(SHA256, CKY_I + CKY_R + bytes.fromhex("20010db8" + 11 * "00" + "01") + b"\x11\x94")
    assert nat_hash(SHA256, CKY_I, CKY_R, Address("2001:db8::1", 4500)) == ipv6


@pytest.mark.parametrize("algorithm", HashAlgorithm)
def test_the_hash_is_the_negotiated_one(algorithm: HashAlgorithm) -> None:
    assert len(nat_hash(algorithm, CKY_I, CKY_R, Address("192.0.2.1", 500))) == algorithm.octets


def test_the_first_is_the_receivers_end() -> None:
    ours = path()
    first, second = detections(NatTraversal.RFC_3947, SHA256, CKY_I, CKY_R, ours)
    assert first.data == nat_hash(SHA256, CKY_I, CKY_R, ours.remote)
    assert second.data == nat_hash(SHA256, CKY_I, CKY_R, ours.local)


def told(*, here: Address | None = None, there: Address | None = None, fake: bytes = b"") -> NatSituation:
    """What the gateway concludes when the client believed these to be the ends of the path."""
    seen = Path(Address("192.0.2.1", 500), Address(CLIENT, 500), nat_t=False)
    believed = Path(there or seen.remote, here or seen.local, nat_t=False)
    return evaluate(detections(NatTraversal.RFC_3947, SHA256, CKY_I, CKY_R, believed, fake), SHA256, CKY_I, CKY_R, seen)


def test_who_is_behind_a_nat_shows_in_the_hashes() -> None:
    assert told() == NatSituation()
    assert told(there=Address("10.0.0.2", 500)) == NatSituation(remote=True)
    assert told(there=Address(CLIENT, 501)) == NatSituation(remote=True)
    assert told(here=Address("172.16.0.1", 500)) == NatSituation(local=True)
    assert told(here=Address("172.16.0.1", 500), there=Address("10.0.0.2", 500)) == NatSituation(True, True)


def test_a_port_of_zero_is_a_nat() -> None:
    # quirk: vpnc 0.5.3 with a random local port: hashes its own address with port 0.
    assert told(there=Address(CLIENT, 0)) == NatSituation(remote=True)


def test_random_octets_are_a_nat() -> None:
    # quirk: strongSwan 5.9.8 with kernel-libipsec: its own hash is always random.
    assert told(fake=bytes(range(32))) == NatSituation(remote=True)


def test_who_tells_nothing_has_no_nat() -> None:
    assert evaluate((), SHA256, CKY_I, CKY_R, path()) == NatSituation()
    only_ours = detections(NatTraversal.RFC_3947, SHA256, CKY_I, CKY_R, path())[:1]
    assert not evaluate(only_ours, SHA256, CKY_I, CKY_R, Path(*reversed(path()[:2]), nat_t=False)).remote


def test_more_than_one_own_address_may_be_told() -> None:
    # RFC 3947 section 3.2: a host that does not know which of its addresses is used sends a hash of each.
    seen = Path(Address("192.0.2.1", 500), Address(CLIENT, 500), nat_t=False)
    first, second = detections(NatTraversal.RFC_3947, SHA256, CKY_I, CKY_R, Path(seen.remote, seen.local, nat_t=False))
    others = tuple(NatDetection(data=bytes((n,)) * 32) for n in range(3))
    assert evaluate((first, *others, second), SHA256, CKY_I, CKY_R, seen) == NatSituation()


@pytest.mark.parametrize("payload", [NatDetection, NatDetectionDraft])
def test_drafts_hash_the_same(payload: type[NatDetection]) -> None:
    version = NatTraversal.RFC_3947 if payload is NatDetection else NatTraversal.DRAFT_02
    assert [p.data for p in detections(version, SHA256, CKY_I, CKY_R, path())] == [
        p.data for p in detections(NatTraversal.RFC_3947, SHA256, CKY_I, CKY_R, path())
    ]


def test_message_3_of_aggressive_mode_may_mean_either_flow() -> None:
    """# quirk: racoon hashes the ports that message 3 goes to, vpnc and libreswan those of message 1."""
    racoon = handshake("nat-aggressive")["messages"][6]
    data = bytes.fromhex(racoon["hex"])
    received = tuple(payload for payload in whole_payloads(data) if isinstance(payload, NatDetection))
    first = Path(Address("192.0.2.1", 500), Address("192.0.2.50", 26_992), nat_t=False)
    floated = Path(Address("192.0.2.1", 4500), Address("192.0.2.50", 25_726), nat_t=True)
    assert evaluate(received, SHA256, data[:8], data[8:16], first).local
    assert evaluate(received, SHA256, data[:8], data[8:16], first, floated) == NatSituation(remote=True)


# ---- the float ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", Authentication)
@pytest.mark.parametrize("mode", Phase1Mode)
def test_behind_a_nat_everything_moves_to_the_second_flow(method: Authentication, mode: Phase1Mode) -> None:
    lab = pair(method=method, mode=mode)
    translated(lab)
    ways: list[tuple[int, bool]] = []
    nat = lab.network.hook

    def listen(sender: Station, data: bytes, way: Path) -> tuple[bytes, Path] | None:
        ways.append((2 if Header.parse(data).message_id else 1, way.nat_t))
        return nat(sender, data, way)

    lab.network.hook = listen
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerConnected)
    floated = [nat_t for _, nat_t in ways]
    assert not floated[0]
    assert floated == sorted(floated)  # once there, nobody goes back
    assert all(nat_t for phase, nat_t in ways if phase == 2)


def test_without_a_nat_nobody_floats() -> None:
    lab = pair()
    lab.connect(seconds=5)
    assert not newest_sa(lab.gateway).path.nat_t
    (child,) = lab.gateway.inbound.values()
    assert not child.encapsulated


def test_a_phase_1_may_begin_on_the_second_flow() -> None:
    # quirk: charon-cmd 5.9.8: its first datagram already goes to port 4500, from any port.
    lab = pair(policy={"force_encapsulation": True})
    way = Path(Address(CLIENT, 37_411), Address("192.0.2.1", 4500), nat_t=True)
    lab.order = replace(lab.order, path=way, nat_t_path=way)
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerConnected).path.remote.port == 37_411


@pytest.mark.parametrize("mode", Phase1Mode)
def test_a_port_that_changes_within_phase_1_is_followed(mode: Phase1Mode) -> None:
    # quirk: charon-cmd 5.9.8: another source port after message 3, still on 4500; a NAT may do that too.
    lab = pair(mode=mode, policy={"force_encapsulation": True})
    ports = iter(range(50_000, 60_000))

    def hook(sender: Station, data: bytes, way: Path) -> tuple[bytes, Path]:
        if sender is lab.client and Header.parse(data).message_id == 0:
            return data, way._replace(local=Address(CLIENT, next(ports)))
        if sender is lab.client:
            return data, way._replace(local=Address(CLIENT, 49_999))
        return data, way._replace(remote=Address(CLIENT, 4500 if way.nat_t else 500))

    lab.network.hook = hook
    lab.connect(seconds=10)
    assert lab.gateway.one(PeerConnected).path.remote.port == 49_999


def test_a_forced_encapsulation_makes_clients_encapsulate() -> None:
    lab = pair(policy={"force_encapsulation": True})
    lab.connect(seconds=5)
    assert newest_sa(lab.gateway).nat.local
    assert newest_sa(lab.client).nat.remote
    (ours,), (theirs,) = lab.gateway.inbound.values(), lab.client.inbound.values()
    assert ours.encapsulated
    assert theirs.encapsulated


# ---- rebinding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_nat_that_forgets_costs_no_stay(seed: int) -> None:
    lab = pair(gateway={"dpd_interval_seconds": 10.0}, weather=Weather(loss=0.1, jitter=0.1), seed=seed)
    translated(lab)
    lab.connect(seconds=30)
    translated(lab, port=50_000)
    lab.network.run(60)
    translated(lab, public="203.0.113.99", port=55_000)
    lab.network.run(60)
    moves = [event.path.remote for event in lab.gateway.of(PeerMoved)]
    assert moves[-2:] == [Address("203.0.113.20", 50_001), Address("203.0.113.99", 55_001)]
    assert not lab.gateway.of(PeerGone)
    assert lab.gateway.moves[-1].path.remote == Address("203.0.113.99", 55_001)


def test_a_rebinding_is_not_believed_from_who_has_no_keys() -> None:
    lab = pair()
    translated(lab)
    lab.connect(seconds=5)
    client = newest_sa(lab.client)
    garbage = Header(
        initiator_spi=client.cky_i,
        responder_spi=client.cky_r,
        next_payload=PayloadType.HASH,
        exchange_type=5,
        flags=1,
        message_id=77,
    )
    attacker = Path(Address("192.0.2.1", 4500), Address("203.0.113.66", 1), nat_t=True)
    lab.network.deliver(lab.gateway, encode_message(garbage, bytes(64)), attacker)
    assert not lab.gateway.of(PeerMoved)

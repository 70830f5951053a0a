from __future__ import annotations

import hashlib
import hmac
from collections import deque

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as CipherMode
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.child_sa import EspKeys
from ike_engine.crypto.suites import Cipher, EspSuite, Integrity
from ike_engine.dataplane import esp
from ike_engine.dataplane.tun import DEFAULT_MTU
from ike_engine.secret import Secret
from tests.ike_engine.dataplane.samples import SUITES, inner, keys

CBC = EspSuite(Cipher.AES_CBC_128, Integrity.HMAC_SHA2_256_128)
GCM = EspSuite(Cipher.AES_GCM_128)

each_suite = pytest.mark.parametrize("suite", SUITES, ids=str)


@pytest.mark.parametrize(
    ("key", "packet", "plaintext"),
    [
        pytest.param(
            "feffe9928665731c6d6a8f9467308308cafebabe",
            "0000a5f80000000afacedbaddecaf888"
            "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642"
            "cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a",
            "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d001000001000000000000037369700963796265726369"
            "747902646b00000100010001",
            id="128",
        ),
        pytest.param(
            "abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344",
            "4a2cbfe3000000020102030405060708"
            "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99d"
            "ef842d8eb335f4eecfdbf831824b4c4915956c96",
            "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b40101040201020201",
            id="256",
        ),
    ],
)
def test_gcm_packets_of_draft_mcgrew_gcm_test(key: str, packet: str, plaintext: str) -> None:
    secret = Secret(bytes.fromhex(key))
    suite = EspSuite(Cipher.AES_GCM_128 if len(secret) == 20 else Cipher.AES_GCM_256)
    assert esp.unseal(suite, EspKeys(secret, Secret()))(bytes.fromhex(packet)) == bytes.fromhex(plaintext)


@pytest.mark.parametrize(
    ("packet", "inner_packet"),
    [
        pytest.param(
            "0000876500000002f4e765244f6407adf13dc1380f673f37"
            "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c6"
            "47752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
            "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a20400"
            "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637",
            id="case 7",
        ),
        pytest.param(
            "000087650000000585d47224b5f3dd5d2101d4ea8dffab22"
            "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639"
            "b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892",
            "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300"
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            id="case 8",
        ),
    ],
)
def test_tunnel_mode_packets_of_rfc_3602(packet: str, inner_packet: str) -> None:
    """The RFC's packets carry no ICV: one is added that Python's own hmac makes."""
    integrity_key = bytes(range(32))
    covered = bytes.fromhex(packet)
    icv = hmac.digest(integrity_key, covered, "sha256")[:16]
    key = Secret(bytes.fromhex("0123456789abcdef0123456789abcdef"))
    plaintext = esp.unseal(CBC, EspKeys(key, Secret(integrity_key)))(covered + icv)
    assert esp.inner_packet(plaintext) == bytes.fromhex(inner_packet)


@each_suite
def test_what_is_sealed_is_unsealed_in_any_order(suite: EspSuite) -> None:
    seal, unseal = esp.seal(0x1234, suite, keys(suite, 3)), esp.unseal(suite, keys(suite, 3))
    packets = [inner("10.9.0.5", "10.77.0.2", bytes(range(length))) for length in range(40)]
    datagrams = [seal(sequence, packet) for sequence, packet in enumerate(packets, 1)]
    for place in reversed(range(40)):
        assert esp.inner_packet(unseal(datagrams[place])) == packets[place]
        assert datagrams[place][:8] == (0x1234).to_bytes(4, "big") + (place + 1).to_bytes(4, "big")


@pytest.mark.parametrize("suite", [suite for suite in SUITES if suite.integrity], ids=str)
def test_cbc_packets_are_what_rfc_4303_says(suite: EspSuite) -> None:
    """Taken apart by fresh cipher contexts and Python's hmac, packet by packet."""
    assert suite.integrity is not None
    key_pair = keys(suite, 9)
    seal = esp.seal(1, suite, key_pair)
    block, icv_octets = suite.cipher.block_octets, suite.icv_octets
    ivs = set()
    for sequence in range(1, 20):
        packet = inner("10.9.0.5", "10.77.0.2", bytes(sequence))
        datagram = seal(sequence, packet)
        covered, icv = datagram[:-icv_octets], datagram[-icv_octets:]
        assert icv == hmac.digest(key_pair.integrity, covered, suite.integrity.hash_algorithm.keyword)[:icv_octets]
        iv, ciphertext = covered[8 : 8 + block], covered[8 + block :]
        ivs.add(iv)
        algorithm = TripleDES if suite.cipher is Cipher.TRIPLE_DES_CBC else algorithms.AES
        plaintext = CipherMode(algorithm(key_pair.encryption), modes.CBC(iv)).decryptor().update(ciphertext)
        padding = plaintext[-2]
        assert plaintext == packet + bytes(range(1, padding + 1)) + bytes([padding, 4])
        assert padding < block
    assert len(ivs) == 19


def test_the_same_packet_never_looks_the_same() -> None:
    packet = inner("10.9.0.5", "10.77.0.2")
    for suite in (CBC, GCM):
        first, second = (esp.seal(1, suite, keys(suite, 3))(1, packet) for _ in range(2))
        assert first[8:16] != second[8:16]


@each_suite
def test_any_change_is_noticed(suite: EspSuite) -> None:
    seal, unseal = esp.seal(1, suite, keys(suite, 3)), esp.unseal(suite, keys(suite, 3))
    datagram = seal(1, inner("10.9.0.5", "10.77.0.2"))
    for place in range(len(datagram)):
        changed = bytearray(datagram)
        changed[place] ^= 1
        if place >= 4 or not suite.cipher.is_aead:  # an SPI is looked up before, but HMAC and GCM cover it too
            with pytest.raises(InvalidTag):
                unseal(bytes(changed))
    for length in range(len(datagram)):
        with pytest.raises(InvalidTag):
            unseal(datagram[:length])
    assert esp.inner_packet(unseal(datagram)) == inner("10.9.0.5", "10.77.0.2")


@given(st.binary(max_size=200))
def test_rubbish_is_only_ever_not_authentic(rubbish: bytes) -> None:
    for suite in (CBC, GCM):
        with pytest.raises(InvalidTag):
            esp.unseal(suite, keys(suite, 3))(rubbish)


def test_a_failed_packet_does_not_disturb_the_next() -> None:
    seal, unseal = esp.seal(1, CBC, keys(CBC, 3)), esp.unseal(CBC, keys(CBC, 3))
    packet = inner("10.9.0.5", "10.77.0.2")
    datagrams = [seal(sequence, packet) for sequence in (1, 2)]
    with pytest.raises(InvalidTag):
        unseal(datagrams[0][:-1] + b"?")
    assert esp.inner_packet(unseal(datagrams[1])) == packet


@given(st.binary(min_size=4, max_size=100))
def test_any_plaintext_gives_a_packet_of_its_own_length_or_none(plaintext: bytes) -> None:
    packet = esp.inner_packet(plaintext)
    assert packet == b"" or (packet[0] >> 4, len(packet)) == (4, int.from_bytes(packet[2:4], "big"))


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        pytest.param(b"\x01\x02\x02\x04", True, id="padding"),
        pytest.param(bytes(100) + b"\x00\x04", True, id="traffic-flow padding"),
        pytest.param(b"\x01\x02\x02\x3b", False, id="dummy packet"),
        pytest.param(b"\x01\x02\x02\x29", False, id="IPv6 by its next header"),
        pytest.param(b"\xff\x04", False, id="padding longer than all"),
    ],
)
def test_trailers(tail: bytes, kept: bool) -> None:
    packet = inner("10.9.0.5", "10.77.0.2")
    assert esp.inner_packet(packet + tail) == (packet if kept else b"")


def test_ipv6_under_the_next_header_of_ipv4_is_dropped() -> None:
    # quirk: vpnc 0.5.3: sends a router solicitation so as soon as its TUN is up.
    solicitation = b"\x60" + bytes(5) + b"\x3a\xff" + bytes(32) + bytes(8)
    assert esp.inner_packet(solicitation + b"\x01\x02\x02\x04") == b""


@each_suite
def test_the_default_mtu_fits_every_suite_into_1500_octets(suite: EspSuite) -> None:
    seal = esp.seal(1, suite, keys(suite, 3))
    assert 28 + len(seal(1, bytes(DEFAULT_MTU))) <= 1500  # IPv4 without options, UDP


class Specification:
    """The replay window as RFC 4303 section 3.4.3 tells it, without any cleverness."""

    def __init__(self) -> None:
        self.accepted: set[int] = set()

    def admits(self, sequence: int) -> bool:
        highest = max(self.accepted, default=0)
        return sequence > 0 and sequence > highest - esp.REPLAY_WINDOW and sequence not in self.accepted


@given(
    st.lists(
        st.one_of(
            st.integers(0, 2 * esp.REPLAY_WINDOW + 10),
            st.integers(esp.REPLAY_WINDOW - 3, esp.REPLAY_WINDOW + 3),
            st.integers(esp.LAST_SEQUENCE - esp.REPLAY_WINDOW - 5, esp.LAST_SEQUENCE),
        ),
        max_size=60,
    )
)
def test_the_window_does_what_the_rfc_says(sequences: list[int]) -> None:
    window, specification = esp.ReplayWindow(), Specification()
    for sequence in sequences:
        admitted = window.admits(sequence)
        assert admitted == specification.admits(sequence)
        if admitted:
            window.accept(sequence)
            specification.accepted.add(sequence)
            assert window.highest == max(specification.accepted)


def test_a_window_that_was_turned_many_times_remembers_only_its_width() -> None:
    window = esp.ReplayWindow()
    recent: deque[int] = deque(maxlen=esp.REPLAY_WINDOW)
    for sequence in range(1, 5 * esp.REPLAY_WINDOW):
        if hashlib.sha256(sequence.to_bytes(4, "big")).digest()[0] < 128:
            window.accept(sequence)
        recent.append(sequence)
    for sequence in range(window.highest - esp.REPLAY_WINDOW + 1, window.highest + 1):
        arrived = hashlib.sha256(sequence.to_bytes(4, "big")).digest()[0] < 128
        assert window.admits(sequence) != arrived
    assert not window.admits(window.highest - esp.REPLAY_WINDOW)

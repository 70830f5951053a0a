"""Datagrams under the keys of an SA: captured ones are read, and what is not authentic changes nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.crypto.ciphers import cbc_encrypt
from ike_engine.crypto.suites import Cipher, DhGroup, HashAlgorithm
from ike_engine.errors import IkeError, InvalidHash, Malformed
from ike_engine.ikev1.envelope import Phase1Transport, Phase2Transport
from ike_engine.ikev1.isakmp_sa import IsakmpSa
from ike_engine.ikev1.keys import IsakmpKeys
from ike_engine.ikev1.messages import (
    AggressiveMode3,
    Informational,
    MainMode1,
    MainMode5,
    QuickMode1,
    QuickMode2,
    QuickMode3,
    Transaction,
)
from ike_engine.ikev1.numbers import ExchangeType, PayloadType
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, Attributes, Hash, Identity, Nonce
from ike_engine.ikev1.transcript import Transcript
from ike_engine.path import Address, Path
from ike_engine.policy import IkeProposal, Phase1Mode, Profile
from ike_engine.secret import Secret
from ike_engine.wire.chain import parse_chain
from ike_engine.wire.header import HEADER_OCTETS, Header
from tests.ike_engine.network import path
from tests.vectors.captured import HANDSHAKES, handshake

HASHES = {algorithm.keyword: algorithm for algorithm in HashAlgorithm}
ELSEWHERE = Path(Address("192.0.2.1", 4500), Address("203.0.113.66", 6666), nat_t=True)
SHAPES = {ExchangeType.INFORMATIONAL: Informational, ExchangeType.TRANSACTION: Transaction}


def sa_of(name: str) -> IsakmpSa:
    """The SA of a captured handshake, before its first encrypted message."""
    found = handshake(name)
    key = {k: Secret(bytes.fromhex(v)) for k, v in found["keys"].items()}
    first = bytes.fromhex(found["messages"][-1]["hex"])
    algorithm = HASHES[found["hash"]]
    return IsakmpSa(
        number=1,
        initiator=False,
        cky_i=first[:8],
        cky_r=first[8:16],
        path=path(),
        first_path=path(),
        created=0.0,
        transcript=Transcript(SimpleNamespace(now=0.0)),
        mode=Phase1Mode.MAIN if found["messages"][0]["exch"] == 2 else Phase1Mode.AGGRESSIVE,
        profile=Profile(name="captured", fragment_octets=9000),
        proposal=IkeProposal(Cipher.AES_CBC_256, algorithm, DhGroup.MODP_2048),
        keys=IsakmpKeys(key["SKEYID"], key["SKEYID_d"], key["SKEYID_a"], key["Ka"]),
        iv=key["IV0"],
    )


def encrypted(name: str) -> list[dict[str, Any]]:
    return [message for message in handshake(name)["messages"] if "plain" in message]


@pytest.mark.parametrize("name", HANDSHAKES)
def test_every_captured_message_is_read_and_verified(name: str) -> None:
    sa = sa_of(name)
    transports: dict[int, Phase2Transport] = {}
    nonces: list[bytes] = []
    read = 0
    for message in encrypted(name):
        data = bytes.fromhex(message["hex"])
        header = Header.parse(data)
        if not header.message_id:
            opened = Phase1Transport(sa).open(data, path())
            plain = bytes.fromhex(message["plain"])
            assert [type(payload) for payload in opened.payloads] == [
                type(payload) for payload in parse_chain(header.next_payload, plain, IKEV1_PAYLOADS)[0]
            ]
            opened.take()
            continue
        transport = transports.setdefault(
            header.message_id, Phase2Transport(sa, header.exchange_type, header.message_id)
        )
        if header.exchange_type == ExchangeType.QUICK:
            transport.nonces = b"".join(nonces)
            transport.prefix = b"\0" if len(nonces) == 2 else b""
        opened = transport.open(data, path())
        opened.take()
        shape = SHAPES.get(ExchangeType(header.exchange_type)) or (QuickMode1, QuickMode2, QuickMode3)[len(nonces)]
        shape.match(opened.payloads)
        nonces += [payload.data for payload in opened.payloads if isinstance(payload, Nonce)]
        read += 1
    assert read >= 9
    assert len(nonces) == 2


@pytest.mark.parametrize("name", HANDSHAKES)
def test_a_message_of_ours_is_read_like_a_captured_one(name: str) -> None:
    ours, theirs = sa_of(name), sa_of(name)
    message = Transaction(attributes=Attributes(type=1, identifier=7))
    (transmit,) = Phase2Transport(ours, ExchangeType.TRANSACTION, 0x1234).seal(message)
    opened = Phase2Transport(theirs, ExchangeType.TRANSACTION, 0x1234).open(transmit.data, path())
    assert Transaction.match(opened.payloads).attributes == message.attributes
    assert len(transmit.data) % 16 == HEADER_OCTETS % 16


# ---- IV chains ------------------------------------------------------------------------------------------


def test_a_message_id_has_an_iv_chain_of_its_own() -> None:
    ours, theirs = sa_of(HANDSHAKES[0]), sa_of(HANDSHAKES[0])
    pairs = [
        (Phase2Transport(ours, ExchangeType.TRANSACTION, mid), Phase2Transport(theirs, ExchangeType.TRANSACTION, mid))
        for mid in (1, 2)
    ]
    for _ in range(3):
        for sender, receiver in pairs:
            (transmit,) = sender.seal(Transaction(attributes=Attributes(type=1)))
            receiver.open(transmit.data, path()).take()
    assert len({sender._iv for sender, _ in pairs}) == 2


def test_only_a_message_that_is_taken_moves_iv_and_path() -> None:
    ours, theirs = sa_of(HANDSHAKES[0]), sa_of(HANDSHAKES[0])
    sender = Phase2Transport(ours, ExchangeType.TRANSACTION, 1)
    receiver = Phase2Transport(theirs, ExchangeType.TRANSACTION, 1)
    (transmit,) = sender.seal(Transaction(attributes=Attributes(type=1)))
    before = receiver._iv
    opened = receiver.open(transmit.data, ELSEWHERE)
    assert (receiver._iv, theirs.path) == (before, path())
    opened.take()
    assert receiver._iv != before
    assert theirs.path == ELSEWHERE


def test_a_clear_message_leaves_the_iv_of_phase_1_where_it_is() -> None:
    sa = sa_of("nat-aggressive")
    clear = next(m for m in handshake("nat-aggressive")["messages"] if m["payloads"][0][0] == "HASH")
    before = sa.iv
    opened = Phase1Transport(sa).open(bytes.fromhex(clear["hex"]), path())
    opened.take()
    assert sa.iv == before
    assert opened.suits(AggressiveMode3)


# ---- what is not authentic ------------------------------------------------------------------------------


def sealed(message_id: int = 1) -> tuple[bytes, Phase2Transport]:
    sender, receiver = sa_of(HANDSHAKES[0]), sa_of(HANDSHAKES[0])
    (transmit,) = Phase2Transport(sender, ExchangeType.TRANSACTION, message_id).seal(
        Transaction(attributes=Attributes(type=1, identifier=7))
    )
    return transmit.data, Phase2Transport(receiver, ExchangeType.TRANSACTION, message_id)


@given(st.integers(HEADER_OCTETS, HEADER_OCTETS + 48), st.integers(0, 7))
def test_no_bit_can_be_changed(at: int, bit: int) -> None:
    data, receiver = sealed()
    at %= len(data)
    forged = data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]
    before = receiver._iv
    try:
        opened = receiver.open(forged, ELSEWHERE)
    except IkeError:
        assert receiver._iv == before
    else:  # a bit of the padding, which nothing covers
        assert Transaction.match(opened.payloads).attributes.identifier == 7


def test_a_message_of_another_message_id_is_not_taken() -> None:
    data, _ = sealed(1)
    _, other = sealed(2)
    with pytest.raises((InvalidHash, Malformed)):
        other.open(data, path())


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (lambda data: data[:19] + b"\0" + data[20:], "a clear message after phase 1"),
        (lambda data: data[:16] + bytes((PayloadType.NONCE,)) + data[17:], "the first payload is no HASH"),
        (lambda data: resized(data, data[HEADER_OCTETS:-3]), "no whole blocks"),
        (lambda data: resized(data, b""), "no whole blocks"),
        (lambda data: resized(data, data[HEADER_OCTETS:][:16]), "not the length of the hash"),
    ],
)
def test_what_is_no_message_after_phase_1_is_said_in_words(forge: Any, words: str) -> None:
    data, receiver = sealed()
    with pytest.raises(Malformed, match=words):
        receiver.open(forge(data), path())


def resized(data: bytes, body: bytes) -> bytes:
    return data[:24] + (HEADER_OCTETS + len(body)).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    "padding",
    [
        # quirk: vpnc 0.5.3, strongSwan: zeros, as few as do; racoon: up to a whole block, random, its number last.
        bytes(16),
        bytes(range(1, 16)) + b"\x0f",
        b"",
    ],
)
def test_padding_may_be_anything(padding: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def encrypt(sa: IsakmpSa, iv: bytes, body: bytes) -> bytes:
        return cbc_encrypt(sa.agreed.cipher, sa.secrets.cipher_key, iv, body + bytes(-len(body) % 16) + padding)

    monkeypatch.setattr("ike_engine.ikev1.envelope._encrypt", encrypt)
    data, receiver = sealed()
    assert Transaction.match(receiver.open(data, path()).payloads).attributes.identifier == 7


def test_wrong_keys_of_phase_1_are_said_in_words() -> None:
    ours, theirs = sa_of("vpnc-hybrid"), sa_of("vpnc-hybrid")
    theirs.keys = IsakmpKeys(*(Secret(b"k" * len(key)) for key in (b"", b"", b"", bytes(32))))
    message = MainMode5(identity=Identity(kind=2, data=b"x" * 40), proof=Hash(data=bytes(20)))
    (transmit,) = Phase1Transport(ours).seal(message)
    with pytest.raises(Malformed, match="after decryption: the keys differ"):
        Phase1Transport(theirs).open(transmit.data, path())


def test_nothing_encrypted_comes_before_there_are_keys() -> None:
    sa = sa_of("vpnc-hybrid")
    (transmit,) = Phase1Transport(sa).seal(MainMode5(identity=Identity(kind=2, data=b""), proof=Hash(data=b"")))
    sa.keys = None
    with pytest.raises(Malformed, match="before there are keys"):
        Phase1Transport(sa).open(transmit.data, path())


def test_a_shape_says_whether_it_may_come_clear() -> None:
    sa = sa_of("vpnc-hybrid")
    (transmit,) = Phase1Transport(sa).seal(MainMode5(identity=Identity(kind=2, data=b""), proof=Hash(data=b"")))
    opened = Phase1Transport(sa_of("vpnc-hybrid")).open(transmit.data, path())
    assert opened.suits(MainMode5)
    assert opened.suits(AggressiveMode3)
    assert not opened.suits(MainMode1)

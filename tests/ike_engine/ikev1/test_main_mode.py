"""Main mode between two endpoints, and with strangers who know the cookies between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ike_engine.events import IsakmpSaEstablished, PeerConnected, PeerRefused, Stage
from ike_engine.ikev1.numbers import ExchangeType, PayloadType
from ike_engine.path import Path
from ike_engine.policy import Authentication
from ike_engine.wire.header import HEADER_OCTETS, Flags, Header, encode_message
from tests.ike_engine.lab import authority, identity, pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ike_engine.lab import Pair
    from tests.ike_engine.network import Station


def main_mode_message(data: bytes) -> bool:
    """Whether it is an encrypted message of main mode: the fifth or the sixth."""
    header = Header.parse(data)
    return header.exchange_type == ExchangeType.IDENTITY_PROTECTION and bool(header.flags & Flags.ENCRYPTION)


def forge_before(lab: Pair, sender: Callable[[Pair], Station], forge: Callable[[bytes], bytes]) -> list[bytes]:
    """Have a stranger on the way deliver a forgery just before each encrypted main mode message of ``sender``."""
    forged: list[bytes] = []

    def stranger(station: Station, data: bytes, way: Path) -> tuple[bytes, Path]:
        if station is sender(lab) and main_mode_message(data):
            forged.append(forge(data))
            receiver = lab.gateway if station is lab.client else lab.client
            there = Path(way.remote, way.local, way.nat_t)
            lab.network.later(0.0, lambda: lab.network.deliver(receiver, forged[-1], there))
        return data, way

    lab.network.hook = stranger
    return forged


def nothing_inside(data: bytes) -> bytes:
    """The header says that no payload follows: the octets decrypt to whatever they like."""
    header = Header.parse(data)
    return encode_message(
        Header(
            initiator_spi=header.initiator_spi,
            responder_spi=header.responder_spi,
            next_payload=PayloadType.NONE,
            exchange_type=header.exchange_type,
            flags=header.flags,
            message_id=0,
        ),
        bytes(range(48)),
    )


def proof_garbled(data: bytes) -> bytes:
    """A bit of a block in the midst of the HASH, or of the SIG of a long message; all payloads keep their shape."""
    at = len(data) - 96 if len(data) > 400 else HEADER_OCTETS + 32
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


@pytest.mark.parametrize("sender", ["client", "gateway"])
@pytest.mark.parametrize("forge", [nothing_inside, proof_garbled])
@pytest.mark.parametrize("method", Authentication)
def test_a_forged_message_5_or_6_harms_nobody(
    method: Authentication, forge: Callable[[bytes], bytes], sender: str
) -> None:
    lab = pair(method=method, gateway={"fragment_octets": 9000}, client={"fragment_octets": 9000})
    forged = forge_before(lab, lambda each: getattr(each, sender), forge)
    lab.connect(seconds=10)
    assert forged
    assert lab.gateway.one(PeerConnected)
    assert lab.client.one(PeerConnected)
    receiver = lab.gateway if sender == "client" else lab.client
    assert any(reason.startswith("main mode: ") for reason in receiver.dropped)


def test_a_certificate_that_no_authority_issued_is_refused_at_once() -> None:
    lab = pair(method=Authentication.XAUTH_RSA, client={"identity": identity("mallory.example.test", "A stranger")})
    lab.connect(seconds=2)
    refused = lab.gateway.one(PeerRefused)
    assert refused.stage is Stage.PHASE_1
    assert "chains to no trusted authority" in refused.reason
    assert "INVALID-CERTIFICATE" in lab.client.one(PeerRefused).reason
    assert not lab.gateway.of(IsakmpSaEstablished)


def test_a_gateway_whose_certificate_has_another_name_is_refused_at_once() -> None:
    lab = pair(gateway={"identity": identity("other.example.test")})
    lab.connect(seconds=2)
    refused = lab.client.one(PeerRefused)
    assert refused.reason == "the gateway's certificate is not for vpn.example.test"
    assert not lab.gateway.of(IsakmpSaEstablished)


def test_the_client_of_one_authority_does_not_believe_another() -> None:
    lab = pair(trust=authority("A stranger"))
    lab.connect(seconds=2)
    assert "chains to no trusted authority" in lab.client.one(PeerRefused).reason


def test_message_1_is_answered_without_a_key_exchange_of_ours() -> None:
    lab = pair()
    lab.network.hook = lambda station, data, way: None if station is lab.gateway else (data, way)
    lab.connect(seconds=1)
    assert len(lab.gateway.sent[0]) < HEADER_OCTETS + 200
    (sa,) = lab.gateway.endpoint._ikev1._by_own_cookie.values()
    assert sa.keys is None

"""Aggressive mode: message 3 clear and encrypted, in any order, forged, repeated and never."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from ike_engine.events import IsakmpSaEstablished, PeerConnected, PeerRefused, Stage
from ike_engine.ikev1.aggressive_mode import SHORT_NONCE_OCTETS
from ike_engine.ikev1.envelope import Phase1Transport
from ike_engine.ikev1.messages import AggressiveMode2, AggressiveMode3
from ike_engine.ikev1.numbers import ExchangeType
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS, VendorId
from ike_engine.ikev1.phase_1 import NONCE_OCTETS
from ike_engine.path import Path
from ike_engine.policy import Authentication, Phase1Mode
from ike_engine.wire import vendor_ids
from ike_engine.wire.chain import parse_chain
from ike_engine.wire.header import HEADER_OCTETS, Flags, Header
from tests.ike_engine.lab import GATEWAY_NAME, authority, identity, newest_sa, pair
from tests.ike_engine.network import Weather

if TYPE_CHECKING:
    from ike_engine.actions import Transmit
    from ike_engine.wire.chain import Payload
    from ike_engine.wire.shapes import Message
    from tests.ike_engine.lab import Pair
    from tests.ike_engine.network import Station

AGGRESSIVE = Phase1Mode.AGGRESSIVE
WHOLE = {"fragment_octets": 9000}


class ClearMessage3(AggressiveMode3):
    """As racoon sends it."""

    encrypted: ClassVar[bool | None] = False


class HashLast(AggressiveMode3):
    """As libreswan sends it."""

    def payloads(self) -> tuple[Payload, ...]:
        first, *others = super().payloads()
        return (*others, first)


def saying(monkeypatch: pytest.MonkeyPatch, shape: type[AggressiveMode3]) -> None:
    """Our client says message 3 in another way; what the gateway expects stays."""
    seal = Phase1Transport.seal

    def otherwise(transport: Phase1Transport, message: Message) -> list[Transmit]:
        if isinstance(message, AggressiveMode3):
            message = shape(**{field.name: getattr(message, field.name) for field in fields(message)})
        return seal(transport, message)

    monkeypatch.setattr(Phase1Transport, "seal", otherwise)


def messages_of(station: Station) -> list[bytes]:
    """What it said in aggressive mode, without repetitions."""
    return [data for data in dict.fromkeys(station.sent) if Header.parse(data).exchange_type == ExchangeType.AGGRESSIVE]


def message_2(lab: Pair) -> AggressiveMode2:
    data = messages_of(lab.gateway)[0]
    return AggressiveMode2.match(parse_chain(Header.parse(data).next_payload, data[HEADER_OCTETS:], IKEV1_PAYLOADS)[0])


@pytest.mark.parametrize("method", Authentication)
@pytest.mark.parametrize("shape", [AggressiveMode3, ClearMessage3, HashLast])
def test_message_3_may_be_clear_or_encrypted_and_in_any_order(
    method: Authentication, shape: type[AggressiveMode3], monkeypatch: pytest.MonkeyPatch
) -> None:
    # quirk: racoon: clear; vpnc 0.5.3, strongSwan 5.9.8: encrypted; libreswan 4.10: HASH last.
    saying(monkeypatch, shape)
    lab = pair(method=method, mode=AGGRESSIVE, client=WHOLE, gateway=WHOLE)
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerConnected)
    flags = Header.parse(messages_of(lab.client)[1]).flags
    assert bool(flags & Flags.ENCRYPTION) == (shape is not ClearMessage3)


@pytest.mark.parametrize(("shape", "moved"), [(AggressiveMode3, True), (ClearMessage3, False)])
def test_only_an_encrypted_message_3_moves_the_iv(
    shape: type[AggressiveMode3], moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    saying(monkeypatch, shape)
    lab = pair(mode=AGGRESSIVE, client=WHOLE, gateway=WHOLE)
    lab.connect(seconds=0.03)
    (sa,) = lab.gateway.endpoint._ikev1._by_own_cookie.values()
    before = sa.iv
    lab.network.run(5)
    assert (sa.iv != before) == moved
    assert lab.gateway.one(PeerConnected)


# ---- message 2 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Authentication.HYBRID_RSA, Authentication.XAUTH_RSA])
def test_our_certificate_goes_to_who_did_not_ask_for_it(
    method: Authentication, monkeypatch: pytest.MonkeyPatch
) -> None:
    # quirk: vpnc 0.5.3: no CERTREQ in hybrid, and no connection without the certificate.
    monkeypatch.setattr("ike_engine.ikev1.aggressive_mode.certificate_requests", lambda _: ())
    lab = pair(method=method, mode=AGGRESSIVE, gateway=WHOLE)
    lab.connect(seconds=1)
    assert message_2(lab).certificates
    assert message_2(lab).certificate_requests == ()


def test_who_cannot_take_a_chain_gets_the_leaf_and_a_short_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    # quirk: vpnc 0.5.3: verifies with the last certificate that it gets; it announces Unity and no fragmentation.
    own = identity(GATEWAY_NAME)
    chain = {"identity": replace(own, certificates=(*own.certificates, authority()))}
    lab = pair(mode=AGGRESSIVE, gateway={**chain, **WHOLE})
    lab.connect(seconds=1)
    assert len(message_2(lab).certificates) == 2
    assert len(message_2(lab).nonce.data) == NONCE_OCTETS

    offered = tuple(
        VendorId(data=value) for value in (vendor_ids.XAUTH, vendor_ids.CISCO_UNITY, vendor_ids.NAT_T_RFC_3947)
    )
    monkeypatch.setattr("ike_engine.ikev1.aggressive_mode.offered_vendor_ids", lambda: offered)
    lab = pair(mode=AGGRESSIVE, gateway={**chain, **WHOLE})
    lab.connect(seconds=1)
    assert len(message_2(lab).certificates) == 1
    assert len(message_2(lab).nonce.data) == SHORT_NONCE_OCTETS


def test_message_2_is_repeated_by_us_but_not_for_ever() -> None:
    """Only our timer makes a client repeat message 3; but the address of message 1 may be a stranger's."""
    lab = pair(mode=AGGRESSIVE, gateway=WHOLE)
    lab.network.hook = lambda sender, data, way: (data, way) if sender is lab.client and not lab.gateway.sent else None
    lab.connect(seconds=60)
    assert len(set(lab.gateway.sent[:5])) == 1
    assert len([data for data in lab.gateway.sent if data == lab.gateway.sent[0]]) == 5


# ---- message 3 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [AggressiveMode3, ClearMessage3])
@pytest.mark.parametrize("method", Authentication)
def test_a_forged_message_3_harms_nobody(
    method: Authentication, shape: type[AggressiveMode3], monkeypatch: pytest.MonkeyPatch
) -> None:
    saying(monkeypatch, shape)
    lab = pair(method=method, mode=AGGRESSIVE, client=WHOLE, gateway=WHOLE)
    forged: list[bytes] = []

    def stranger(sender: Station, data: bytes, way: Path) -> tuple[bytes, Path]:
        if sender is lab.client and len(messages_of(lab.client)) == 2 and data == messages_of(lab.client)[1]:
            at = 1_000 if len(data) > 1_000 else HEADER_OCTETS + 20  # in the SIG behind a CERT, or in the HASH
            forged.append(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
            there = Path(way.remote, way.local, way.nat_t)
            lab.network.later(0.0, lambda: lab.network.deliver(lab.gateway, forged[-1], there))
        return data, way

    lab.network.hook = stranger
    lab.connect(seconds=10)
    assert forged
    assert lab.gateway.one(PeerConnected)
    assert any(reason.startswith("aggressive mode: ") for reason in lab.gateway.dropped)


def test_a_lost_message_3_comes_again() -> None:
    lab = pair(mode=AGGRESSIVE, client=WHOLE, gateway=WHOLE, weather=Weather(loss=0.4), seed=11)
    lab.connect(seconds=100)
    assert lab.gateway.one(PeerConnected)


def test_a_client_that_goes_away_after_message_2_is_told_of() -> None:
    lab = pair(mode=AGGRESSIVE, gateway=WHOLE)
    lab.network.hook = lambda sender, data, way: None if sender is lab.gateway else (data, way)
    lab.connect(seconds=60)
    refused = lab.gateway.one(PeerRefused)
    assert refused.stage is Stage.PHASE_1
    assert "did not answer message 2" in refused.reason
    assert refused.identity == "staff"
    assert "group key" in refused.remedy


def test_an_identity_selects_the_profile() -> None:
    lab = pair(mode=AGGRESSIVE, gateway={"group_names": ("phones",)})
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerRefused).reason == "no profile serves the group 'staff'"
    lab = pair(mode=AGGRESSIVE, gateway={"group_names": ("phones", "staff")})
    lab.connect(seconds=5)
    assert lab.gateway.one(IsakmpSaEstablished).mode == "aggressive"
    assert newest_sa(lab.gateway).identity is not None


def test_a_certificate_that_no_authority_issued_is_refused_at_once() -> None:
    stranger = identity("mallory.example.test", "A stranger")
    lab = pair(method=Authentication.XAUTH_RSA, mode=AGGRESSIVE, client={"identity": stranger})
    lab.connect(seconds=2)
    assert "chains to no trusted authority" in lab.gateway.one(PeerRefused).reason
    assert not lab.gateway.of(IsakmpSaEstablished)


def test_a_network_that_eats_mode_config_before_message_3_costs_a_moment() -> None:
    # quirk: strongSwan 5.9.8, RSA: what follows message 3 overtakes its fragments; here all overtakes all.
    lab = pair(method=Authentication.XAUTH_RSA, mode=AGGRESSIVE, weather=Weather(jitter=1.5, duplication=0.3), seed=2)
    lab.connect(seconds=60)
    assert lab.gateway.one(PeerConnected)

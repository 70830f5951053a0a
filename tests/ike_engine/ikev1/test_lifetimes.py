"""Lifetimes as attributes, and RESPONDER-LIFETIME in both phases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.errors import Malformed
from ike_engine.ikev1.lifetimes import Lifetime, announced, lifetime_of, responder_lifetime
from ike_engine.ikev1.numbers import EspAttribute, LifeType, NotifyType, Phase1Attribute, ProtocolId
from ike_engine.ikev1.payloads import Notification
from ike_engine.wire.attributes import Attribute

ESP, ISAKMP = ProtocolId.ESP, ProtocolId.ISAKMP


@pytest.mark.parametrize(
    ("protocol", "type_", "duration"),
    [
        (ISAKMP, Phase1Attribute.LIFE_TYPE, Phase1Attribute.LIFE_DURATION),
        (ESP, EspAttribute.LIFE_TYPE, EspAttribute.LIFE_DURATION),
    ],
)
def test_each_phase_has_numbers_of_its_own(protocol: ProtocolId, type_: int, duration: int) -> None:
    attributes = (
        Attribute(type_, LifeType.KILOBYTES),
        Attribute(duration, (4_608_000).to_bytes(4, "big")),
        Attribute(type_, LifeType.SECONDS),
        Attribute(duration, 3_600),
    )
    assert lifetime_of(attributes, protocol) == Lifetime(3_600, 4_608_000)


def test_a_duration_without_a_type_says_nothing() -> None:
    assert lifetime_of((Attribute(EspAttribute.LIFE_DURATION, 3_600),), ESP) == Lifetime()
    assert lifetime_of((), ISAKMP) == Lifetime()


def test_a_duration_that_is_no_number_is_malformed() -> None:
    with pytest.raises(Malformed):
        lifetime_of((Attribute(EspAttribute.LIFE_TYPE, 1), Attribute(EspAttribute.LIFE_DURATION, bytes(9))), ESP)


@given(st.sampled_from([ESP, ISAKMP]), st.integers(1, 2**32 - 1))
def test_what_is_told_is_what_is_understood(protocol: ProtocolId, seconds: int) -> None:
    told = Notification.parse(responder_lifetime(protocol, b"1234", seconds).encode())
    assert told.type == NotifyType.RESPONDER_LIFETIME
    assert announced((told,), protocol) == Lifetime(seconds)
    assert announced((told,), ESP if protocol == ISAKMP else ISAKMP) is None


@given(st.binary(max_size=40))
def test_rubbish_announces_nothing_or_a_number(data: bytes) -> None:
    found = announced((Notification(protocol=ESP, type=NotifyType.RESPONDER_LIFETIME, data=data),), ESP)
    assert found is None or found.seconds > 0

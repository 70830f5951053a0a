"""Refusals: on record promptly, in words, once, and not as often as strangers like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.actions import Accepted, Authenticate, Refused, Rejected
from ike_engine.events import IsakmpSaEstablished, PeerConnected, PeerRefused, Stage
from ike_engine.ikev1.informational import notify
from ike_engine.ikev1.numbers import ExchangeType, NotifyType
from ike_engine.ikev1.refusals import DOUBT_SECONDS, STRANGERS_A_SECOND, STRANGERS_AT_ONCE
from ike_engine.path import Path
from ike_engine.policy import Authentication, Phase1Mode
from ike_engine.secret import Secret
from ike_engine.wire.chain import encode_chain
from ike_engine.wire.header import encode_message
from tests.ike_engine.ikev1.test_associations import first_message, from_address, header, with_cookie
from tests.ike_engine.lab import newest_sa, pair, pending

if TYPE_CHECKING:
    from tests.ike_engine.lab import Pair

PROMPTLY = DOUBT_SECONDS + 1.0
WRONG_KEY: Any = {"method": Authentication.XAUTH_PSK, "client": {"pre_shared_key": Secret(b"another key")}}


def complains(lab: Pair, kind: NotifyType) -> None:
    """The client says in clear what it thinks; so could anybody who sees the cookies."""
    sa = newest_sa(lab.client)
    first, body = encode_chain((notify(kind, sa),))
    data = encode_message(header(sa.cky_i, ExchangeType.INFORMATIONAL, first, 9, newest_sa(lab.gateway).cky_r), body)
    lab.network.deliver(lab.gateway, data, Path(sa.path.remote, sa.path.local, nat_t=False))


def test_a_wrong_group_key_in_main_mode_is_on_record_at_once() -> None:
    lab = pair(mode=Phase1Mode.MAIN, **WRONG_KEY)
    lab.connect(seconds=PROMPTLY)
    refused = lab.gateway.one(PeerRefused)
    assert "the group keys differ" in refused.reason
    assert refused.remedy == "Make the pre-shared key of profile staff and of the client the same."
    lab.network.run(60)
    assert lab.gateway.of(PeerRefused) == [refused]  # and not again when its time is over


def test_a_wrong_group_key_in_aggressive_mode_is_on_record_when_the_client_says_so() -> None:
    lab = pair(mode=Phase1Mode.AGGRESSIVE, **WRONG_KEY)
    lab.connect(seconds=0.1)
    complains(lab, NotifyType.INVALID_HASH_INFORMATION)
    lab.network.run(PROMPTLY)
    refused = lab.gateway.one(PeerRefused)
    assert refused.reason == "the client gave up with INVALID-HASH-INFORMATION"
    assert "pre-shared key" in refused.remedy
    assert refused.identity == "staff"


def test_a_gateway_that_is_not_believed_is_on_record_when_the_client_says_so() -> None:
    lab = pair(mode=Phase1Mode.AGGRESSIVE)
    lab.network.hook = lambda sender, data, way: None if sender is lab.gateway else (data, way)
    lab.connect(seconds=0.1)
    complains(lab, NotifyType.AUTHENTICATION_FAILED)
    lab.network.run(PROMPTLY)
    assert lab.gateway.one(PeerRefused).remedy == "Check CA certificate and gateway name on the client."


def test_a_complaint_of_a_stranger_on_the_way_ends_nothing() -> None:
    lab = pair(mode=Phase1Mode.AGGRESSIVE)
    lab.connect(seconds=0.03)
    complains(lab, NotifyType.AUTHENTICATION_FAILED)
    lab.network.run(10)
    assert lab.gateway.one(PeerConnected)
    assert not lab.gateway.of(PeerRefused)


def test_a_client_that_does_better_in_time_is_not_on_record() -> None:
    lab = pair(method=Authentication.XAUTH_PSK)

    def garble_once(sender: Any, data: bytes, way: Path) -> tuple[bytes, Path]:
        if sender is lab.client and data[19] & 1 and not lab.gateway.dropped:
            return data[:60] + bytes((data[60] ^ 1,)) + data[61:], way  # in the HASH
        return data, way

    lab.network.hook = garble_once
    lab.connect(seconds=30)
    assert lab.gateway.one(IsakmpSaEstablished)
    assert not lab.gateway.of(PeerRefused)


@pytest.mark.parametrize("mode", Phase1Mode)
def test_a_doubt_leaves_no_moment_behind(mode: Phase1Mode) -> None:
    lab = pair(mode=mode, **WRONG_KEY)
    lab.connect(seconds=120)
    assert pending(lab.gateway) == 0


def test_one_doubt_is_one_moment_however_often_it_is_said() -> None:
    lab = pair(mode=Phase1Mode.AGGRESSIVE, **WRONG_KEY)
    lab.connect(seconds=0.1)
    complains(lab, NotifyType.INVALID_HASH_INFORMATION)
    before = pending(lab.gateway)
    complains(lab, NotifyType.INVALID_HASH_INFORMATION)
    assert pending(lab.gateway) == before


# ---- strangers ------------------------------------------------------------------------------------------------


def strangers(lab: Pair, count: int, message: bytes, first: int = 1) -> None:
    for number in range(first, first + count):
        source = from_address(f"203.0.{number % 250}.{number // 250 + 1}")
        lab.network.deliver(lab.gateway, with_cookie(message, number), source)


def test_strangers_are_told_of_and_answered_only_so_often() -> None:
    lab = pair(gateway={"ike_proposals": ()})
    message = first_message()
    strangers(lab, 400, message)
    assert len(lab.gateway.of(PeerRefused)) == STRANGERS_AT_ONCE
    assert len(lab.gateway.sent) == STRANGERS_AT_ONCE
    assert lab.gateway.dropped.count("refused, like too many others") == 400 - STRANGERS_AT_ONCE
    assert pending(lab.gateway) == 0

    lab.network.now += 4.0
    strangers(lab, 400, message, 1_000)
    assert len(lab.gateway.of(PeerRefused)) == STRANGERS_AT_ONCE + 4 * STRANGERS_A_SECOND


def test_who_showed_that_it_receives_is_told_of_whatever_strangers_do() -> None:
    lab = pair(mode=Phase1Mode.MAIN, **WRONG_KEY)
    room = lab.gateway.endpoint._ikev1.gateway._refusals  # type: ignore[attr-defined]
    while room.room_for_a_stranger():
        pass
    lab.connect(seconds=PROMPTLY)
    assert lab.gateway.one(PeerRefused).stage is Stage.PHASE_1


def test_a_flood_of_refusals_keeps_nobody_out() -> None:
    lab = pair()
    room = lab.gateway.endpoint._ikev1.gateway._refusals  # type: ignore[attr-defined]
    while room.room_for_a_stranger():
        pass
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerConnected)


def test_who_refused_is_told_unread() -> None:
    lab = pair()
    lab.gateway.answer = lambda _: Rejected("wrong password", claim="the realm")
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerRefused).claim == "the realm"


def test_who_had_accepted_is_told_of_what_is_refused_later() -> None:
    lab = pair()
    lab.gateway.answer = lambda question: (
        Accepted("alice", "the realm") if isinstance(question, Authenticate) else Refused("the pool is exhausted")
    )
    lab.connect(seconds=5)
    refused = lab.gateway.one(PeerRefused)
    assert (refused.stage, refused.claim) == (Stage.MODE_CONFIG, "the realm")

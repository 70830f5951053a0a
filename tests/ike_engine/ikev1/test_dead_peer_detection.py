"""DPD (RFC 3706) in both directions, as a transcript and as hours on virtual time."""

from __future__ import annotations

import pytest

from ike_engine.events import Goodbye, Liveness, LivenessChanged, PeerConnected, PeerGone
from ike_engine.ikev1.dead_peer_detection import CHALLENGE_AGAIN_SECONDS, CHALLENGE_SECONDS, PROBES
from ike_engine.ikev1.informational import notify
from ike_engine.ikev1.messages import Informational
from ike_engine.ikev1.numbers import NotifyType
from ike_engine.ikev1.payloads import Notification
from ike_engine.wire import vendor_ids
from tests.ike_engine.lab import Pair, newest_sa, pair, say
from tests.ike_engine.network import Weather
from tests.ike_engine.playbook import Script

QUICK = {"dpd_interval_seconds": 10.0, "dpd_timeout_seconds": 20.0}
NEVER = {"dpd_interval_seconds": 0}
ACK = NotifyType.R_U_THERE_ACK


def probed(**gateway: float) -> Script:
    """A client that is logged in and is then silent until the gateway probes."""
    client = Script(pair(gateway={**QUICK, **gateway}))
    client.logs_in()
    return client


def hears_probe(client: Script) -> int:
    (notification,) = client.hears(Informational).notifications
    assert notification.type == NotifyType.R_U_THERE
    assert notification.spi == client.sa.cky_i + client.sa.cky_r
    return int.from_bytes(notification.data, "big")


def answers(client: Script, sequence: int, *, message_id: int, spi: bytes | None = None) -> None:
    cookies = client.sa.cky_i + client.sa.cky_r
    client.begin(5, message_id)  # type: ignore[arg-type]
    client.says(
        Informational(
            everywhere=(Notification(type=ACK, spi=cookies if spi is None else spi, data=sequence.to_bytes(4, "big")),)
        )
    )


# ---- we probe ------------------------------------------------------------------------------------------


def test_a_silent_peer_is_probed_and_an_answer_is_life() -> None:
    client = probed()
    began = client.lab.network.now
    sequence = hears_probe(client)
    assert client.lab.network.now - began == pytest.approx(10.0, abs=1.0)
    answers(client, sequence, message_id=7)

    alive = client.lab.gateway.one(LivenessChanged)
    assert (alive.liveness, alive.probe) == (Liveness.ALIVE, 0)
    assert alive.round_trip_seconds is not None
    assert hears_probe(client) == sequence + 1


def test_cookies_in_the_other_order_are_an_answer_too() -> None:
    # quirk: racoon: takes, and some peers send, the responder's cookie first.
    client = probed()
    answers(client, hears_probe(client), message_id=7, spi=client.sa.cky_r + client.sa.cky_i)
    assert client.lab.gateway.one(LivenessChanged).liveness is Liveness.ALIVE


@pytest.mark.parametrize("off_by", [-1, 1, 1000])
def test_an_answer_to_another_probe_measures_nothing(off_by: int) -> None:
    client = probed()
    answers(client, hears_probe(client) + off_by, message_id=7)
    assert not client.lab.gateway.of(LivenessChanged)


def test_who_answers_nothing_is_dead_after_the_timeout() -> None:
    client = probed()
    hears_probe(client)
    client.waits(19)
    assert not client.lab.gateway.of(PeerGone)
    client.waits(2)
    news = [(event.liveness, event.probe) for event in client.lab.gateway.of(LivenessChanged)]
    assert news == [*((Liveness.PROBING, probe) for probe in range(2, PROBES + 1)), (Liveness.DEAD, PROBES)]
    assert not client.lab.gateway.endpoint.peers


def test_all_probes_of_one_silence_have_one_sequence_number() -> None:
    client = probed()
    assert len({hears_probe(client) for _ in range(PROBES)}) == 1


def test_a_late_answer_is_life_but_no_round_trip() -> None:
    client = probed()
    first, second = hears_probe(client), hears_probe(client)
    answers(client, second, message_id=7)
    assert first == second
    alive = client.lab.gateway.of(LivenessChanged)[-1]
    assert (alive.liveness, alive.round_trip_seconds) == (Liveness.ALIVE, None)


def test_who_speaks_is_not_probed() -> None:
    lab = pair(gateway=QUICK, client=NEVER)
    lab.connect(seconds=5)
    before = len(lab.gateway.sent)
    for number in range(1, 21):
        lab.network.run(5)
        say(lab, Informational(everywhere=(notify(NotifyType.INITIAL_CONTACT, newest_sa(lab.client)),)), number)
    assert len(lab.gateway.sent) == before


def test_who_did_not_announce_dpd_is_not_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_ids, "DPD", b"something else")
    lab = pair(gateway=QUICK, client=NEVER)
    lab.network.command(lab.client, lab.order)
    monkeypatch.undo()
    lab.network.run(500)
    assert lab.gateway.one(PeerConnected)
    assert not lab.gateway.of(PeerGone)


@pytest.mark.parametrize("gateway", [NEVER, QUICK])
@pytest.mark.parametrize("client", [NEVER, QUICK])
def test_hours_of_silence_over_a_lossy_network(gateway: dict[str, float], client: dict[str, float]) -> None:
    lab = pair(gateway=gateway, client=client, seed=5)
    lab.connect(seconds=5)
    lab.network.weather = Weather(loss=0.02, duplication=0.1, jitter=0.2)
    lab.network.run(10_000)
    assert not lab.gateway.of(PeerGone)
    assert not lab.client.of(PeerGone)


@pytest.mark.parametrize("who", ["gateway", "client"])
def test_either_side_notices_that_the_other_is_gone(who: str) -> None:
    lab = pair(**{who: QUICK}, **{("client" if who == "gateway" else "gateway"): NEVER})  # type: ignore[arg-type]
    lab.connect(seconds=5)
    lab.network.hook = lambda *_: None
    lab.network.run(60)
    assert getattr(lab, who).one(PeerGone).goodbye is Goodbye.DEAD


# ---- we are probed ---------------------------------------------------------------------------------------


def acknowledged(lab: Pair, sequence: int, message_id: int) -> bool:
    before = len(lab.gateway.sent)
    sa = newest_sa(lab.client)
    say(lab, Informational(everywhere=(notify(NotifyType.R_U_THERE, sa, sequence.to_bytes(4, "big")),)), message_id)
    return len(lab.gateway.sent) > before


def test_a_probe_is_answered_with_its_sequence_number() -> None:
    client = probed()
    client.begin(5, 9)  # type: ignore[arg-type]
    client.says(Informational(everywhere=(notify(NotifyType.R_U_THERE, client.sa, b"\xfe\xdc\xba\x98"),)))
    (answer,) = client.hears(Informational).notifications
    assert (answer.type, answer.data) == (NotifyType.R_U_THERE_ACK, b"\xfe\xdc\xba\x98")
    assert answer.spi == client.sa.cky_i + client.sa.cky_r


def test_a_sequence_number_may_come_again_but_not_from_the_past() -> None:
    # quirk: vpnc 0.5.3: three probes with one sequence number before it counts on; it begins anywhere in 32 bits.
    lab = pair(gateway=NEVER, client=NEVER)
    lab.connect(seconds=5)
    assert acknowledged(lab, 0xF446_CFE3, 1)
    assert acknowledged(lab, 0xF446_CFE3, 2)
    assert acknowledged(lab, 0xF446_CFE3, 3)
    assert acknowledged(lab, 0xF446_CFE4, 4)
    assert not acknowledged(lab, 0xF446_CFE3, 5)


@pytest.mark.parametrize("data", [b"", b"\0\0\1", b"\0\0\0\0\1"])
def test_a_sequence_number_has_four_octets(data: bytes) -> None:
    lab = pair(gateway=NEVER, client=NEVER)
    lab.connect(seconds=5)
    before = len(lab.gateway.sent)
    say(lab, Informational(everywhere=(notify(NotifyType.R_U_THERE, newest_sa(lab.client), data),)))
    assert len(lab.gateway.sent) == before


def test_a_doubt_is_cleared_up_at_once() -> None:
    """The same user came again from the same address: the old stay is probed out of turn."""
    client = probed(dpd_interval_seconds=1000.0)
    client.lab.gateway.endpoint._ikev1.dpd.hasten(newest_sa(client.lab.gateway))
    client.lab.network._collect(client.lab.gateway)
    began = client.lab.network.now
    hears_probe(client)
    assert client.lab.network.now == began
    client.waits(21)
    assert not client.lab.gateway.endpoint.peers


# ---- a challenge ------------------------------------------------------------------------------------------


def challenged(client: Script) -> list[str]:
    """What became of a challenge that begins now."""
    outcome: list[str] = []
    client.lab.gateway.endpoint._ikev1.dpd.challenge(
        newest_sa(client.lab.gateway), passed=lambda: outcome.append("passed"), failed=lambda: outcome.append("failed")
    )
    client.lab.network._collect(client.lab.gateway)
    return outcome


def test_a_challenge_is_passed_by_its_own_sequence_number_only() -> None:
    client = probed(dpd_interval_seconds=1000.0)
    outcome = challenged(client)
    sequence = hears_probe(client)
    answers(client, sequence - 1, message_id=7)
    assert outcome == []
    answers(client, sequence, message_id=8)
    answers(client, sequence, message_id=9)
    assert outcome == ["passed"]
    client.waits(CHALLENGE_SECONDS + 1)
    assert outcome == ["passed"]


def test_a_challenge_fails_after_its_time_or_with_its_sa() -> None:
    client = probed(dpd_interval_seconds=1000.0)
    outcome = challenged(client)
    client.waits(CHALLENGE_SECONDS - 0.5)
    assert outcome == []
    client.waits(1.0)
    assert outcome == ["failed"]
    outcome = challenged(client)
    client.lab.gateway.endpoint._ikev1.remove(newest_sa(client.lab.gateway))
    client.waits(CHALLENGE_AGAIN_SECONDS)
    assert outcome == ["failed"]

"""Transcripts come out of the database as they went in, and small."""

import json
from datetime import UTC, datetime, timedelta

from appliance.transcripts.schemas import TranscriptLine
from appliance.transcripts.stored import pack, unpack
from ike_engine.events import PeerConnected
from ike_engine.transcript import Probe, What
from ike_engine.transcript import TranscriptLine as EngineLine
from tests.ike_engine.lab import pair

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
PROBES = (Probe(1030.0, 1, 1030.041), Probe(1060.0, 2, 1064.0), Probe(1090.0, 5, None))


def moment(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds - 1000)


def test_what_goes_in_comes_out() -> None:
    lines = (
        EngineLine(
            at=1000.0, exchange="main mode", number=1, payloads=("SA", "8 VID"), octets=244, says="offers 8 transforms"
        ),
        EngineLine(at=1000.25, exchange="main mode", number=2, sent=True, payloads=("SA",), octets=184, fragments=3),
        EngineLine(at=1001.0, what=What.DROPPED, says="HASH does not verify", times=3),
        EngineLine(at=1030.0, what=What.PROBES, until=1090.0, protected=True, times=4, probes=PROBES),
        EngineLine(at=1090.5, what=What.OMITTED, times=17),
    )
    shown = unpack(json.loads(json.dumps(pack(lines, moment))), complete=True)
    assert shown.complete
    assert [line.seconds for line in shown.lines] == [0.0, 0.25, 1.0, 30.0, 90.5]
    first, second, dropped, probes, omitted = shown.lines
    assert first.at == NOON
    assert (first.exchange, first.number, first.payloads, first.octets) == ("main mode", 1, ("SA", "8 VID"), 244)
    assert (second.sent, second.fragments, second.says) == (True, 3, "")
    assert (dropped.what, dropped.times, dropped.says) == (What.DROPPED, 3, "HASH does not verify")
    assert (probes.until, probes.protected) == (NOON + timedelta(seconds=90), True)
    answered, repeated, unanswered = probes.probes
    assert (answered.at, answered.tries) == (NOON + timedelta(seconds=30), 1)
    assert answered.round_trip_seconds == 0.041
    assert (repeated.answered_at, repeated.round_trip_seconds) == (NOON + timedelta(seconds=64), None)
    assert (unanswered.tries, unanswered.answered_at, unanswered.round_trip_seconds) == (5, None, None)
    assert omitted == TranscriptLine(at=NOON + timedelta(seconds=90.5), seconds=90.5, what=What.OMITTED, times=17)


def test_nothing_is_stored_as_nothing() -> None:
    assert pack((), moment) is None
    assert unpack(None, complete=True).lines == []


def test_what_a_peer_says_of_itself_is_one_printable_line() -> None:
    stored = pack((EngineLine(at=1000.0, says="identity \x1b[31mroot\n" + "x" * 1000),), moment)
    (line,) = unpack(stored, complete=False).lines
    assert line.says.isprintable()
    assert len(line.says) == 512


def test_a_login_takes_less_than_two_kilobytes() -> None:
    lab = pair()
    lab.connect(5)
    lines = lab.gateway.endpoint.transcript(lab.gateway.one(PeerConnected).peer_id)
    assert len(lines) == 15
    assert len(json.dumps(pack(lines, moment))) < 2_000

"""The transcript of a peer's exchanges: in order, in words, bounded, and without a secret."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.actions import Disconnect, RekeyChildren
from ike_engine.events import IsakmpSaEstablished, PeerConnected, PeerGone, PeerRefused
from ike_engine.exchange import Incident
from ike_engine.ikev1.messages import Informational
from ike_engine.ikev1.numbers import ExchangeType, NotifyType
from ike_engine.ikev1.payloads import Delete, Nonce, Notification
from ike_engine.ikev1.transcript import FIRST, LAST, LATEST_PROBES, Transcript
from ike_engine.policy import Authentication, IkeProposal, Phase1Mode
from ike_engine.transcript import TranscriptLine, What
from ike_engine.wire.chain import UnknownPayload
from tests.ike_engine.lab import Pair, newest_sa, pair, sealed
from tests.ike_engine.network import Weather, path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ike_engine.wire.chain import Payload

QUIET = {"dpd_interval_seconds": 0.0}


def transcript(lab: Pair) -> tuple[TranscriptLine, ...]:
    return lab.gateway.endpoint.transcript(lab.gateway.of(PeerConnected)[-1].peer_id)


def said(lines: tuple[TranscriptLine, ...]) -> list[str]:
    return [
        f"{'-->' if line.sent else '<--'} {line.exchange} {line.number} HDR{'*' if line.protected else ''}, "
        f"{', '.join(line.payloads)}"
        for line in lines
        if line.what is What.MESSAGE
    ]


def words(lines: tuple[TranscriptLine, ...], exchange: str) -> list[str]:
    return [line.says for line in lines if line.exchange == exchange]


def test_a_login_reads_as_the_diagrams_of_the_rfcs() -> None:
    lab = pair()
    lab.connect(5)
    assert said(transcript(lab)) == [
        "<-- main mode 1 HDR, SA, 8 VID",
        "--> main mode 2 HDR, SA, 5 VID",
        "<-- main mode 3 HDR, KE, NONCE, 2 NAT-D",
        "--> main mode 4 HDR, KE, NONCE, 2 NAT-D",
        "<-- main mode 5 HDR*, ID, HASH, CERTREQ, N",
        "--> main mode 6 HDR*, ID, CERT, SIG",
        "--> Xauth 1 HDR*, HASH, ATTR",
        "<-- Xauth 2 HDR*, HASH, ATTR",
        "--> Xauth 1 HDR*, HASH, ATTR",
        "<-- Xauth 2 HDR*, HASH, ATTR",
        "<-- Mode Config 1 HDR*, HASH, ATTR",
        "--> Mode Config 2 HDR*, HASH, ATTR",
        "<-- quick mode 1 HDR*, HASH, SA, NONCE, 2 ID",
        "--> quick mode 2 HDR*, HASH, SA, NONCE, 2 ID",
        "<-- quick mode 3 HDR*, HASH",
    ]


def test_what_is_offered_chosen_asked_for_and_given_is_told_in_words() -> None:
    lab = pair()
    lab.connect(5)
    lines = transcript(lab)
    assert words(lines, "main mode") == [
        "offers aes128-sha256-ecp256 with hybrid-init-rsa, 86400 s",
        "chooses aes128-sha256-ecp256 with hybrid-init-rsa, 86400 s",
        "",
        "",
        "identity staff; INITIAL-CONTACT",
        "identity vpn.example.test",
    ]
    assert words(lines, "Xauth") == [
        "asks for user name, user password",
        "gives user name, user password",
        "status OK",
        "acknowledges",
    ]
    assert words(lines, "Mode Config")[1] == "gives address, netmask, dns, save passwd, pfs, application version"
    offered, chosen, _ = words(lines, "quick mode")
    assert offered == "offers 8 transforms; traffic between 10.77.0.2 and 0.0.0.0/0"
    assert chosen.startswith("chooses aes256gcm16, SPI ")
    assert chosen.endswith(", 28800 s; traffic between 10.77.0.2 and 0.0.0.0/0")


def test_a_message_that_was_cut_is_as_long_as_it_was_before() -> None:
    lab = pair()
    lab.connect(5)
    proof = transcript(lab)[5]
    assert proof.fragments == 3
    assert proof.octets > 1_000
    lines = lab.client.endpoint._peers  # the other side of it
    (peer,) = lines
    answer = peer.ike_sas[0].transcript.lines()[5]
    assert (answer.sent, answer.octets, answer.fragments) == (False, proof.octets, 2)


def test_aggressive_mode_with_a_group_key() -> None:
    lab = pair(method=Authentication.XAUTH_PSK, mode=Phase1Mode.AGGRESSIVE)
    lab.connect(5)
    assert said(transcript(lab))[:3] == [
        "<-- aggressive mode 1 HDR, SA, KE, NONCE, ID, CERTREQ, 8 VID",
        "--> aggressive mode 2 HDR, SA, KE, NONCE, ID, HASH, 2 NAT-D, 5 VID",
        "<-- aggressive mode 3 HDR*, HASH, 2 NAT-D, N",
    ]


def reachable(root: object) -> Iterator[object]:
    """Everything that ``root`` keeps alive, but for classes, functions and modules, which are everybody's."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType) or callable(thing):
            continue
        seen.add(id(thing))
        yield thing
        waiting += gc.get_referents(thing)


@pytest.mark.parametrize("method", list(Authentication))
def test_no_secret_is_within_its_reach(method: Authentication) -> None:
    lab = pair(method=method)
    lab.connect(5)
    sa = newest_sa(lab.gateway)
    secrets = {b"s3cret", b"group key", *(getattr(sa.keys, name) for name in ("skeyid", "skeyid_d", "skeyid_a"))}
    secrets.add(sa.secrets.cipher_key)
    kept = [thing for thing in reachable(sa.transcript._entries) if isinstance(thing, bytes | str | bytearray)]
    assert kept
    for thing in kept:
        octets = thing.encode() if isinstance(thing, str) else bytes(thing)
        assert not any(bytes(secret) in octets for secret in secrets)
    assert not any("s3cret" in line.says for line in transcript(lab))


def test_probes_are_counted() -> None:
    lab = pair(gateway={"dpd_interval_seconds": 30.0}, client={"dpd_interval_seconds": 1e6})
    lab.connect(1_000)
    lines = transcript(lab)
    assert [line.what for line in lines].count(What.PROBES) == 1
    probes = lines[-1]
    assert probes.what is What.PROBES
    assert probes.times > 30
    assert probes.until is not None
    assert probes.until - probes.at > 500
    count = probes.times // 2
    assert probes.says == f"we probed {count} times, the peer answered {count}"
    assert len(probes.probes) == LATEST_PROBES
    assert probes.probes[-1].at == pytest.approx(probes.until, abs=1)
    for earlier, probe in itertools.pairwise(probes.probes):
        assert probe.at - earlier.at == pytest.approx(30, abs=2)
        assert probe.tries == 1
        assert probe.answered_at is not None
        assert 0 < probe.answered_at - probe.at < 1


def test_a_probe_that_nobody_answers_is_one_with_its_tries() -> None:
    lab = pair(
        gateway={"dpd_interval_seconds": 30.0, "dpd_timeout_seconds": 20.0}, client={"dpd_interval_seconds": 1e6}
    )
    lab.connect(40)
    lab.network.hook = lambda sender, data, path: None if sender is lab.client else (data, path)
    lab.network.run(100)
    gone = lab.gateway.one(PeerGone)
    answered, unanswered = [probe for line in gone.transcript() for probe in line.probes]
    assert (answered.tries, answered.answered_at is not None) == (1, True)
    assert (unanswered.tries, unanswered.answered_at) == (5, None)


def test_probes_are_kept_over_a_new_phase_1() -> None:
    lab = pair(gateway={"dpd_interval_seconds": 30.0}, client=QUIET | {"isakmp_lifetime_seconds": 100})
    lab.connect(200)
    assert len(lab.gateway.of(IsakmpSaEstablished)) > 1
    times = [probe.at for line in transcript(lab) for probe in line.probes]
    assert times == sorted(times)
    assert times[0] < 1_060
    assert times[-1] > 1_120


def test_probes_that_the_network_brings_twice_are_counted_on() -> None:
    lab = pair(seed=3, weather=Weather(duplication=0.5), gateway={"dpd_interval_seconds": 30.0})
    lab.connect(3_000)
    after = transcript(lab)[-4:]
    assert [line.what for line in after].count(What.PROBES) == 1
    assert [line.what for line in after].count(What.DUPLICATE) >= 1
    assert next(line for line in after if line.what is What.PROBES).times > 100


def test_what_is_sent_again_is_told() -> None:
    lab = pair(seed=5, weather=Weather(loss=0.35, duplication=0.2))
    lab.connect(120)
    incidents = {line.what for line in transcript(lab)}
    assert {What.REPEATED, What.DUPLICATE} <= incidents


def test_what_is_not_believed_is_told_with_the_reason() -> None:
    lab = pair()
    lab.connect(5)
    (message,) = sealed(newest_sa(lab.client), Informational(everywhere=(Notification(type=1),)))
    datagram = bytearray(message)
    datagram[-1] ^= 1
    for _ in range(3):
        lab.network.deliver(lab.gateway, bytes(datagram), path())
    dropped = transcript(lab)[-1]
    assert (dropped.what, dropped.times, dropped.sent) == (What.DROPPED, 3, False)
    assert dropped.says


def test_a_rekeyed_phase_1_goes_on_in_the_same_transcript() -> None:
    lab = pair(client={"isakmp_lifetime_seconds": 600}, gateway=QUIET)
    lab.connect(700)
    assert len(lab.gateway.of(IsakmpSaEstablished)) == 2
    assert len(lab.gateway.of(PeerConnected)) == 1
    lines = transcript(lab)
    assert [line.number for line in lines if line.exchange == "main mode"] == [1, 2, 3, 4, 5, 6] * 2
    assert [line.at for line in lines] == sorted(line.at for line in lines)


def test_a_peer_that_is_gone_leaves_its_transcript_with_the_goodbye_in_it() -> None:
    lab = pair()
    lab.connect(5)
    peer_id = lab.gateway.one(PeerConnected).peer_id
    lab.network.command(lab.gateway, RekeyChildren(peer_id))
    lab.network.run(1)
    lab.network.command(lab.gateway, Disconnect(peer_id))
    assert lab.gateway.endpoint.transcript(peer_id) == ()
    lines = lab.gateway.one(PeerGone).transcript()
    assert said(lines)[-2:] == ["--> informational 1 HDR*, HASH, D"] * 2
    assert lines[-2].says.startswith("deletes ESP ")
    assert lines[-1].says == "deletes the ISAKMP SA"
    assert said(lines)[15] == "--> quick mode 1 HDR*, HASH, SA, NONCE, 2 ID"


def test_a_refused_offer_has_its_transcript() -> None:
    lab = pair(client={"ike_proposals": (IkeProposal.from_text("aes256-sha1-modp2048"),)})
    lab.connect(5)
    lines = lab.gateway.one(PeerRefused).transcript()
    assert said(lines) == ["<-- main mode 1 HDR, SA, 8 VID", "--> informational 1 HDR, N"]
    assert lines[1].says == "NO-PROPOSAL-CHOSEN"


def test_a_refused_login_has_its_transcript_with_the_status() -> None:
    lab = pair(password=b"wrong")
    lab.connect(5)
    lines = lab.gateway.one(PeerRefused).transcript()
    assert "status FAIL" in words(lines, "Xauth")


# ---- by itself -----------------------------------------------------------------------------------------------


def alone() -> tuple[Transcript, SimpleNamespace]:
    clock = SimpleNamespace(now=0.0)
    return Transcript(clock), clock


def informational(written: Transcript, *payloads: Payload, sent: bool = False) -> None:
    written.note(sent, ExchangeType.INFORMATIONAL, 1, True, 1, payloads, 84)


def test_of_a_long_life_the_first_and_the_last_messages_are_kept() -> None:
    written, clock = alone()
    for number in range(1_000):
        clock.now = float(number)
        informational(written, Notification(type=NotifyType.INVALID_SPI))
        if number % 2:
            written.happened(Incident.DROPPED, f"reason {number}")
        assert len(written._entries) <= 4 * (FIRST + 2 * LAST)
    lines = written.lines()
    assert [line.at for line in lines[:3]] == [0.0, 1.0, 1.0]
    assert lines[-1].at == 999.0
    assert len(lines) >= FIRST + LAST
    (omitted,) = (line for line in lines if line.what is What.OMITTED)
    assert lines[FIRST] is omitted
    assert omitted.times + len(lines) - 1 == 1_500


def test_the_same_incident_once_more_is_counted() -> None:
    written, clock = alone()
    for _ in range(5):
        written.happened(Incident.DUPLICATE)
        clock.now += 1
    written.happened(Incident.DROPPED, "x" * 5_000)
    first, second = written.lines()
    assert (first.what, first.times, first.at) == (What.DUPLICATE, 5, 0.0)
    assert len(second.says) == 200


def test_payloads_that_nobody_knows_are_told_as_such() -> None:
    written, _ = alone()
    informational(written, UnknownPayload(number_=200, data=b"?"), Notification(type=55_000))
    (line,) = written.lines()
    assert line.payloads == ("HASH", "unknown", "N")
    assert line.says == "UNKNOWN-55000"


def test_a_long_delete_is_cut() -> None:
    written, _ = alone()
    informational(written, Delete(protocol=3, spis=tuple(n.to_bytes(4, "big") for n in range(256, 456))))
    (line,) = written.lines()
    assert len(line.says) < 200


def test_a_login_costs_less_than_three_kilobytes(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[tuple[Any, ...]] = []
    genuine = Transcript.note
    lab = pair()

    def note(written: Transcript, *arguments: Any) -> None:
        if written._clock is lab.gateway.endpoint:
            noted.append(arguments)
        genuine(written, *arguments)

    monkeypatch.setattr(Transcript, "note", note)
    lab.connect(5)
    written, clock = alone()
    for arguments in noted:
        genuine(written, *arguments)  # what is shared is made
    logins = 100
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = []
        for login in range(logins):
            kept.append(Transcript(clock))
            for place, arguments in enumerate(noted):
                clock.now = login + place / 100
                genuine(kept[-1], *arguments[:-1], arguments[-1] + 1_000)
        octets = (tracemalloc.get_traced_memory()[0] - before) / logins
    finally:
        tracemalloc.stop()
    assert len(noted) == 15
    assert octets < 3_000


def test_a_nonce_says_nothing() -> None:
    written, _ = alone()
    written.note(True, ExchangeType.QUICK, 1, True, 1, (Nonce(data=bytes(16)),), 100)
    assert bytes(16) not in [thing for thing in reachable(written._entries) if isinstance(thing, bytes)]

"""What the tables say of what the engine told."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network

import pytest
from structlog.testing import capture_logs

from appliance import models
from appliance.auth.verdicts import Claim
from appliance.gateway.admission.terms import Terms
from appliance.gateway.compile import Problem
from appliance.gateway.record.projector import Status
from appliance.models import CommandOutcome, Verb
from appliance.models.columns import NEVER
from appliance.policy.effective import Policies
from ike_engine.dataplane.blocked import Blocked
from ike_engine.dataplane.interface import ChildCounters, Counters
from ike_engine.events import (
    ChildSaRemoved,
    DatagramDropped,
    Goodbye,
    Liveness,
    LivenessChanged,
    PeerGone,
    PeerMoved,
    Stage,
)
from ike_engine.path import Address, Path
from tests.appliance.gateway.recording import (
    NODE,
    PATH,
    Recorder,
    child_sa,
    coming_in,
    isakmp_sa,
    leaving,
    refused,
    spi,
)


def counted(inbound_spi: int, octets_in: int, octets_out: int, idle_seconds: float | None = 0.0) -> Counters:
    return Counters(
        (
            ChildCounters(
                inbound_spi=inbound_spi,
                octets_in=octets_in,
                octets_out=octets_out,
                packets_in=octets_in // 100,
                packets_out=octets_out // 100,
                integrity_failures=0,
                replays=0,
                idle_seconds=idle_seconds,
            ),
        )
    )


# ---- sessions and leases ------------------------------------------------------------------------


async def test_a_client_that_comes_in_is_a_live_session_with_a_lease(recorder: Recorder) -> None:
    recorder.connect(1, hostname="laptop", application_version="Cisco Systems VPN Client 5.0")
    await recorder.flush()
    (session,) = await recorder.live()
    assert (session.node, session.peer_id, session.user, session.profile, session.pool) == (
        NODE,
        1,
        "alice",
        "default",
        "office",
    )
    assert (session.authentication, session.mode, session.identity) == ("hybrid-rsa", "main", "alice")
    assert (session.peer_address, session.peer_port, session.local_address) == ("198.51.100.7", 61001, "192.0.2.1")
    assert (session.behind_nat, session.virtual_ip, session.hostname) == (True, "10.9.0.1", "laptop")
    assert (session.client_software, session.vendor_ids) == ("Cisco Systems VPN Client 5.0", ("XAUTH", "strongSwan"))
    assert (session.ike_suite, session.esp_suite) == ("aes256-sha256-modp2048", "aes128gcm16")
    assert (session.liveness, session.goodbye, session.octets_in) == ("alive", "", 0)
    assert session.started_at == session.last_heard_at == recorder.time.now
    (lease,) = await recorder.taken()
    assert (str(lease.address), lease.user, lease.node) == ("10.9.0.1", "alice", NODE)
    assert lease.taken_at == recorder.time.now


async def test_its_details_name_the_sas(recorder: Recorder) -> None:
    recorder.connect(1)
    await recorder.flush()
    (session,) = await recorder.live()
    assert session.details["isakmp_sa"]["responder_spi"] == "0000000000000001"
    assert session.details["isakmp_sa"]["lifetime_seconds"] == 86_400
    (child,) = session.details["child_sas"]
    assert (child["inbound_spi"], child["outbound_spi"]) == ("c0000001", "c0000002")
    assert (child["local_networks"], child["remote_networks"]) == (["0.0.0.0/0"], ["10.9.0.1/32"])


async def test_a_client_that_leaves_ends_its_session_and_frees_its_lease(recorder: Recorder) -> None:
    recorder.connect(1)
    await recorder.flush()
    recorder.time.pass_by(90)
    recorder.tell(*leaving(1))
    await recorder.flush()
    (session,) = await recorder.rows(models.Session)
    assert session.ended_at - session.started_at == timedelta(seconds=90)
    assert (session.goodbye, session.goodbye_reason) == ("client-disconnected", "the client disconnected")
    assert await recorder.taken() == []
    lease = (await recorder.rows(models.Lease))[0]
    assert (lease.user, lease.node, lease.free_since) == ("alice", None, recorder.time.now)


async def test_one_that_comes_and_goes_between_two_transactions_is_on_record(recorder: Recorder) -> None:
    recorder.connect(1)
    recorder.tell(*leaving(1, goodbye=Goodbye.DEAD))
    await recorder.flush()
    (session,) = await recorder.rows(models.Session)
    assert (session.goodbye, session.ended_at) == ("dead-peer", recorder.time.now)
    assert await recorder.taken() == []
    assert recorder.projector.live == {}


async def test_an_address_that_changes_hands_between_two_transactions(recorder: Recorder) -> None:
    recorder.connect(1, "alice")
    await recorder.flush()
    recorder.tell(*leaving(1, "alice"))
    for address in range(253):
        assert recorder.leases.take(1, "filler", 100 + address, recorder.time.now) is not None
    recorder.connect(2, "bob")
    await recorder.flush()
    lease = (await recorder.rows(models.Lease))[0]
    assert (str(lease.address), lease.user, lease.free_since) == ("10.9.0.1", "bob", None)


async def test_devices_of_one_user_are_sessions_of_their_own(recorder: Recorder) -> None:
    recorder.connect(1, path=PATH)
    recorder.connect(2, path=PATH._replace(remote=Address("198.51.100.7", 61002)))
    await recorder.flush()
    first, second = await recorder.live()
    assert (first.virtual_ip, second.virtual_ip) == ("10.9.0.1", "10.9.0.2")
    assert (first.peer_port, second.peer_port) == (61001, 61002)


async def test_a_client_that_never_got_past_mode_config_leaves_no_trace(recorder: Recorder) -> None:
    recorder.tell(isakmp_sa(1))
    assert recorder.leases.take(1, "alice", 1, recorder.time.now) is not None
    await recorder.flush()
    assert len(await recorder.taken()) == 1
    recorder.tell(
        refused(stage=Stage.QUICK_MODE, reason="no acceptable proposal"),
        PeerGone(peer_id=1, user="alice", goodbye=Goodbye.FAILED, reason="no acceptable proposal"),
    )
    await recorder.flush()
    assert await recorder.taken() == []
    assert await recorder.rows(models.Session) == []
    assert len(recorder.leases) == 0


async def test_a_refused_client_leaves_nothing_but_the_refusal(recorder: Recorder) -> None:
    recorder.tell(refused())
    await recorder.flush()
    assert await recorder.rows(models.Session) == []
    assert all(lease.free_since == NEVER for lease in await recorder.rows(models.Lease))
    assert len(await recorder.rows(models.Refusal)) == 1


async def test_phase_1_of_strangers_does_not_pile_up(recorder: Recorder) -> None:
    recorder.tell(*(isakmp_sa(peer) for peer in range(20_000)))
    assert len(recorder.projector._early) == 10_000


async def test_a_login_is_noted_with_the_user_and_is_no_change_of_it(recorder: Recorder) -> None:
    async with recorder.database.transaction() as session:
        session.add(user := models.User(name="alice", password_hash="x"))
    recorder.connect(1, claim=Claim(realm="local", account=user.id))
    await recorder.flush()
    (row,) = await recorder.rows(models.User)
    assert row.last_login_at == recorder.time.now
    assert row.changed_at == user.changed_at


@pytest.mark.parametrize(
    ("vendor_ids", "software"),
    [
        (("XAUTH", "Cisco Unity", "strongSwan"), "strongSwan"),
        (("XAUTH", "Cisco Unity", "DPD (RFC 3706)"), ""),
        (("Cisco Unity", "Cisco VPN 3000 client"), "Cisco VPN 3000 client"),
    ],
)
async def test_a_client_that_does_not_say_what_it_is_is_known_by_its_vendor_ids(
    recorder: Recorder, vendor_ids: tuple[str, ...], software: str
) -> None:
    recorder.connect(1, vendor_ids=vendor_ids)
    await recorder.flush()
    (session,) = await recorder.live()
    assert session.client_software == software


# ---- while it lives -----------------------------------------------------------------------------


async def test_dpd_news(recorder: Recorder) -> None:
    recorder.connect(1)
    await recorder.flush()
    heard_at = recorder.time.now
    recorder.time.pass_by(40)
    news = LivenessChanged(peer_id=1, liveness=Liveness.PROBING, probe=2, probes=5, round_trip_seconds=None)
    recorder.tell(news)
    await recorder.flush()
    (session,) = await recorder.live()
    assert (session.liveness, session.dpd_probe, session.dpd_probes) == ("probing", 2, 5)
    assert session.last_heard_at == heard_at
    recorder.tell(LivenessChanged(peer_id=1, liveness=Liveness.ALIVE, probe=0, probes=5, round_trip_seconds=0.25))
    await recorder.flush()
    (session,) = await recorder.live()
    assert (session.liveness, session.dpd_probe, session.round_trip_seconds) == ("alive", 0, 0.25)
    assert session.last_heard_at == recorder.time.now


async def test_a_client_whose_nat_changed_its_port(recorder: Recorder) -> None:
    recorder.connect(1)
    await recorder.flush()
    recorder.tell(PeerMoved(peer_id=1, path=Path(Address("192.0.2.1", 4500), Address("203.0.113.9", 1025), nat_t=True)))
    await recorder.flush()
    (session,) = await recorder.live()
    assert (session.peer_address, session.peer_port) == ("203.0.113.9", 1025)


async def test_a_rekeyed_phase_1_takes_the_place_of_the_old_one(recorder: Recorder) -> None:
    recorder.connect(1)
    await recorder.flush()
    recorder.tell(
        isakmp_sa(1, isakmp_sa=99, responder_spi=b"rekeyed!", suite="aes256-sha256-ecp256", carried_over=True)
    )
    await recorder.flush()
    (session,) = await recorder.live()
    assert session.ike_suite == "aes256-sha256-ecp256"
    assert session.details["isakmp_sa"]["responder_spi"] == b"rekeyed!".hex()


async def test_traffic_is_counted_over_all_child_sas_of_a_session(recorder: Recorder) -> None:
    recorder.connect(1)
    recorder.projector.on_report(counted(spi(1), 1000, 5000))
    recorder.tell(child_sa(1, 0xD000, replaces=spi(1)))
    recorder.projector.on_report(counted(0xD000, 200, 300))
    recorder.tell(ChildSaRemoved(peer_id=1, inbound_spi=spi(1), reason="rekeyed"))
    recorder.projector.on_report(counted(0xD000, 400, 600))
    await recorder.flush()
    (session,) = await recorder.live()
    assert (session.octets_in, session.octets_out) == (1400, 5600)
    assert (session.packets_in, session.packets_out) == (14, 56)
    assert [child["inbound_spi"] for child in session.details["child_sas"]] == ["0000d000"]


async def test_the_last_counters_of_a_child_sa_are_asked_for_before_it_goes_and_still_count(
    recorder: Recorder,
) -> None:
    recorder.connect(1)
    await recorder.flush()
    recorder.tell(*leaving(1))
    assert recorder.queried == [(spi(1),)]
    await recorder.flush()
    recorder.projector.on_report(counted(spi(1), 7000, 9000))
    await recorder.flush()
    (session,) = await recorder.rows(models.Session)
    assert (session.octets_in, session.octets_out, session.goodbye) == (7000, 9000, "client-disconnected")


async def test_counters_that_come_much_too_late_are_of_somebody_else(recorder: Recorder) -> None:
    recorder.connect(1)
    recorder.tell(*leaving(1))
    recorder.time.pass_by(20)
    recorder.projector.on_report(Counters(()))
    recorder.projector.on_report(counted(spi(1), 7000, 9000))
    await recorder.flush()
    (session,) = await recorder.rows(models.Session)
    assert session.octets_in == 0
    assert recorder.projector._by_spi == {}


async def test_counters_that_did_not_move_write_nothing(recorder: Recorder) -> None:
    recorder.connect(1)
    recorder.projector.on_report(counted(spi(1), 1000, 1000))
    await recorder.flush()
    recorder.projector.on_report(counted(spi(1), 1000, 1000, idle_seconds=5.0))
    assert recorder.projector.collect() is None


async def test_traffic_is_a_sign_of_life(recorder: Recorder) -> None:
    recorder.connect(1)
    recorder.time.pass_by(60)
    recorder.projector.on_report(counted(spi(1), 1000, 1000, idle_seconds=10.0))
    await recorder.flush()
    (session,) = await recorder.live()
    assert session.last_heard_at == recorder.time.now - timedelta(seconds=10)


async def test_counters_of_strangers_are_nobodys(recorder: Recorder) -> None:
    recorder.projector.on_report(counted(0xDEAD, 1, 1))
    assert recorder.projector.collect() is None


# ---- refusals -----------------------------------------------------------------------------------


async def test_a_refusal_says_what_was_offered_what_is_accepted_and_what_would_help(recorder: Recorder) -> None:
    recorder.tell(
        refused(
            stage=Stage.PHASE_1,
            reason="no offered proposal is acceptable",
            profile="default",
            identity="sales",
            username="",
            offered=("aes128-sha1-modp1024",),
            accepted=("aes256-sha256-modp2048", "aes256-sha256-ecp256"),
            remedy="set the preset of profile 'default' to legacy",
            vendor_ids=("XAUTH", "Cisco Unity"),
        )
    )
    await recorder.flush()
    (row,) = await recorder.rows(models.Refusal)
    assert (row.node, row.at, row.stage) == (NODE, recorder.time.now, "phase 1")
    assert (row.peer_address, row.peer_port, row.local_address) == ("198.51.100.7", 61001, "192.0.2.1")
    assert (row.reason, row.remedy) == (
        "no offered proposal is acceptable",
        "set the preset of profile 'default' to legacy",
    )
    assert (row.offered, row.accepted) == (
        ("aes128-sha1-modp1024",),
        ("aes256-sha256-modp2048", "aes256-sha256-ecp256"),
    )
    assert (row.profile, row.identity, row.vendor_ids) == ("default", "sales", ("XAUTH", "Cisco Unity"))


async def test_the_log_says_the_same(recorder: Recorder) -> None:
    with capture_logs() as lines:
        recorder.tell(refused(offered=("3des-md5-modp1024",), accepted=("aes256-sha256-modp2048",), remedy="legacy"))
    (line,) = lines
    assert line["event"] == "client refused"
    assert (line["log_level"], line["peer"], line["stage"]) == ("warning", "198.51.100.7:61001", "Xauth")
    assert (line["offered"], line["accepted"], line["remedy"]) == (
        ("3des-md5-modp1024",),
        ("aes256-sha256-modp2048",),
        "legacy",
    )


async def test_login_and_logout_are_log_lines(recorder: Recorder) -> None:
    with capture_logs() as lines:
        recorder.connect(1)
        recorder.projector.on_report(counted(spi(1), 10, 20))
        recorder.time.pass_by(61)
        recorder.tell(*leaving(1))
    login, logout = lines
    assert (login["event"], login["user"], login["virtual_ip"], login["client"]) == (
        "login",
        "alice",
        "10.9.0.1",
        "strongSwan",
    )
    assert (logout["event"], logout["goodbye"], logout["seconds"]) == ("logout", "client-disconnected", 61)
    assert (logout["octets_in"], logout["octets_out"]) == (10, 20)


async def test_a_flood_of_refusals_is_counted_but_not_written(recorder: Recorder) -> None:
    with capture_logs() as lines:
        recorder.tell(*(refused() for _ in range(1_000)))
    assert len(lines) == 200
    recorder.time.pass_by(1)
    recorder.tell(*(refused() for _ in range(100)))
    await recorder.flush()
    assert len(await recorder.rows(models.Refusal)) == 210
    assert recorder.projector.counters()["refusals"] == {"Xauth": 1_100}
    assert recorder.projector.counters()["unrecorded_refusals"] == 890


async def test_whatever_a_peer_says_fits_the_table(recorder: Recorder) -> None:
    rubbish = "\x00\n\x1b[31m" + "x" * 10_000
    recorder.tell(
        refused(identity=rubbish, username=rubbish, reason=rubbish, profile=rubbish, offered=(rubbish,) * 1_000)
    )
    recorder.connect(1, identity=rubbish, application_version=rubbish, vendor_ids=(rubbish,), hostname=rubbish)
    recorder.tell(PeerGone(peer_id=1, user="alice", goodbye=Goodbye.FAILED, reason=rubbish))
    await recorder.flush()
    (row,) = await recorder.rows(models.Refusal)
    assert row.username.startswith("\ufffd\ufffd\ufffd[31mx")
    assert (len(row.username), len(row.offered)) == (512, 100)
    (session,) = await recorder.rows(models.Session)
    assert session.identity.isprintable()
    assert (len(session.hostname), len(session.vendor_ids[0])) == (512, 128)


async def test_dropped_datagrams_are_counted_by_reasons_that_do_not_pile_up(recorder: Recorder) -> None:
    recorder.tell(*(DatagramDropped(PATH, f"reason {number}") for number in range(1_000)))
    recorder.tell(DatagramDropped(PATH, "reason 1"))
    dropped = recorder.projector.counters()["datagrams_dropped"]
    assert dropped["reason 1"] == 2
    assert len(dropped) == 101
    assert sum(dropped.values()) == 1_001
    assert recorder.projector.collect() is None


# ---- the node and its commands ------------------------------------------------------------------


async def test_a_heartbeat_says_how_the_node_is(recorder: Recorder) -> None:
    async with recorder.database.transaction() as session:
        session.add(models.Node(name=NODE))
    recorder.projector.beat()
    recorder.status.append(Status(True, (Problem("no pool", "add one"),), {"datagrams": 7}))
    await recorder.flush()
    (node,) = await recorder.rows(models.Node)
    assert (node.heartbeat_at, node.serving) == (recorder.time.now, True)
    assert node.problems == [{"what": "no pool", "remedy": "add one"}]
    assert (node.counters["sessions"], node.counters["logins"], node.counters["datagrams"]) == (0, 0, 7)


async def test_the_counters_of_the_node_are_as_new_as_its_sessions(recorder: Recorder) -> None:
    async with recorder.database.transaction() as session:
        session.add(models.Node(name=NODE))
    for happened, sessions in ((coming_in(1, "alice", IPv4Address("10.9.0.1")), 1), (leaving(1), 0)):
        recorder.tell(*happened)
        await recorder.flush()
        (node,) = await recorder.rows(models.Node)
        assert (node.counters["sessions"], node.counters["logins"]) == (sessions, 1)


async def test_what_metrics_tell_is_counted_since_the_start(recorder: Recorder) -> None:
    for peer_id, seconds in ((1, 0.02), (2, 4.0)):
        recorder.tell(*coming_in(peer_id, "alice", IPv4Address(f"10.9.0.{peer_id}"), login_seconds=seconds))
    recorder.projector.on_report(counted(spi(1), 1_000, 5_000))
    recorder.projector.on_report(counted(spi(1), 1_500, 5_000))
    recorder.projector.on_report(counted(spi(2), 100, 0))
    probing = LivenessChanged(peer_id=1, liveness=Liveness.PROBING, probe=1, probes=3, round_trip_seconds=None)
    recorder.tell(probing, *leaving(1, goodbye=Goodbye.DEAD), *leaving(2))
    counters = recorder.projector.counters()
    assert counters["octets"] == {"in": 1_600, "out": 5_000}
    assert counters["liveness"] == {"probing": 1}
    assert counters["goodbyes"] == {"dead-peer": 1, "client-disconnected": 1}
    assert counters["login_seconds"]["sum"] == 4.02
    assert sum(counters["login_seconds"]["counts"]) == 2


async def test_the_outcome_of_a_command_comes_with_what_it_caused(recorder: Recorder) -> None:
    recorder.connect(1)
    await recorder.flush()
    (live,) = await recorder.live()
    async with recorder.database.transaction() as session:
        command = models.Command(node=NODE, verb=Verb.DISCONNECT, session_id=live.id, created_by="test")
        session.add(command)
    before = recorder.writer.transactions
    recorder.tell(*leaving(1, goodbye=Goodbye.ADMINISTRATOR))
    recorder.projector.command_finished(command.id, CommandOutcome.DONE, "disconnected")
    await recorder.flush()
    assert recorder.writer.transactions == before + 1
    (row,) = await recorder.rows(models.Command)
    assert (row.outcome, row.message, row.finished_at) == (CommandOutcome.DONE, "disconnected", recorder.time.now)
    assert await recorder.live() == []


# ---- which realm it was, and what was turned away ------------------------------------------------


async def test_a_refusal_says_which_realm_refused(recorder: Recorder) -> None:
    recorder.tell(refused(claim=Claim(realm="corp")), refused(), refused(claim="of somebody else"))
    recorder.connect(1)
    recorder.projector.beat()
    await recorder.flush()
    assert [refusal.realm for refusal in await recorder.rows(models.Refusal)] == ["corp", "", ""]
    assert recorder.projector.counters()["realm_logins"] == {"corp": {"refused": 1}, "local": {"began": 1}}


def behind(*networks: str) -> Terms:
    effective = Policies().resolve("default")
    return Terms(
        profile="default",
        claim=Claim(realm="local"),
        effective=effective,
        networks=tuple(map(IPv4Network, networks)),
        end=None,
    )


async def test_what_was_turned_away_is_counted_for_the_session_that_it_came_from(recorder: Recorder) -> None:
    recorder.connect(1)
    recorder.connect(2, "bob", terms=behind("172.20.7.0/24"))
    await recorder.flush()
    senders = {"10.9.0.1": 3, "172.20.7.9": 5, "10.9.0.2": 1, "10.9.0.77": 8}
    for _ in range(2):
        recorder.projector.on_blocked(Blocked({IPv4Address(sender): count for sender, count in senders.items()}, 4))
    await recorder.flush()
    alice, bob = await recorder.live()
    assert (alice.packets_blocked, bob.packets_blocked) == (6, 12)
    assert bob.networks == (IPv4Network("172.20.7.0/24"),)
    assert recorder.projector.counters()["packets_blocked"] == {"not-reachable": 34, "stray": 8}

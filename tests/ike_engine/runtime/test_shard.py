"""The shard around a scripted endpoint: order, timer, answers, refusals, and outliving every bug."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import closing
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.actions import (
    AnswerPrompt,
    Ask,
    Authenticate,
    Configuration,
    Configure,
    Disconnect,
    InstallBoth,
    InstallInbound,
    InstallOutbound,
    MoveChildren,
    PeerDescription,
    Prompt,
    Refused,
    Rejected,
    RemoveChildren,
    Transmit,
    Withdraw,
)
from ike_engine.child_sa import ChildSa, EspKeys
from ike_engine.crypto.suites import Cipher, EspSuite
from ike_engine.dataplane.interface import (
    Expired,
    Install,
    InstallFailed,
    Installing,
    Remove,
    UpdatePath,
)
from ike_engine.events import Event, Goodbye, PeerGone
from ike_engine.path import Address, Path
from ike_engine.policy import Authentication
from ike_engine.secret import Secret
from tests.ike_engine.runtime.stage import PATH, Stage, play

if TYPE_CHECKING:
    from ike_engine.actions import Question

NAT_T_PATH = Path(Address("127.0.0.1", 4500), Address("192.0.2.1", 61_000), nat_t=True)
CHILD = ChildSa(
    inbound_spi=0xC0A7,
    outbound_spi=0xF00D,
    peer_id=1,
    suite=EspSuite(Cipher.AES_GCM_256),
    inbound_keys=EspKeys(Secret(36), Secret()),
    outbound_keys=EspKeys(Secret(36), Secret()),
    path=NAT_T_PATH,
    encapsulated=True,
    local_networks=(),
    remote_networks=(),
    lifetime_seconds=3_600,
)
GONE = PeerGone(peer_id=1, user="ada", goodbye=Goodbye.DEAD, reason="silent")
PEER = PeerDescription(
    isakmp_sa=1, profile="staff", authentication=Authentication.HYBRID_RSA, path=PATH, identity="group"
)
LOGIN = Authenticate(peer=PEER, username="ada", password=Secret(b"analytical"))
WANT_ADDRESS = Configure(peer_id=1, peer=PEER, user="ada", claim=None)


def fail() -> None:
    raise ZeroDivisionError


def test_outputs_are_carried_out_in_their_order() -> None:
    async def scene(stage: Stage) -> None:
        stage.endpoint.on[b"quick mode 1"] = stage.say(
            InstallInbound(CHILD),
            Transmit(b"quick mode 2", PATH),
            GONE,
            InstallOutbound(CHILD),
            MoveChildren((0xC0A7,), NAT_T_PATH),
            Transmit(b"floated", NAT_T_PATH),
            RemoveChildren((0xC0A7,)),
        )
        stage.tell(b"quick mode 1")
        assert stage.done == [
            Install(CHILD, Installing.INBOUND),
            (b"quick mode 2", PATH),
            GONE,
            Install(CHILD, Installing.OUTBOUND),
            UpdatePath((0xC0A7,), NAT_T_PATH),
            (b"floated", NAT_T_PATH),
            Remove((0xC0A7,)),
        ]

    play(scene)


def test_both_halves_are_one_order() -> None:
    async def scene(stage: Stage) -> None:
        stage.endpoint.on[b"quick mode 1"] = stage.say(InstallBoth(CHILD), Transmit(b"quick mode 2", PATH))
        stage.tell(b"quick mode 1")
        assert stage.done == [Install(CHILD, Installing.BOTH), (b"quick mode 2", PATH)]

    play(scene)


def test_a_datagram_on_the_socket_reaches_the_endpoint() -> None:
    async def scene(stage: Stage) -> None:
        arrived = asyncio.Event()
        stage.endpoint.on[b"hello"] = arrived.set
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer:
            peer.sendto(b"hello", stage.plain.local)
            async with asyncio.timeout(60):
                await arrived.wait()
        assert stage.shard.counters.datagrams == 1

    play(scene)


def test_a_report_from_within_an_order_is_taken_behind_what_is_in_hand() -> None:
    async def scene(stage: Stage) -> None:
        failed = InstallFailed(0xC0A7, "no such cipher")
        stage.data_plane.replies[Install(CHILD, Installing.INBOUND)] = failed
        stage.endpoint.on[failed] = stage.say(Transmit(b"delete", PATH))
        stage.endpoint.on[b"1"] = stage.say(InstallInbound(CHILD), Transmit(b"2", PATH))
        stage.tell(b"1")
        assert stage.done[1:] == [(b"2", PATH), (b"delete", PATH)]

    play(scene)


def test_a_report_of_the_data_plane_reaches_the_endpoint() -> None:
    async def scene(stage: Stage) -> None:
        expired = Expired(0xC0A7, hard=False)
        stage.endpoint.on[expired] = stage.say(Transmit(b"rekey", PATH))
        stage.data_plane.receive(expired)
        assert stage.done == [(b"rekey", PATH)]

    play(scene)


def test_the_timer_fires_when_due_and_not_before() -> None:
    async def scene(stage: Stage) -> None:
        stage.endpoint.due = stage.loop.time() + 10
        stage.tell(b"armed")
        await stage.clock.forward(9)
        assert "timer" not in stage.endpoint.taken
        await stage.clock.forward(1)
        assert "timer" in stage.endpoint.taken

    play(scene)


def test_a_deadline_that_comes_closer_is_kept() -> None:
    async def scene(stage: Stage) -> None:
        stage.endpoint.due = stage.loop.time() + 100
        stage.tell(b"far")
        stage.endpoint.due = stage.loop.time() + 10
        stage.tell(b"near")
        await stage.clock.forward(10)
        assert "timer" in stage.endpoint.taken

    play(scene)


def test_a_deadline_that_was_put_off_is_neither_early_nor_lost() -> None:
    async def scene(stage: Stage) -> None:
        stage.endpoint.due = stage.loop.time() + 10
        stage.tell(b"near")
        stage.endpoint.due = stage.loop.time() + 30
        stage.tell(b"put off")
        await stage.clock.forward(11)
        assert "timer" not in stage.endpoint.taken
        await stage.clock.forward(20)
        assert "timer" in stage.endpoint.taken

    play(scene)


def test_a_question_is_answered_by_its_number() -> None:
    async def scene(stage: Stage) -> None:
        given = Configuration(address=IPv4Address("10.9.0.1"))
        stage.endpoint.on[b"1"] = stage.say(Ask(7, WANT_ADDRESS))
        stage.endpoint.on["answer", 7] = stage.say(Transmit(b"reply", PATH))
        stage.tell(b"1")
        question, answer = await stage.asked.get()
        assert question == WANT_ADDRESS
        answer.set_result(given)
        await stage.clock.forward(0)
        assert stage.endpoint.answers == {7: given}
        assert stage.done == [(b"reply", PATH)]

    play(scene)


def test_no_question_waits_for_another() -> None:
    async def scene(stage: Stage) -> None:
        stage.endpoint.on[b"1"] = stage.say(Ask(1, LOGIN), Ask(2, LOGIN))
        stage.tell(b"1")
        await stage.asked.get()
        _, second = await stage.asked.get()
        second.set_result(Rejected("no"))
        await stage.clock.forward(0)
        assert stage.endpoint.answers == {2: Rejected("no")}

    play(scene)


def test_a_withdrawn_question_is_cancelled_and_never_answered() -> None:
    async def scene(stage: Stage) -> None:
        stage.endpoint.on[b"1"] = stage.say(Ask(7, LOGIN))
        stage.endpoint.on[b"2"] = stage.say(Withdraw(7), Withdraw(99))
        stage.tell(b"1")
        _, answer = await stage.asked.get()
        stage.tell(b"2")
        await stage.clock.forward(0)
        assert answer.cancelled()
        assert stage.endpoint.answers == {}

    play(scene)


@pytest.mark.parametrize(
    ("question", "refusal"),
    [
        (LOGIN, Rejected),
        (WANT_ADDRESS, Refused),
        (AnswerPrompt(message="PIN?", prompt=Prompt.NEXT_PIN), Secret),
    ],
)
def test_an_answer_that_fails_becomes_a_refusal(
    question: Question[Any], refusal: type, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(stage: Stage) -> None:
        stage.endpoint.on[b"1"] = stage.say(Ask(7, question))
        stage.tell(b"1")
        _, answer = await stage.asked.get()
        answer.set_exception(ConnectionError("database away"))
        await stage.clock.forward(0)
        assert type(stage.endpoint.answers[7]) is refusal

    play(scene)
    assert "database away" in caplog.text
    assert "analytical" not in caplog.text


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_bug_costs_one_datagram_and_is_told_once(rounds: int, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(stage: Stage) -> None:
        stage.endpoint.on[b"poison"] = fail
        stage.endpoint.on[b"fine"] = stage.say(Transmit(b"reply", PATH))
        for _ in range(rounds):
            stage.tell(b"poison")
        stage.tell(b"fine")
        assert stage.done == [(b"reply", PATH)]
        assert stage.shard.counters.mishaps == rounds

    with caplog.at_level(logging.ERROR):
        play(scene)
    [record] = caplog.records
    assert "6 octets from 192.0.2.1:500" in record.getMessage()
    assert record.exc_info is not None


def test_what_was_decided_before_a_bug_is_still_carried_out() -> None:
    async def scene(stage: Stage) -> None:
        def half() -> None:
            stage.endpoint.outputs.append(RemoveChildren((0xC0A7,)))
            fail()

        stage.endpoint.on[b"poison"] = half
        stage.tell(b"poison")
        assert stage.done == [Remove((0xC0A7,))]

    play(scene)


def test_an_event_that_cannot_be_written_down_does_not_hold_up_the_next_output() -> None:
    async def scene(stage: Stage) -> None:
        def broken(event: Event) -> None:
            raise OSError(28, f"no space for {event}")

        stage.shard._on_event = broken
        stage.endpoint.on[b"1"] = stage.say(GONE, Transmit(b"2", PATH))
        stage.tell(b"1")
        assert stage.done == [(b"2", PATH)]
        assert stage.shard.counters.mishaps == 1

    play(scene)


def test_a_timer_that_keeps_failing_does_not_spin() -> None:
    async def scene(stage: Stage) -> None:
        def again() -> None:
            stage.endpoint.due = stage.loop.time()
            fail()

        stage.endpoint.on["timer"] = again
        stage.endpoint.due = stage.loop.time()
        stage.tell(b"arm")
        for _ in range(10):
            await stage.clock.forward(0)
        assert stage.endpoint.taken.count("timer") == 1
        await stage.clock.forward(1)
        assert stage.endpoint.taken.count("timer") == 2

    play(scene)


def test_a_failing_answer_or_report_is_survived() -> None:
    async def scene(stage: Stage) -> None:
        expired = Expired(1, hard=True)
        stage.endpoint.on[expired] = fail
        stage.endpoint.on["answer", 7] = fail
        stage.endpoint.on[b"1"] = stage.say(Ask(7, LOGIN))
        stage.data_plane.receive(expired)
        stage.tell(b"1")
        _, answer = await stage.asked.get()
        answer.set_result(Rejected("no"))
        await stage.clock.forward(0)
        assert stage.shard.counters.mishaps == 2

    play(scene)


def test_a_command_is_carried_out_and_its_failure_is_the_callers() -> None:
    async def scene(stage: Stage) -> None:
        stage.endpoint.on[Disconnect(1)] = stage.say(Transmit(b"delete", PATH))
        stage.shard.command(Disconnect(1))
        assert stage.done == [(b"delete", PATH)]
        stage.endpoint.on[Disconnect(2)] = fail
        with pytest.raises(ZeroDivisionError):
            stage.shard.command(Disconnect(2))

    play(scene)


def test_close_cancels_answers_in_work() -> None:
    async def scene(stage: Stage) -> None:
        stage.endpoint.on[b"1"] = stage.say(Ask(7, LOGIN))
        stage.endpoint.due = stage.loop.time() + 10
        stage.tell(b"1")
        _, answer = await stage.asked.get()
        await stage.shard.close()
        await stage.clock.forward(20)
        assert answer.cancelled()
        assert stage.endpoint.answers == {}
        assert "timer" not in stage.endpoint.taken

    play(scene)

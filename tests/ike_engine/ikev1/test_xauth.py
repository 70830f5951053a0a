"""Xauth as a transcript: one round, several, and what clients make of each message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ike_engine.actions import Accepted, AnswerPrompt, Authenticate, Challenge, Configure, Prompt, Rejected
from ike_engine.events import IsakmpSaEstablished, PeerConnected, PeerRefused, Stage
from ike_engine.ikev1.messages import Informational
from ike_engine.ikev1.numbers import ProtocolId, TransactionType, XauthAttribute
from ike_engine.policy import Authentication, Phase1Mode
from ike_engine.secret import Secret
from ike_engine.wire.attributes import Attribute
from tests.ike_engine.lab import CONFIGURATION, pair
from tests.ike_engine.network import Weather
from tests.ike_engine.playbook import Script

NAME, PASSWORD = XauthAttribute.USER_NAME, XauthAttribute.USER_PASSWORD
OK, FAIL = Attribute(XauthAttribute.STATUS, 1), Attribute(XauthAttribute.STATUS, 0)


def asked(script: Script) -> list[Authenticate]:
    """All logins that the gateway asked about, from now on."""
    questions: list[Authenticate] = []
    answer = script.lab.gateway.answer

    def listen(question: Any) -> Any:
        if isinstance(question, Authenticate):
            questions.append(question)
        return answer(question)

    script.lab.gateway.answer = listen
    return questions


def test_a_login_is_a_request_and_a_verdict() -> None:
    client = Script(pair())

    request = client.hears_asked()
    assert request.type == TransactionType.REQUEST
    assert request.attributes == (Attribute(NAME, b""), Attribute(PASSWORD, b""))
    first = client.message_id
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"))

    verdict = client.hears_asked()
    assert (verdict.type, verdict.attributes) == (TransactionType.SET, (OK,))
    assert client.message_id != first
    client.answers(OK, kind=TransactionType.ACK)

    assert not client.lab.gateway.of(PeerRefused)
    assert client.lab.gateway.one(IsakmpSaEstablished)


def test_nobody_is_in_before_the_verdict_is_acknowledged() -> None:
    client = Script(pair())
    client.hears_asked()
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"))
    client.hears_asked()
    assert not client.lab.gateway.of(IsakmpSaEstablished)


def test_a_wrong_password_is_told_and_the_sa_deleted() -> None:
    client = Script(pair())
    client.hears_asked()
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"guess"))

    verdict = client.hears_asked()
    assert (verdict.type, verdict.attributes) == (TransactionType.SET, (FAIL,))
    client.answers(FAIL, kind=TransactionType.ACK)

    (delete,) = client.hears(Informational).deletes
    assert delete.protocol == ProtocolId.ISAKMP
    refused = client.lab.gateway.one(PeerRefused)
    assert (refused.stage, refused.username, refused.reason) == (
        Stage.XAUTH,
        "alice",
        "unknown user or wrong password",
    )


@pytest.mark.parametrize(("name", "password"), [(b"alice", b"guess"), (b"nobody", b"s3cret"), (b"", b"")])
def test_a_peer_learns_nothing_from_a_refusal(name: bytes, password: bytes) -> None:
    client = Script(pair())
    client.hears_asked()
    client.answers(Attribute(NAME, name), Attribute(PASSWORD, password))
    told = client.hears_asked()
    assert (told.type, told.attributes) == (TransactionType.SET, (FAIL,))


def test_several_rounds_each_under_a_message_id_of_its_own() -> None:
    """A RADIUS Access-Challenge, another, then the verdict."""
    client = Script(pair())
    rounds: dict[Any, Any] = {
        None: Challenge("Code from the token", Prompt.PASSCODE, "first"),
        "first": Challenge("And your PIN again", Prompt.ANSWER, "second"),
        "second": Accepted("alice"),
    }
    client.lab.gateway.answer = lambda question: rounds[question.state]
    questions = asked(client)
    message_ids = []

    assert client.hears_asked().attributes == (Attribute(NAME, b""), Attribute(PASSWORD, b""))
    message_ids.append(client.message_id)
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"))

    second = client.hears_asked()
    assert second.type == TransactionType.REQUEST
    assert second.attributes == (
        Attribute(XauthAttribute.MESSAGE, b"Code from the token"),
        Attribute(XauthAttribute.PASSCODE, b""),
    )
    message_ids.append(client.message_id)
    client.answers(Attribute(XauthAttribute.PASSCODE, b"123456"))

    third = client.hears_asked()
    assert third.attributes == (
        Attribute(XauthAttribute.MESSAGE, b"And your PIN again"),
        Attribute(XauthAttribute.ANSWER, b""),
    )
    message_ids.append(client.message_id)
    client.answers(Attribute(XauthAttribute.ANSWER, b"0000"))

    assert client.hears_asked().attributes == (OK,)
    message_ids.append(client.message_id)
    assert len(set(message_ids)) == 4
    assert [(q.username, bytes(q.password), q.answer, q.state) for q in questions] == [
        ("alice", b"s3cret", None, None),
        ("alice", b"s3cret", b"123456", "first"),
        ("alice", b"s3cret", b"0000", "second"),
    ]


def test_a_wrong_code_in_the_second_round_is_a_refusal() -> None:
    client = Script(pair())
    client.lab.gateway.answer = lambda question: (
        Challenge("Code", Prompt.PASSCODE, 1) if question.state is None else Rejected("wrong code")
    )
    client.hears_asked()
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"))
    client.hears_asked()
    client.answers(Attribute(XauthAttribute.PASSCODE, b"999999"))
    assert client.hears_asked().attributes == (FAIL,)
    assert client.lab.gateway.one(PeerRefused).reason == "wrong code"


@pytest.mark.parametrize("prompt", Prompt)
def test_our_own_client_answers_every_prompt(prompt: Prompt) -> None:
    lab = pair(weather=Weather(loss=0.2, duplication=0.3, jitter=0.2), seed=4)
    answers: list[Any] = []

    def gateway(question: Any) -> Any:
        if isinstance(question, Configure):
            return CONFIGURATION
        if question.answer is None:
            return Challenge("What now?", prompt, "round 2")
        answers.append((bytes(question.answer), question.state))
        return Accepted("alice")

    shown: list[Any] = []

    def user(question: AnswerPrompt) -> Secret:
        shown.append((question.message, question.prompt))
        return Secret(b"because")

    lab.gateway.answer, lab.client.answer = gateway, user
    lab.connect(seconds=100)
    assert answers == [(b"because", "round 2")]
    assert shown == [("What now?", prompt)]
    assert lab.client.one(PeerConnected)


# ---- what clients make of it -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "acknowledged",
    [
        # quirk: vpnc 0.5.3, libreswan 4.10: STATUS comes back as 1, from racoon as 0, from strongSwan 5.9.8 empty.
        Attribute(XauthAttribute.STATUS, 1),
        Attribute(XauthAttribute.STATUS, 0),
        Attribute(XauthAttribute.STATUS, b""),
        None,
    ],
)
def test_what_an_acknowledgement_holds_means_nothing(acknowledged: Attribute | None) -> None:
    client = Script(pair())
    client.hears_asked()
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"))
    client.hears_asked()
    client.answers(*((acknowledged,) if acknowledged else ()), kind=TransactionType.ACK)
    assert client.lab.gateway.one(IsakmpSaEstablished)


def test_the_verdict_holds_the_status_alone_and_in_short_form() -> None:
    # quirk: vpnc 0.5.3: anything beside STATUS, or a long form of it, ends the login.
    client = Script(pair())
    client.hears_asked()
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"))
    (status,) = client.hears_asked().attributes
    assert status.value == 1
    assert isinstance(status.value, int)


def test_the_request_has_no_type() -> None:
    # quirk: racoon, Apple: any TYPE but 0 is refused; without one everybody answers.
    client = Script(pair())
    assert XauthAttribute.TYPE not in {attribute.type for attribute in client.hears_asked().attributes}


@pytest.mark.parametrize(
    ("name", "password"),
    [
        (b"alice", b"s3cret\0"),
        # quirk: Android up to 11: a NUL ends the password; in old builds the name too.
        (b"alice\0", b"s3cret\0"),
    ],
)
def test_one_trailing_nul_is_cut_off(name: bytes, password: bytes) -> None:
    client = Script(pair())
    client.logs_in(name, password)
    assert client.lab.gateway.one(IsakmpSaEstablished)


def test_a_password_may_end_in_a_nul_only_once() -> None:
    client = Script(pair())
    client.hears_asked()
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret\0\0"))
    client.waits(1)
    assert client.lab.gateway.one(PeerRefused).reason == "a NUL inside USER_PASSWORD"


def test_a_name_that_is_no_text_is_refused() -> None:
    client = Script(pair())
    client.hears_asked()
    client.answers(Attribute(NAME, b"\xff\xfe"), Attribute(PASSWORD, b"s3cret"))
    client.waits(1)
    assert client.lab.gateway.one(PeerRefused).reason == "USER_NAME is not UTF-8"


def test_attributes_come_in_any_order_and_with_others_between() -> None:
    # quirk: racoon returns TYPE though nobody asked.
    client = Script(pair())
    client.hears_asked()
    client.answers(
        Attribute(PASSWORD, b"s3cret"),
        Attribute(XauthAttribute.TYPE, 0),
        Attribute(32_136, b"Cisco's own"),
        Attribute(NAME, b"alice"),
    )
    assert client.hears_asked().attributes == (OK,)


@pytest.mark.parametrize("identifier", [0, 20, 0xFFFF])
def test_the_identifier_need_not_come_back(identifier: int) -> None:
    # quirk: strongSwan 5.9.8, libreswan 4.10: 0 whatever was asked under.
    client = Script(pair())
    client.hears_asked()
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"), identifier=identifier)
    assert client.hears_asked().attributes == (OK,)


def test_an_ack_is_as_good_as_a_reply() -> None:
    # quirk: some Cisco clients acknowledge a REQUEST; libreswan takes it too.
    client = Script(pair())
    client.hears_asked()
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"), kind=TransactionType.ACK)
    assert client.hears_asked().attributes == (OK,)


@pytest.mark.parametrize("kind", [TransactionType.REQUEST, TransactionType.SET, TransactionType(9)])
def test_anything_but_an_answer_ends_the_login(kind: TransactionType) -> None:
    client = Script(pair())
    client.hears_asked()
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"), kind=kind)
    client.waits(1)
    assert "where a REPLY was due" in client.lab.gateway.one(PeerRefused).reason


def test_a_lost_request_is_asked_again_by_us() -> None:
    # quirk: racoon never repeats a message of a transaction.
    client = Script(pair())
    first = client.hears_asked()
    again = len(client.lab.gateway.sent)
    client.waits(10)
    repeated = client.lab.gateway.sent[again:]
    assert len(repeated) >= 3
    assert len(set(repeated)) == 1
    assert first.type == TransactionType.REQUEST


def test_a_lost_verdict_is_told_again_and_the_reply_is_not_judged_twice() -> None:
    client = Script(pair())
    questions = asked(client)
    client.hears_asked()
    reply = client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"))
    client.hears_asked()
    told = client.lab.gateway.sent[-1]
    before = len(client.lab.gateway.sent)
    client.repeats(reply)
    client.waits(0.1)
    assert client.lab.gateway.sent[before:] == [told]
    assert len(questions) == 1


def test_a_user_may_take_time_to_type() -> None:
    client = Script(pair(gateway={"xauth_timeout_seconds": 90.0}))
    client.hears_asked()
    client.waits(80)
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"))
    assert client.hears_asked().attributes == (OK,)


def test_a_user_may_not_take_for_ever() -> None:
    client = Script(pair(gateway={"xauth_timeout_seconds": 90.0}))
    client.hears_asked()
    client.waits(100)
    assert "stopped answering" in client.lab.gateway.one(PeerRefused).reason


def test_an_answer_that_came_too_late_logs_nobody_in() -> None:
    client = Script(pair(gateway={"xauth_timeout_seconds": 20.0}))
    client.lab.gateway.answer_seconds = 60.0
    client.hears_asked()
    client.answers(Attribute(NAME, b"alice"), Attribute(PASSWORD, b"s3cret"))
    client.waits(100)
    assert "did not come in time" in client.lab.gateway.one(PeerRefused).reason
    assert not client.lab.gateway.of(IsakmpSaEstablished)


def test_our_client_does_not_give_a_password_to_a_prompt_or_answer_what_it_does_not_know() -> None:
    lab = pair()
    seen: list[Any] = []
    lab.client.answer = lambda question: seen.append(question) or Secret(b"typed")  # type: ignore[func-returns-value]

    def gateway(question: Any) -> Any:
        if isinstance(question, Authenticate) and question.answer is None:
            return Challenge("New password?", Prompt.PASSWORD, 1)
        return Rejected(f"{bytes(question.answer)!r}")

    lab.gateway.answer = gateway
    lab.connect(seconds=10)
    assert lab.gateway.one(PeerRefused).reason == "b'typed'"
    assert len(seen) == 1


@pytest.mark.parametrize("method", Authentication)
@pytest.mark.parametrize("mode", Phase1Mode)
def test_the_canonical_name_is_the_verdicts(method: Authentication, mode: Phase1Mode) -> None:
    lab = pair(method=method, mode=mode)
    answer = lab.gateway.answer
    lab.gateway.answer = lambda question: (
        Accepted("ALICE@EXAMPLE") if isinstance(question, Authenticate) else answer(question)
    )
    lab.connect(seconds=5)
    assert lab.gateway.one(PeerConnected).user == "ALICE@EXAMPLE"


def test_credentials_come_unchanged_whatever_is_in_them() -> None:
    lab = pair()
    questions: list[Authenticate] = []
    answer = lab.gateway.answer
    lab.gateway.answer = lambda question: (questions.append(question), answer(question))[1]
    lab.order = replace(
        lab.order,
        credentials=replace(lab.order.credentials, username="ålice %s", password=Secret("pässwörd ,;\n".encode())),
    )
    lab.connect(seconds=5)
    assert questions[0].username == "ålice %s"
    assert questions[0].password == "pässwörd ,;\n".encode()

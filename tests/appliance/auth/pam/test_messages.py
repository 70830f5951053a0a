"""What the worker, which is root, takes from whoever holds the gateway: well-formed, harmless requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.auth.pam.messages import (
    Answer,
    Asked,
    Begin,
    End,
    EndAll,
    Ended,
    Failed,
    Look,
    Looked,
    Reply,
    Request,
    decode_reply,
    decode_request,
    encode,
)
from ike_engine.secret import Secret

BEGIN = Begin(number=7, service="vpn", username="alice", password=Secret(b"p\xff w"), host="2001:db8::1", prompts=True)


@pytest.mark.parametrize("request_", [BEGIN, Answer(7, Secret(b"123456")), End(7), EndAll(), Look(7, "vpn")])
def test_requests_arrive_as_they_were_sent(request_: Request) -> None:
    assert decode_request(encode(request_)) == request_


@pytest.mark.parametrize(
    "reply",
    [
        Asked(7, "Code:", echo=False),
        Ended(
            number=7, phase="account", code=13, words="expired", said=("Too late.",), user="alice", uid=None, held=False
        ),
        Failed(7, "too late"),
        Looked(7, ""),
    ],
)
def test_replies_arrive_as_they_were_sent(reply: Reply) -> None:
    assert decode_reply(encode(reply)) == reply


@pytest.mark.parametrize(
    "change",
    [
        {"service": "../shadow"},
        {"service": "other"},
        {"service": "a/b"},
        {"service": ""},
        {"service": 5},
        {"username": "-rf"},
        {"username": "a\nb"},
        {"username": "a b"},
        {"username": "alice\n"},
        {"username": ["alice"]},
        {"password": "not base64"},
        {"password": None},
        {"password": "AGE="},
        {"host": "evil.example; id"},
        {"seconds": 1e9},
        {"seconds": -1},
        {"seconds": True},
        {"minimum_uid": -1},
        {"number": "7"},
        {"number": -1},
        {"prompts": "yes"},
        {"more": 1},
        {"is": "Ended"},
        {"is": "exec"},
    ],
    ids=str,
)
def test_anything_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_request(json.dumps(json.loads(encode(BEGIN)) | change).encode())


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_rubbish_raises_nothing_but_value_error(datagram: bytes) -> None:
    try:
        decode_request(datagram)
    except ValueError:
        pass
    else:
        raise AssertionError(datagram)


def test_a_password_is_in_no_representation() -> None:
    assert "secret" not in repr(Begin(number=1, service="vpn", username="alice", password=Secret(b"secret")))

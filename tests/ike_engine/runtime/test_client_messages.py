"""What client and keeper say to each other: it comes back as it was said, and the keeper believes nothing else."""

from __future__ import annotations

import json
import string
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.actions import Prompt
from ike_engine.runtime.client_messages import (
    Answered,
    Asked,
    Connected,
    Ended,
    Ending,
    Leave,
    Said,
    Told,
    decode_said,
    decode_told,
    encode_said,
    encode_told,
    is_domain,
    open_pair,
)
from ike_engine.secret import Secret

CONNECTED = Connected(
    address=IPv4Address("10.9.0.1"),
    networks=(IPv4Network("10.77.0.0/24"), IPv4Network("10.78.0.0/16")),
    excluded=(IPv4Network("192.168.0.0/16"),),
    dns=(IPv4Address("10.77.0.53"),),
    domain="office.example.net",
    split_dns=("example.net", "example.org"),
    banner="Welcome\nto the office",
    gateway="CN=vpn.example.net",
    remote="192.0.2.1:4500",
    mode="main",
    authentication="hybrid-rsa",
    ike_suite="aes256-sha256-modp2048",
    esp_suite="aes256gcm16",
)
printable = st.text(string.printable.replace("\r", "").replace("\x0b", "").replace("\x0c", "").replace("\t", ""))


@given(
    st.one_of(
        st.just(CONNECTED),
        st.builds(Asked, st.integers(0, 9), printable, st.sampled_from(Prompt)),
        st.builds(Ended, st.sampled_from(Ending), printable, printable),
    )
)
def test_what_a_client_says_comes_back_as_it_was_said(message: Said) -> None:
    assert decode_said(encode_said(message)) == message


@given(st.one_of(st.just(Leave()), st.builds(Answered, st.integers(0, 9), st.binary().map(Secret))))
def test_what_a_keeper_says_comes_back_as_it_was_said(message: Told) -> None:
    assert decode_told(encode_told(message)) == message


def changed(**values: object) -> bytes:
    return json.dumps({**json.loads(encode_said(CONNECTED)), **values}).encode()


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"null",
        b"\xff",
        b"{}",
        b'{"asked": 1, "message": "?", "prompt": "dna-sample"}',
        b'{"asked": 1, "message": "?", "prompt": "answer", "more": 1}',
        b'{"ended": "well", "reason": "", "remedy": ""}',
        changed(address="fe80::1"),
        changed(address="10.9.0.1; reboot"),
        changed(networks=["10.77.0.1/24"]),
        changed(networks="10.77.0.0/24"),
        changed(networks=["10.77.0.0/24"] * 1_025),
        changed(dns=[1]),
        changed(domain="example.net\nnameserver 192.0.2.66"),
        changed(domain="--help"),
        changed(**{"split-dns": ["a b"]}),
        changed(banner="x" * 8_193),
        changed(surplus="x"),
    ],
)
def test_the_keeper_believes_nothing_else(datagram: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  each in words of its own
        decode_said(datagram)


def test_nothing_that_is_shown_moves_the_cursor() -> None:
    said = Ended(Ending.REFUSED, "\x1b]0;title\x07red\x1b[31m", "line\rover\nline\x9b2J")
    assert decode_said(encode_said(said)) == Ended(Ending.REFUSED, "]0;titlered[31m", "lineover\nline2J")


@pytest.mark.parametrize("name", ["example.net", "a", "tcp_1.example.net", "xn--bcher-kva.example", "1.example."])
def test_names_of_domains(name: str) -> None:
    assert is_domain(name)


@pytest.mark.parametrize("name", ["", "-a", ".", "a b", "a\n", "bücher.example", "~.", "a/b"])
def test_what_is_no_name_of_a_domain(name: str) -> None:
    assert not is_domain(name)


def test_a_secret_told_to_the_client_is_not_in_the_messages_repr() -> None:
    assert "hunter2" not in repr(Answered(1, Secret(b"hunter2")))


def test_the_pair_keeps_the_bounds_of_messages() -> None:
    ours, theirs = open_pair()
    with ours, theirs:
        ours.send(b"one")
        ours.send(b"two")
        assert [theirs.recv(100), theirs.recv(100)] == [b"one", b"two"]
        with pytest.raises(BlockingIOError):
            theirs.recv(100)

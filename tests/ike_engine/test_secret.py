"""What a Secret shows of itself: nothing but its length."""

from __future__ import annotations

import logging

import pytest

from ike_engine.actions import Authenticate, Credentials, PeerDescription
from ike_engine.child_sa import EspKeys
from ike_engine.policy import Authentication
from ike_engine.secret import Secret
from tests.ike_engine.network import path

HIDDEN = Secret(b"correct horse")


@pytest.mark.parametrize(
    "shown",
    [
        repr(HIDDEN),
        str(HIDDEN),
        f"{HIDDEN}",
        f"{HIDDEN!r:>20}",
        "{:<20}".format(HIDDEN),  # noqa: UP032  what a log record does
        "%s %r" % (HIDDEN, HIDDEN),  # noqa: UP031
        repr([HIDDEN]),
        repr(Credentials(username="alice", password=HIDDEN)),
        repr(EspKeys(HIDDEN, HIDDEN)),
        repr(
            Authenticate(
                peer=PeerDescription(
                    isakmp_sa=1, profile="staff", authentication=Authentication.XAUTH_PSK, path=path(), identity=""
                ),
                username="alice",
                password=HIDDEN,
                answer=HIDDEN,
            )
        ),
    ],
)
def test_no_way_of_writing_it_shows_it(shown: str) -> None:
    assert "<13 octets>" in shown
    assert "correct" not in shown
    assert "horse" not in shown


def test_a_log_line_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("password %s, key %r", HIDDEN, HIDDEN)
    assert caplog.messages == ["password <13 octets>, key <13 octets>"]


def test_it_is_octets_like_any_other() -> None:
    assert HIDDEN == b"correct horse"
    assert hash(HIDDEN) == hash(b"correct horse")
    assert HIDDEN[:7] == b"correct"
    assert bytes(HIDDEN) + b"!" == b"correct horse!"

"""MS-CHAPv2 against the example of RFC 2759 section 9.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.auth.radius.mschapv2 import error_in_words, prove

if TYPE_CHECKING:
    from appliance.auth.radius import mschapv2

AUTHENTICATOR_CHALLENGE = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
PEER_CHALLENGE = bytes.fromhex("21402324255E262A28295F2B3A337C7E")
NT_RESPONSE = bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")
EXPECTED = b"S=407A5589115FD0D6209F510FE9C04566932CDA56"


def the_rfcs_example(username: str = "User") -> mschapv2.Exchange:
    draws = iter([AUTHENTICATOR_CHALLENGE, PEER_CHALLENGE])
    return prove(username, "clientPass", entropy=lambda _: next(draws))


def test_the_rfcs_example() -> None:
    exchange = the_rfcs_example()
    assert exchange.challenge == AUTHENTICATOR_CHALLENGE
    assert exchange.response == bytes(2) + PEER_CHALLENGE + bytes(8) + NT_RESPONSE
    assert exchange.expected == EXPECTED


def test_a_domain_in_front_of_the_name_is_not_hashed() -> None:
    assert the_rfcs_example("OFFICE\\User") == the_rfcs_example()


def test_only_who_knows_the_password_is_believed() -> None:
    exchange = the_rfcs_example()
    assert exchange.proves(b"\0" + EXPECTED)
    assert exchange.proves(b"\7" + EXPECTED + b" M=welcome")
    assert not exchange.proves(b"\0" + EXPECTED[:-1] + b"7")
    assert not exchange.proves(b"")


def test_errors_in_words() -> None:
    assert error_in_words(b"\0E=691 R=1 C=00112233445566778899AABBCCDDEEFF V=3 M=Try again") == (
        "wrong password: Try again"
    )
    assert error_in_words(b"\0E=648 R=0 V=3") == "the password has expired"
    assert error_in_words(b"\0E=999") == "error 999"
    assert error_in_words(b"\xff") == ""

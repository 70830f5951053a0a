"""Codes as authenticator apps make them, and those that are kept on paper."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from appliance.auth import one_time_codes

# RFC 6238 appendix B, SHA-1: this seed, these moments; the last six digits of the eight printed there.
SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (1_234_567_890, "005924")],
)
def test_the_codes_of_the_rfc_are_taken(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert one_time_codes.matching_step(SEED, code, at, last_step=-1) == seconds // 30


def test_a_clock_may_be_off_by_one_step_and_no_more() -> None:
    code = pyotp.TOTP(SEED).at(NOON)
    good = [
        one_time_codes.matching_step(SEED, code, NOON + timedelta(seconds=30 * steps), last_step=0) is not None
        for steps in range(-3, 4)
    ]
    assert good == [False, False, True, True, True, False, False]


def test_no_code_up_to_the_last_one_taken_is_good() -> None:
    code = pyotp.TOTP(SEED).at(NOON)
    step = one_time_codes.matching_step(SEED, code, NOON, last_step=0)
    assert step is not None
    assert one_time_codes.matching_step(SEED, code, NOON, last_step=step) is None
    before = pyotp.TOTP(SEED).at(NOON - timedelta(seconds=30))
    assert one_time_codes.matching_step(SEED, before, NOON, last_step=step) is None


@pytest.mark.parametrize("typed", ["287 082", "287-082", "".join(chr(ord(digit) + 0xFEE0) for digit in "287082")])
def test_codes_are_read_as_people_type_them(typed: str) -> None:
    assert one_time_codes.matching_step(SEED, typed, datetime.fromtimestamp(59, UTC), last_step=-1) == 1


@pytest.mark.parametrize("typed", ["", "28708", "2870822", "abcdef", "\ud800", "é" * 6])
def test_anything_else_is_wrong(typed: str) -> None:
    assert one_time_codes.matching_step(SEED, typed, datetime.fromtimestamp(59, UTC), last_step=-1) is None


def test_recovery_codes_differ_and_are_read_as_people_type_them() -> None:
    codes = one_time_codes.new_recovery_codes()
    assert len(set(codes)) == 10
    for code in codes:
        assert one_time_codes.is_recovery_code(code)
        typed = code.replace("-", " ").upper()
        assert one_time_codes.recovery_digest(typed) == one_time_codes.recovery_digest(code)


@pytest.mark.parametrize(
    ("password", "split"),
    [
        ("correct horse287082", ("correct horse", "287082")),
        ("correct horse", ("correct horse", "")),
        ("287082", ("287082", "")),
        ("a287082", ("a", "287082")),
        ("correct horseabcd-efgh-jkmn-pqrs", ("correct horse", "abcd-efgh-jkmn-pqrs")),
    ],
)
def test_a_code_is_found_behind_the_password(password: str, split: tuple[str, str]) -> None:
    assert one_time_codes.split(password) == split


def test_the_app_is_told_whose_code_it_is() -> None:
    uri = one_time_codes.uri(SEED, "alice", "vpn.example.net")
    parsed = pyotp.parse_uri(uri)
    assert (parsed.name, parsed.issuer, parsed.secret) == ("alice", "Coati vpn.example.net", SEED)

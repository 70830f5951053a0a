"""Access hours are read as people write them, and end when the clock on the wall says so."""

from datetime import UTC, datetime

import pytest

from appliance.policy.access_hours import AccessHours

OFFICE = "Mon-Fri 08:00-18:00, Sat 09:00-12:00 Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (OFFICE, OFFICE),
        ("mon-fri  8:00-18:00,sat 9:00-12:00   Europe/Berlin", OFFICE),
        ("22:00-06:00", "22:00-06:00 UTC"),
        ("Sun 0:00-24:00", "Sun 00:00-24:00 UTC"),
        ("", "always"),
        ("Always", "always"),
    ],
)
def test_they_are_read_and_written(text: str, canonical: str) -> None:
    hours = AccessHours.from_text(text)
    assert str(hours) == canonical
    assert AccessHours.from_text(canonical) == hours


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mon 8-18", "are no hours"),
        ("Mon 08:00-25:00", "'25:00' is not a time of day"),
        ("Mon 08:60-09:00", "'08:60' is not a time of day"),
        ("Moo 08:00-18:00", "'Moo' is not a day"),
        ("Mon 08:00-18:00 Europe/Nowhere", "'Europe/Nowhere' is not a time zone"),
        ("Mon 08:00-18:00 ../../etc/passwd", "is not a time zone"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AccessHours.from_text(text)


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2026-11-26T06:59", False),  # Thursday, 07:59 in Berlin
        ("2026-11-26T07:00", True),
        ("2026-11-26T16:59", True),
        ("2026-11-26T17:00", False),
        ("2026-07-02T06:00", True),  # summer time
        ("2026-11-28T10:59", True),  # Saturday
        ("2026-11-29T10:00", False),
    ],
)
def test_they_are_local_time(moment: str, allowed: bool) -> None:
    assert AccessHours.from_text(OFFICE).allow(at(moment)) is allowed


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    hours = AccessHours.from_text("Fri 22:00-06:00")
    assert hours.allow(at("2026-11-27T23:00"))
    assert hours.allow(at("2026-11-28T05:59"))
    assert not hours.allow(at("2026-11-27T05:00"))
    assert not hours.allow(at("2026-11-28T22:00"))


@pytest.mark.parametrize(
    ("text", "moment", "end"),
    [
        (OFFICE, "2026-11-26T12:00", "2026-11-26T17:00"),
        ("Fri 22:00-06:00", "2026-11-27T23:00", "2026-11-28T06:00"),
        ("Mon-Tue 00:00-24:00", "2026-11-30T12:00", "2026-12-02T00:00"),
        ("08:00-12:00, 12:00-16:00", "2026-11-26T09:00", "2026-11-26T16:00"),
        ("Sat-Sun 00:00-24:00 Europe/Berlin", "2026-10-24T12:00", "2026-10-25T23:00"),  # 25 hours long that Sunday
    ],
)
def test_when_they_end(text: str, moment: str, end: str) -> None:
    assert AccessHours.from_text(text).end_after(at(moment)) == at(end)


@pytest.mark.parametrize("text", ["always", "00:00-24:00", "00:00-00:00 Europe/Berlin"])
def test_some_never_end(text: str) -> None:
    hours = AccessHours.from_text(text)
    assert hours.allow(at("2026-11-26T12:00"))
    assert hours.end_after(at("2026-11-26T12:00")) is None

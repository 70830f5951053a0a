import pytest
from argon2 import PasswordHasher

from appliance import passwords


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short", "fewer than 10"),
        ("x" * 1025, "more than 1024"),
        ("tab\tand more of it", "control character"),
        ("aaaaaaaaaaab", "different characters"),
        ("Password2024!", "commonly used password (strength 2 of 4; 3 is needed)"),
        ("qwertyuiop", "common password"),
        ("9876543210", "strength"),
        ("bcdefghijklm", "strength"),
        ("hunter2hunter2", "repeats"),
        ("coatigateway1", "strength"),
        ("alice.smith1", "account's name"),
        ("correct horse battery", ""),
    ],
)
def test_what_may_not_be_set_and_why(password: str, words: str) -> None:
    weakness = passwords.weakness(password, "alice.smith", "")
    assert words in weakness
    assert bool(weakness) == bool(words)


async def test_generated_ones_are_good_and_differ() -> None:
    first, second = passwords.generate(), passwords.generate()
    assert first != second
    assert passwords.weakness(first) == ""


async def test_hash_and_verify() -> None:
    stored = await passwords.hash_password("correct horse battery")
    assert "correct" not in stored
    assert await passwords.verify(stored, "correct horse battery")
    assert await passwords.verify(stored, b"correct horse battery")
    assert not await passwords.verify(stored, "correct horse batterie")
    assert not await passwords.verify(stored, "x" * 5000)
    assert await passwords.made_anew(stored, "correct horse battery") is None
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("correct horse battery")
    anew = await passwords.made_anew(cheap, "correct horse battery")
    assert anew is not None
    assert await passwords.verify(anew, "correct horse battery")
    assert await passwords.made_anew(anew, "correct horse battery") is None
    assert await passwords.hash_password("correct horse battery") != stored


@pytest.mark.parametrize("stored", [None, "", "not a hash", "$argon2id$v=19$rubbish"])
async def test_without_a_hash_nothing_is_right(stored: str | None) -> None:
    assert not await passwords.verify(stored, "")
    assert not await passwords.verify(stored, "correct horse battery")


async def test_one_password_however_a_client_encodes_it() -> None:
    stored = await passwords.hash_password("gr\u00fc\u00dfe aus K\u00f6ln")
    for sent in ("gru\u0308\u00dfe aus Ko\u0308ln".encode(), "grüße aus Köln".encode("latin-1")):
        assert await passwords.verify(stored, sent)
    assert "octets>" in repr(passwords.normalise("correct horse"))

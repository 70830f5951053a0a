"""The work that a verification costs, and the memory that saves it."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters

from appliance import passwords
from appliance.auth.remembered_passwords import RememberedPasswords
from ike_engine.secret import Secret

HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
RIGHT = Secret(b"s3cret")
WRONG = Secret(b"S3cret")


@pytest.fixture
def remembered() -> RememberedPasswords:
    return RememberedPasswords(at_once=2)


async def test_right_and_wrong_passwords_are_told_apart(remembered: RememberedPasswords) -> None:
    stored = HASHER.hash(RIGHT)
    assert await remembered.verify("alice", stored, RIGHT)
    assert not await remembered.verify("alice", stored, WRONG)


async def test_an_unknown_user_costs_the_work_of_a_wrong_password(
    remembered: RememberedPasswords, argon2_work: list[str]
) -> None:
    stored = await passwords.hash_password("s3cret")
    assert not await remembered.verify("alice", stored, WRONG)
    assert not await remembered.verify("nobody", None, WRONG)
    known, unknown = argon2_work
    assert known == stored
    assert extract_parameters(unknown) == extract_parameters(known)
    assert len(unknown) == len(known)


async def test_a_right_password_is_remembered(remembered: RememberedPasswords, argon2_work: list[str]) -> None:
    stored = HASHER.hash(RIGHT)
    for _ in range(3):
        assert await remembered.verify("alice", stored, RIGHT)
    assert len(argon2_work) == 1


async def test_a_wrong_password_is_worked_on_each_time(remembered: RememberedPasswords, argon2_work: list[str]) -> None:
    stored = HASHER.hash(RIGHT)
    await remembered.verify("alice", stored, RIGHT)
    for _ in range(3):
        assert not await remembered.verify("alice", stored, WRONG)
    assert len(argon2_work) == 4


async def test_the_memory_ends_when_the_password_changes(
    remembered: RememberedPasswords, argon2_work: list[str]
) -> None:
    old, new = HASHER.hash(RIGHT), HASHER.hash(b"n3w")
    assert await remembered.verify("alice", old, RIGHT)
    assert not await remembered.verify("alice", new, RIGHT)
    assert await remembered.verify("alice", new, Secret(b"n3w"))
    assert argon2_work == [old, new, new]


async def test_the_memory_ends_when_the_same_password_is_hashed_anew(
    remembered: RememberedPasswords, argon2_work: list[str]
) -> None:
    for stored in (HASHER.hash(RIGHT), HASHER.hash(RIGHT)):
        assert await remembered.verify("alice", stored, RIGHT)
    assert len(argon2_work) == 2


async def test_an_account_that_may_not_log_in_is_never_answered_from_memory(
    remembered: RememberedPasswords, argon2_work: list[str]
) -> None:
    stored = HASHER.hash(RIGHT)
    await remembered.verify("alice", stored, RIGHT)
    await remembered.verify("alice", stored, RIGHT, remember=False)
    await remembered.verify("alice", stored, RIGHT, remember=False)
    assert len(argon2_work) == 3


async def test_two_users_with_one_hash_share_nothing(remembered: RememberedPasswords, argon2_work: list[str]) -> None:
    stored = HASHER.hash(RIGHT)
    await remembered.verify("alice", stored, RIGHT)
    await remembered.verify("bob", stored, RIGHT)
    assert len(argon2_work) == 2


async def test_a_storm_of_one_users_devices_pays_no_more_than_runs_at_once(
    remembered: RememberedPasswords, argon2_work: list[str]
) -> None:
    stored = HASHER.hash(RIGHT)
    assert all(await asyncio.gather(*(remembered.verify("alice", stored, RIGHT) for _ in range(50))))
    assert len(argon2_work) <= 2


async def test_who_gives_up_while_queued_costs_nothing(remembered: RememberedPasswords, argon2_work: list[str]) -> None:
    stored = HASHER.hash(RIGHT)
    waiting = [asyncio.ensure_future(remembered.verify(f"user{n}", stored, RIGHT)) for n in range(20)]
    await asyncio.sleep(0)  # each has come as far as it can: two are in threads, the rest queue
    for login in waiting[2:]:
        login.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[:2] == [True, True]
    assert all(isinstance(result, asyncio.CancelledError) for result in results[2:])
    assert len(argon2_work) == 2


async def test_no_password_is_kept(remembered: RememberedPasswords) -> None:
    await remembered.verify("alice", HASHER.hash(RIGHT), RIGHT)
    assert RIGHT.decode() not in repr(vars(remembered))
    assert bytes(RIGHT) not in b"".join(remembered._tags.values())

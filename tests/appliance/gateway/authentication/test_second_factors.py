"""Codes are taken by the database, so that none counts twice, whoever asks at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pyotp
import pytest

from appliance.auth.second_factor import Factor, FactorsUnavailable
from appliance.gateway.authentication.second_factors import StoredSecondFactors
from appliance.gateway.record.database_thread import DatabaseThread
from appliance.installation import Actor
from appliance.master_key import MasterKey
from appliance.models.columns import now
from appliance.second_factors import service
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import SecretStr

    from appliance.installation import Installation


@pytest.fixture
async def gateways(
    installation: Installation, empty_database_url: SecretStr
) -> AsyncIterator[tuple[StoredSecondFactors, ...]]:
    """Two gateways on one database."""
    threads = [DatabaseThread(empty_database_url, f"test-{number}", writes=number > 1) for number in range(4)]
    yield tuple(
        StoredSecondFactors(reader, writer, installation.master_key)
        for reader, writer in zip(threads[:2], threads[2:], strict=True)
    )
    for thread in threads:
        await thread.close()


@pytest.fixture
async def enrolment(installation: Installation) -> tuple[str, list[str]]:
    """Seed and recovery codes of alice."""
    async with installation.transaction(Actor("a test")) as work:
        made = await service.enrol(work, "local", "alice")
        codes = await service.confirm(work, "local", "alice", pyotp.TOTP(made.seed).at(now()))
    return made.seed, codes.recovery_codes


async def found(gateway: StoredSecondFactors) -> Factor:
    factor = await gateway.find("local", "alice")
    assert factor is not None
    return factor


async def test_a_code_sent_to_two_gateways_at_once_counts_once(
    gateways: tuple[StoredSecondFactors, ...], enrolment: tuple[str, list[str]]
) -> None:
    seed, recovery = enrolment
    for code in (pyotp.TOTP(seed).at(now(), counter_offset=1), recovery[0]):
        factors = [await found(gateway) for gateway in gateways]
        taken = await asyncio.gather(
            *(gateway.spend(factor, code) for _ in range(5) for gateway, factor in zip(gateways, factors, strict=True))
        )
        assert sum(taken) == 1


async def test_recovery_codes_taken_at_once_are_all_gone(
    gateways: tuple[StoredSecondFactors, ...], enrolment: tuple[str, list[str]], installation: Installation
) -> None:
    factor = await found(gateways[0])
    codes = enrolment[1]
    taken = await asyncio.gather(*(gateways[number % 2].spend(factor, code) for number, code in enumerate(codes)))
    assert all(taken)
    async with installation.snapshot() as work:
        assert (await service.show(work, "local", "alice")).recovery_codes_left == 0


async def test_only_what_was_confirmed_counts(
    gateways: tuple[StoredSecondFactors, ...], installation: Installation
) -> None:
    async with installation.transaction(Actor("a test")) as work:
        await service.enrol(work, "local", "bob")
    assert await gateways[0].find("local", "bob") is None
    assert await gateways[0].find("local", "\ud800") is None


async def test_another_master_key_is_told_and_lets_nobody_in(
    empty_database_url: SecretStr, enrolment: tuple[str, list[str]]
) -> None:
    assert enrolment
    reader = DatabaseThread(empty_database_url, "test", writes=False)
    other = StoredSecondFactors(reader, reader, MasterKey(Secret(bytes(range(32)))))
    with pytest.raises(FactorsUnavailable, match="master key"):
        await other.find("local", "alice")
    await reader.close()


async def test_who_is_enrolled_is_known_from_the_change_feed_and_everybody_else_costs_no_query(
    gateways: tuple[StoredSecondFactors, ...], installation: Installation
) -> None:
    gateway = gateways[0]
    await gateway.follow()
    before = gateway._reader.transactions
    assert await gateway.find("local", "alice") is None
    assert gateway._reader.transactions == before
    async with installation.transaction(Actor("a test")) as work:
        made = await service.enrol(work, "local", "alice")
        await service.confirm(work, "local", "alice", pyotp.TOTP(made.seed).at(now()))
    await gateway.follow()
    assert await gateway.find("local", "alice") is not None

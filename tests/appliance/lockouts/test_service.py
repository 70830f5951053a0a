"""Lockouts of both doors: counted by one set of rules, listed, lifted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from appliance.errors import NotFound
from appliance.installation import Actor
from appliance.lockouts import rules, service
from appliance.lockouts.rules import Counted, Door, Subject
from appliance.lockouts.schemas import Lifting, LockoutFilter
from appliance.models import AuditEntry, Throttle
from appliance.models.columns import now

if TYPE_CHECKING:
    from appliance.installation import Installation, Transaction

SOURCE = "192.0.2.1"


async def fail(work: Transaction, door: Door, account: str, times: int, source: str = SOURCE) -> None:
    for _ in range(times):
        await service.failed(work.session, door, account, source, now())
        await work.session.flush()


async def test_the_wait_grows_up_to_a_bound_and_is_forgiven(work: Transaction) -> None:
    at = now()
    waits = []
    for _ in range(20):
        await service.failed(work.session, Door.PANEL, "bob", SOURCE, at)
        await work.session.flush()
        waits.append((await service.waiting(work.session, Door.PANEL, "bob", SOURCE, at)).total_seconds())
    assert waits[:7] == [0, 0, 0, 0, 1, 2, 4]
    assert waits[-1] == 900
    await service.failed(work.session, Door.PANEL, "bob", SOURCE, at + timedelta(hours=5))
    rows = (await work.session.scalars(select(Throttle))).all()
    assert [row.failures for row in rows] == [1, 1]
    await service.succeeded(work.session, Door.PANEL, "bob", SOURCE, at)
    # Who has an account may guess at those of others: the network is forgiven by time alone.
    left = (await service.page(work, LockoutFilter(all=True))).items
    assert [each.counted for each in left] == [Counted.SOURCE]


async def test_failures_at_the_same_time_are_all_counted(installation: Installation) -> None:
    async def fail_once() -> None:
        async with installation.transaction(Actor("a test")) as work:
            await service.failed(work.session, Door.PANEL, "bob", SOURCE, now())

    await asyncio.gather(*(fail_once() for _ in range(8)))
    async with installation.snapshot() as work:
        assert [row.failures for row in await work.session.scalars(select(Throttle))] == [8, 8]


@pytest.mark.parametrize(
    ("source", "subject"),
    [
        ("192.0.2.77", "panel/source/192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "panel/source/2001:db8:1:2::/64"),
        ("", "panel/source/unknown"),
    ],
)
def test_sources_are_counted_by_network(source: str, subject: str) -> None:
    assert subject in map(str, rules.subjects(Door.PANEL, "alice", source))


@pytest.mark.parametrize("subject", rules.subjects(Door.VPN, "al/ice b", "2001:db8::1"))
def test_a_subject_is_read_as_it_was_written(subject: Subject) -> None:
    assert Subject.from_text(str(subject)) == subject
    assert subject.account == ("" if subject.counted is Counted.SOURCE else "al/ice b")


async def test_only_those_who_must_wait_are_listed_unless_all_are_wanted(work: Transaction) -> None:
    await fail(work, Door.VPN, "alice", 2)
    assert (await service.page(work)).items == []
    assert (await service.page(work, LockoutFilter(all=True))).total == 3
    await fail(work, Door.VPN, "alice", 10)
    await fail(work, Door.PANEL, "admin", 20, "203.0.113.1")
    listed = (await service.page(work)).items
    assert {(each.door, each.account, each.source) for each in listed} == {
        (Door.VPN, "alice", SOURCE),
        (Door.VPN, "alice", ""),
        (Door.PANEL, "admin", ""),
        (Door.PANEL, "", "203.0.113.0/24"),
    }
    assert [each.door for each in (await service.page(work, LockoutFilter(door=Door.PANEL))).items] == [Door.PANEL] * 2
    assert (await service.page(work, LockoutFilter(text="ALIC"))).total == 2


async def test_lifting_lets_the_next_attempt_in_and_is_on_record(work: Transaction) -> None:
    await fail(work, Door.VPN, "alice", 12)
    await fail(work, Door.VPN, "bob", 12, "203.0.113.1")
    lifted = await service.lift(work, Lifting(account="Alice"))
    assert {each.subject for each in lifted.items} == {"vpn/account/alice", f"vpn/login/{SOURCE} alice"}
    assert not await service.waiting(work.session, Door.VPN, "alice", SOURCE, now())
    assert await service.waiting(work.session, Door.VPN, "bob", "203.0.113.1", now())
    await service.lift(work, Lifting(source="203.0.113.1"))
    assert {each.account for each in (await service.page(work)).items} == {"bob"}  # from elsewhere it still must wait
    await service.lift(work, Lifting(subject="vpn/account/bob"))
    assert (await service.page(work)).items == []
    deeds = (await work.session.scalars(select(AuditEntry.deed))).all()
    assert set(deeds) == {"lockout.lift"}


async def test_what_cannot_be_lifted_is_said(work: Transaction) -> None:
    with pytest.raises(NotFound, match="no failed login of carol"):
        await service.lift(work, Lifting(account="carol"))
    with pytest.raises(ValidationError, match="say one of"):
        Lifting()
    with pytest.raises(ValidationError, match="say one of"):
        Lifting(account="a", all=True)

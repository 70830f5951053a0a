"""Policy at work: who may come in at this hour, with which address, and who must make room."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from appliance.gateway.admission.reachability import Reachability
from appliance.policy.attributes import AccessPolicy, QuotaPeriod, WhenTooMany
from appliance.policy.effective import EVERYTHING
from ike_engine.actions import Configuration
from ike_engine.dataplane.blocked import Blocked
from ike_engine.events import Goodbye
from ike_engine.runtime.operations import LetReach, Reach
from tests.appliance.gateway.admission.gate import ALICE, LAB, NOON, OFFICE, Gate, gate, limits

__all__ = ["gate"]


# ---- what Mode Config gives ----


async def test_every_attribute_reaches_the_client(gate: Gate) -> None:
    said = AccessPolicy(
        netmask=IPv4Address("255.255.255.0"),
        dns=(IPv4Address("10.1.0.53"),),
        wins=(IPv4Address("10.1.0.54"),),
        domain="lab.example",
        split_exclude=(LAB,),
        split_dns=("lab.example",),
        banner="Hello",
        save_password=True,
        reauthenticate_on_rekey=False,
        reachable=(OFFICE,),
    )
    gate.say(groups={"staff": said})
    given = await gate.come_in(1, group="staff")
    assert given == Configuration(
        address=IPv4Address("10.9.0.1"),
        netmask=IPv4Address("255.255.255.0"),
        dns=(IPv4Address("10.1.0.53"),),
        wins=(IPv4Address("10.1.0.54"),),
        domain="lab.example",
        split_exclude=(LAB,),
        split_dns=("lab.example",),
        banner="Hello",
        save_password=True,
        reauthenticate_on_rekey=False,
        reachable=(OFFICE,),
        filtered=True,
    )


async def test_the_profile_decides_about_rekeying_while_no_level_says_anything(gate: Gate) -> None:
    assert (await gate.come_in(1)).reauthenticate_on_rekey is None


async def test_the_group_that_the_realm_names_counts_before_the_users_own(gate: Gate) -> None:
    gate.say(groups={"staff": AccessPolicy(pool="lab"), "guests": AccessPolicy(banner="guest")})
    assert (await gate.come_in(1, group="guests", groups=("nobody", "Staff"))).address in IPv4Network("10.9.1.0/29")
    assert (await gate.come_in(2, "bob", group="guests", groups=("nobody",))).banner == "guest"


async def test_a_pool_that_only_the_realm_knows_is_refused_in_words(gate: Gate) -> None:
    answer = await gate.refused(1, attributes=AccessPolicy(pool="nowhere"))
    assert answer.reason == "there is no pool 'nowhere' (said by the realm)"


# ---- addresses ----


async def test_a_static_address_is_given_and_kept_for_its_user(gate: Gate) -> None:
    gate.leases.reserve({IPv4Address("10.9.0.1"): "alice"})
    assert (await gate.come_in(1, "bob")).address == IPv4Address("10.9.0.2")
    own = AccessPolicy(address=IPv4Address("10.9.0.1"))
    assert (await gate.come_in(2, policy=own)).address == IPv4Address("10.9.0.1")


async def test_an_address_of_another_pool_may_come_from_the_realm(gate: Gate) -> None:
    framed = AccessPolicy(address=IPv4Address("10.9.1.3"))
    assert (await gate.come_in(1, attributes=framed)).address == IPv4Address("10.9.1.3")
    lease = gate.leases.of_peer(1)
    assert lease is not None
    assert lease.pool_id == 2


async def test_an_address_that_somebody_has_or_nobody_can_have_is_refused_in_words(gate: Gate) -> None:
    framed = AccessPolicy(address=IPv4Address("10.9.0.1"))
    await gate.come_in(1, "bob")
    taken = await gate.refused(2, attributes=framed)
    assert taken.reason == (
        "address 10.9.0.1 of user 'alice' (said by the realm) is in use by user 'bob' since 2026-11-26 12:00 UTC"
    )
    outside = await gate.refused(2, attributes=AccessPolicy(address=IPv4Address("192.0.2.1")))
    assert outside.reason.endswith("is in no pool")
    assert len(gate.leases) == 1


async def test_who_comes_anew_gets_its_static_address_if_it_may_replace_itself(gate: Gate) -> None:
    own = AccessPolicy(address=IPv4Address("10.9.0.1"))
    await gate.come_in(1, policy=own)
    assert "in use by user 'alice'" in (await gate.refused(2, policy=own)).reason
    both = own.changed(AccessPolicy(when_too_many=WhenTooMany.REPLACE))
    assert (await gate.come_in(2, policy=both)).address == IPv4Address("10.9.0.1")
    assert [(peer_id, goodbye) for peer_id, _, goodbye in gate.disconnected] == [(1, Goodbye.REPLACED)]


# ---- how many ----


async def test_one_session_too_many_is_refused_and_the_words_say_who_said_so(gate: Gate) -> None:
    gate.say(groups={"staff": AccessPolicy(simultaneous_sessions=1)})
    await gate.come_in(1, group="staff")
    answer = await gate.refused(2, group="staff")
    assert answer.reason == "user 'alice' has 1 sessions already; 1 is the most (said for group staff)"
    assert "coati group set staff simultaneous-sessions=..." in answer.remedy
    await gate.come_in(3, "bob", group="staff")
    gate.leases.release(1, NOON)
    await gate.come_in(4, group="staff")


async def test_or_the_oldest_makes_room(gate: Gate) -> None:
    gate.say(base=AccessPolicy(simultaneous_sessions=2, when_too_many=WhenTooMany.REPLACE))
    for peer_id in (1, 2, 3):
        await gate.come_in(peer_id)
    (gone,) = gate.disconnected
    assert gone == (1, "user 'alice' came in anew and may have 2 sessions", Goodbye.REPLACED)


async def test_a_namesake_of_another_realm_is_somebody_else(gate: Gate) -> None:
    gate.say(base=AccessPolicy(simultaneous_sessions=1, when_too_many=WhenTooMany.REPLACE, quota_octets=1_000))
    await gate.come_in(1, account=7)
    await gate.come_in(2, realm="staff")
    assert gate.disconnected == []
    await gate.come_in(3, "ALICE", realm="staff")
    assert [peer_id for peer_id, _, _ in gate.disconnected] == [2], "however the name is written"
    first = AccessPolicy(address=IPv4Address("10.9.0.1"), when_too_many=WhenTooMany.REPLACE)
    assert "in use by user 'alice'" in (await gate.refused(4, realm="guests", attributes=first)).reason
    gate.transfers.read({ALICE: {NOON.date(): 1_000}})
    assert await gate.turned_away() is not None
    assert await gate.turned_away(realm="staff") is None


async def test_an_address_that_is_kept_for_a_local_user_is_not_given_to_a_namesake(gate: Gate) -> None:
    gate.leases.reserve({IPv4Address("10.9.0.1"): "alice"})
    assert (await gate.come_in(1, realm="staff")).address == IPv4Address("10.9.0.2")
    assert gate.leases.reserved_for_others("alice", gate.leases.items()[0][1].terms) == {IPv4Address("10.9.0.1")}
    assert (await gate.come_in(2, account=7)).address == IPv4Address("10.9.0.1")


async def test_a_peer_that_asks_again_is_not_another_session(gate: Gate) -> None:
    gate.say(base=AccessPolicy(simultaneous_sessions=2))
    first = await gate.come_in(1)
    assert (await gate.come_in(1)).address == first.address


# ---- when ----


async def test_outside_of_the_access_hours_a_good_login_is_turned_away(gate: Gate) -> None:
    gate.say(groups={"staff": AccessPolicy(access_hours="Mon-Fri 08:00-12:00 UTC")})
    refusal = await gate.turned_away(group="staff")
    assert refusal is not None
    assert refusal.reason == (
        "user 'alice' may not come in at this hour: Mon-Fri 08:00-12:00 UTC (said for group staff)"
    )
    assert refusal.remedy == "other hours are set by: coati group set staff access-hours=..."
    gate.now = NOON - timedelta(minutes=1)
    assert await gate.turned_away(group="staff") is None


@pytest.mark.parametrize(
    ("said", "claim", "after", "goodbye"),
    [
        ({"session_limit_seconds": 600}, {}, timedelta(seconds=600), Goodbye.SESSION_LIMIT),
        ({"access_hours": "12:00-13:00"}, {}, timedelta(hours=1), Goodbye.ACCESS_HOURS),
        (
            {"access_hours": "12:00-13:00", "session_limit_seconds": 60},
            {},
            timedelta(seconds=60),
            Goodbye.SESSION_LIMIT,
        ),
        ({}, {"expires_at": NOON + timedelta(days=1)}, timedelta(days=1), Goodbye.AUTHORITY),
    ],
)
async def test_the_end_of_a_session_is_known_when_it_begins(
    gate: Gate, said: dict[str, Any], claim: dict[str, Any], after: timedelta, goodbye: Goodbye
) -> None:
    gate.say(base=AccessPolicy(**said))
    await gate.come_in(1, **claim)
    lease = gate.leases.of_peer(1)
    assert lease is not None
    assert lease.terms is not None
    assert lease.terms.end is not None
    assert (lease.terms.end.at, lease.terms.end.goodbye) == (NOON + after, goodbye)


async def test_a_quota_that_is_used_up_turns_away_until_the_period_is_over(gate: Gate) -> None:
    gate.say(base=AccessPolicy(quota_octets=1_000_000, quota_period=QuotaPeriod.WEEK))
    gate.transfers.read({ALICE: {date(2026, 11, 22): 900_000, date(2026, 11, 23): 999_999}})  # Sunday, Monday
    assert await gate.turned_away() is None
    gate.transfers.read({ALICE: {date(2026, 11, 23): 999_999, date(2026, 11, 25): 1}})
    refusal = await gate.turned_away()
    assert refusal is not None
    assert refusal.reason == ("user 'alice' has used up the quota of this week: 1.0 MB of 1.0 MB (said for everybody)")
    gate.now = NOON + timedelta(days=4)
    assert await gate.turned_away() is None


# ---- what may be reached ----


async def test_the_firewall_knows_before_the_client_has_its_address(gate: Gate) -> None:
    gate.say(groups={"staff": AccessPolicy(reachable=(OFFICE,))})
    given = await gate.come_in(1, group="staff")
    assert gate.told == [LetReach((Reach((OFFICE,), (IPv4Network(given.address),)),))]
    assert given.filtered
    gate.admission.gone(1)
    gate.leases.release(1, NOON)
    free = await gate.come_in(2)
    assert free.address == given.address
    assert gate.told[1:] == [LetReach((), (IPv4Network(given.address),))]
    await gate.come_in(3, "bob")  # who may reach everything costs nothing
    assert len(gate.told) == 2


async def test_a_changed_policy_reaches_live_sessions_at_once(gate: Gate) -> None:
    gate.say(groups={"staff": AccessPolicy(reachable=(OFFICE,))})
    given = await gate.come_in(1, group="staff", account=7)
    gate.say(groups={"staff": AccessPolicy(reachable=(OFFICE, LAB))})
    gate.admission.review({})
    assert (await gate.come_in(2, "bob", group="staff")).reachable == (OFFICE, LAB)
    assert [each.networks for each in limits(gate, given.address)] == [(OFFICE,), (OFFICE, LAB)]
    gate.told.clear()
    gate.admission.review({7: ("", AccessPolicy(reachable=(LAB,)))})  # the user left the group, say
    await gate.come_in(3, "carol", attributes=AccessPolicy(reachable=(LAB,)))
    assert [each.networks for each in limits(gate, given.address)] == [(LAB,)]


async def test_without_a_firewall_the_child_sas_are_narrowed_instead(gate: Gate) -> None:
    gate.say(groups={"staff": AccessPolicy(reachable=(OFFICE,))})
    gate.broken = "nft: not found"
    given = await gate.come_in(1, group="staff")
    assert (given.filtered, given.reachable) == (False, (OFFICE,))
    assert gate.reachability.problem.endswith("nft: not found")
    gate.broken = ""
    assert (await gate.come_in(2, "bob", group="staff")).filtered
    assert gate.reachability.problem == ""


async def test_after_a_crash_no_address_is_given_under_the_limits_of_its_last_user() -> None:
    gate = Gate()
    await gate.reachability.begin(orphans=True)
    assert gate.told == []
    given = await gate.come_in(1)
    assert given.reachable == EVERYTHING
    assert gate.told == [LetReach((), (IPv4Network(given.address),))]


async def test_logins_that_come_together_are_told_together(gate: Gate) -> None:
    gate.say(base=AccessPolicy(reachable=(OFFICE,)))
    await asyncio.gather(*(gate.come_in(number, f"user{number}") for number in range(5)))
    assert len(gate.told) <= 2


async def test_what_the_firewall_turned_away_is_asked_of_it(gate: Gate) -> None:
    assert await gate.reachability.blocked() == Blocked({IPv4Address("10.9.0.1"): 3}, 1)
    gate.broken = "nft: not found"
    assert await gate.reachability.blocked() == Blocked({}, 0)
    assert await Reachability(None).blocked() == Blocked({}, 0)

"""Policy at work: what may be behind a client, and where it goes with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from appliance.auth.verdicts import Claim
from appliance.gateway.record.stay import Stay
from appliance.policy.attributes import AccessPolicy, WhenTooMany
from ike_engine.events import Goodbye
from ike_engine.ikev1.storage import CannotResume
from ike_engine.runtime.operations import LetReach, Reach, RouteBehind, VirtualNetwork
from tests.appliance.gateway.admission.gate import (
    BRANCH,
    LAB,
    NOON,
    OFFICE,
    OTHER_BRANCH,
    POOLS,
    Gate,
    all_is_told,
    gate,
    limits,
)

__all__ = ["gate"]


def behind(*networks: IPv4Network, **others: Any) -> AccessPolicy:
    return AccessPolicy(routes=networks, **others)


async def test_a_client_may_carry_what_is_behind_it_and_the_host_routes_it(gate: Gate) -> None:
    given = await gate.come_in(1, attributes=behind(BRANCH, OTHER_BRANCH))
    assert given.behind == (BRANCH, OTHER_BRANCH)
    # Hidden like its own address.
    assert gate.told == [RouteBehind((VirtualNetwork(BRANCH, True), VirtualNetwork(OTHER_BRANCH, True)))]
    gate.told.clear()
    gate.say(groups={"lab": behind(IPv4Network("172.21.0.0/16"), pool="lab")})
    assert (await gate.come_in(2, "bob", group="lab")).behind == (IPv4Network("172.21.0.0/16"),)
    assert gate.told == [RouteBehind((VirtualNetwork(IPv4Network("172.21.0.0/16"), False),))]


async def test_what_is_behind_a_client_may_reach_what_the_client_may(gate: Gate) -> None:
    given = await gate.come_in(1, attributes=behind(BRANCH, reachable=(OFFICE,)))
    own = IPv4Network(given.address)
    assert gate.told[1:] == [LetReach((Reach((OFFICE,), (own, BRANCH)),))]
    gate.told.clear()
    assert gate.admission.alter(1, lambda claim: replace(claim, attributes=behind(BRANCH, reachable=(LAB,))), NOON)
    await asyncio.sleep(0)
    assert gate.told == [LetReach((Reach((LAB,), (own, BRANCH)),))]


async def test_what_is_behind_a_client_goes_with_it(gate: Gate) -> None:
    await gate.come_in(1, attributes=behind(BRANCH, reachable=(OFFICE,)))
    gate.told.clear()
    gate.admission.gone(1)
    gate.leases.release(1, NOON)
    await all_is_told()
    assert RouteBehind(removed=(BRANCH,)) in gate.told
    assert limits(gate, IPv4Address("10.9.0.1")) == []
    assert any(isinstance(order, LetReach) and BRANCH in order.unlimited for order in gate.told)
    await gate.come_in(2, "bob", attributes=behind(BRANCH))


@pytest.mark.parametrize("other", ["172.20.1.0/24", "172.20.1.128/25", "172.20.0.0/16"])
async def test_a_network_is_behind_one_client_only(gate: Gate, other: str) -> None:
    await gate.come_in(1, attributes=behind(BRANCH))
    refused = await gate.refused(2, "bob", attributes=behind(OTHER_BRANCH, IPv4Network(other)))
    assert refused.reason.startswith("a network behind user 'bob' (said by the realm) is somewhere else already: ")
    assert refused.reason.endswith("behind user 'alice' since 2026-11-26 12:00 UTC")
    assert str(BRANCH) in refused.reason
    assert "coati session disconnect --user alice" in refused.remedy
    assert gate.networks.of_peer(2) == ()


async def test_the_same_user_takes_its_networks_along_where_it_may_replace_itself(gate: Gate) -> None:
    await gate.come_in(1, attributes=behind(BRANCH))
    assert "is somewhere else already" in (await gate.refused(2, attributes=behind(BRANCH))).reason
    gate.leases.release(2, NOON)
    namesake = await gate.refused(2, realm="staff", attributes=behind(BRANCH, when_too_many=WhenTooMany.REPLACE))
    assert "is somewhere else already" in namesake.reason
    gate.leases.release(2, NOON)
    given = await gate.come_in(3, attributes=behind(BRANCH, when_too_many=WhenTooMany.REPLACE))
    assert given.behind == (BRANCH,)
    ((peer_id, reason, goodbye),) = gate.disconnected
    assert (peer_id, goodbye) == (1, Goodbye.REPLACED)
    assert reason.startswith("user 'alice' came in anew with 172.20.1.0/24")
    await all_is_told()
    removed = [network for order in gate.told if isinstance(order, RouteBehind) for network in order.removed]
    assert removed == []  # it was routed all the time


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("10.9.0.0/16", "10.9.0.0/16 overlaps 10.9.0.0/29, where virtual IPs are taken from"),
        ("10.9.1.4/30", "10.9.1.4/30 overlaps 10.9.1.0/29, where virtual IPs are taken from"),
        ("198.51.100.0/24", "198.51.100.0/24 has the address 198.51.100.7 that the tunnel itself goes over"),
        ("192.0.2.0/28", "192.0.2.0/28 has the address 192.0.2.1 that the tunnel itself goes over"),
    ],
)
async def test_what_cannot_be_behind_a_client_is_refused_in_words(gate: Gate, network: str, words: str) -> None:
    gate.say(groups={"branch": behind(IPv4Network(network))})
    refused = await gate.refused(1, group="branch")
    assert refused.reason == f"a network behind user 'alice' (said for group branch) cannot be there: {words}"
    assert refused.remedy == "name others: coati group set branch routes=... (RADIUS: Framed-Route)"
    assert gate.told == []


async def test_what_the_host_will_not_route_is_refused_in_its_words(gate: Gate) -> None:
    gate.broken = "172.20.1.0/24 cannot be behind a client: the gateway is connected to 172.20.1.0/24"
    refused = await gate.refused(1, attributes=behind(BRANCH))
    assert refused.reason == f"a network behind user 'alice' (said by the realm) cannot be routed: {gate.broken}"
    gate.broken = ""
    await gate.come_in(2, "bob", attributes=behind(BRANCH))


async def test_a_new_pool_ends_who_has_something_behind_it_there(gate: Gate) -> None:
    await gate.come_in(1, attributes=behind(BRANCH))
    await gate.come_in(2, "bob", attributes=behind(OTHER_BRANCH))
    ((holder, why),) = gate.networks.reconfigure((*POOLS, VirtualNetwork(IPv4Network("172.20.2.0/25"), False)))
    assert (holder.peer_id, why) == (2, "172.20.2.0/24 overlaps 172.20.2.0/25, where virtual IPs are taken from")


async def test_routes_of_a_gateway_that_crashed_stay_while_its_child_sas_do(gate: Gate) -> None:
    await gate.networks.begin(orphans=True)
    assert gate.told == []
    await gate.come_in(1, attributes=behind(BRANCH))
    gate.told.clear()
    for _ in range(2):
        await gate.networks.forget_others()
    assert gate.told == [RouteBehind((VirtualNetwork(BRANCH, True),), afresh=True)]


def earlier(peer_id: int, *networks: IPv4Network, user: str = "alice") -> Stay:
    """A session of an earlier process of the gateway."""
    columns = {
        "profile": "p",
        "user": user,
        "peer_id": peer_id,
        "virtual_ip": f"10.9.0.{peer_id}",
        "networks": networks,
        "hostname": "laptop",
        "started_at": NOON,
    }
    return Stay(columns, NOON, Claim(realm="local"))


async def test_what_is_behind_a_client_stays_there_when_the_gateway_is_started_again(gate: Gate) -> None:
    given = await gate.admission.resume(earlier(3, BRANCH), NOON)
    assert given.behind == (BRANCH,)  # what its Child SAs carry, whatever policy says by now
    assert gate.told == [RouteBehind((VirtualNetwork(BRANCH, True),))]
    assert "is somewhere else already" in (await gate.refused(1, "bob", attributes=behind(BRANCH))).reason
    with pytest.raises(CannotResume, match="is behind user 'alice'"):
        await gate.admission.resume(earlier(4, BRANCH, user="bob"), NOON)

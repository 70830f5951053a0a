"""Admission over memory, with a firewall that notes what it is told: what tests of its rules stand before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from appliance.auth.verdicts import Claim
from appliance.gateway.admission.leases import LeaseRow, Leases
from appliance.gateway.admission.networks_behind import NetworksBehind
from appliance.gateway.admission.reachability import Reachability
from appliance.gateway.admission.shared_pools import SharedPools
from appliance.gateway.admission.simultaneous_sessions import SimultaneousSessions
from appliance.gateway.admission.terms import Admission
from appliance.gateway.admission.transfers import Transfers
from appliance.gateway.record.stay import Whose
from appliance.models.columns import NEVER
from appliance.policy.attributes import AccessPolicy
from appliance.policy.effective import Policies
from ike_engine.actions import Configuration, Configure, PeerDescription, Refused, Rejected
from ike_engine.dataplane.blocked import Blocked
from ike_engine.policy import Authentication
from ike_engine.runtime.operations import LetReach, Operation, OperationFailed, Reach, VirtualNetwork
from tests.appliance.gateway.recording import PATH

if TYPE_CHECKING:
    from ike_engine.events import Goodbye

OFFICE, LAB = IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16")
POOLS = (VirtualNetwork(IPv4Network("10.9.0.0/29"), True), VirtualNetwork(IPv4Network("10.9.1.0/29"), False))
BRANCH, OTHER_BRANCH = IPv4Network("172.20.1.0/24"), IPv4Network("172.20.2.0/24")
ALICE = Whose("local", "alice")
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)  # a Thursday


@dataclass
class Gate:
    """Admission over memory, with a firewall that notes what it is told."""

    told: list[Operation] = field(default_factory=list)
    disconnected: list[tuple[int, str, Goodbye]] = field(default_factory=list)
    broken: str = ""
    now: datetime = NOON

    def __post_init__(self) -> None:
        self.leases = Leases()
        networks = {1: "10.9.0.0/29", 2: "10.9.1.0/29"}
        self.leases.load(
            LeaseRow(pool * 1000 + number, pool, address, NEVER, None)
            for pool, network in networks.items()
            for number, address in enumerate(IPv4Network(network).hosts())
        )
        self.transfers = Transfers(lambda: self.now, postgresql_dialect=False)
        self.reachability = Reachability(self)
        self.networks = NetworksBehind(self.perform)
        self.networks.reconfigure(POOLS)
        self.admission = Admission(
            "gw1",
            self.leases,
            SharedPools("gw1", self.leases, None),
            self.reachability,
            self.networks,
            SimultaneousSessions(None, disconnect=self.disconnect),
            self.transfers,
            disconnect=self.disconnect,
        )
        self.say()

    def say(self, **levels: Any) -> None:
        known = {
            "pools": {"office": AccessPolicy(dns=(IPv4Address("10.0.0.53"),)), "lab": AccessPolicy()},
            "profiles": {"p": AccessPolicy(pool="office", reauthenticate_on_rekey=True)},
        }
        self.admission.reconfigure(Policies(**known | levels), {"office": 1, "lab": 2})

    async def perform(self, operation: Operation) -> None:
        if self.broken:
            raise OperationFailed(self.broken)
        self.told.append(operation)

    async def blocked(self) -> Blocked:
        if self.broken:
            raise OperationFailed(self.broken)
        return Blocked({IPv4Address("10.9.0.1"): 3}, 1)

    def disconnect(self, peer_id: int, reason: str, goodbye: Goodbye) -> None:
        self.disconnected.append((peer_id, reason, goodbye))
        self.admission.gone(peer_id)
        self.leases.release(peer_id, self.now)

    async def ask(self, peer_id: int, user: str = "alice", **claim: Any) -> Configuration | Refused:
        description = PeerDescription(
            isakmp_sa=1, profile="p", authentication=Authentication.HYBRID_RSA, path=PATH, identity=""
        )
        question = Configure(
            peer_id=peer_id, peer=description, user=user, claim=Claim(**{"realm": "local"} | claim), hostname="laptop"
        )
        return await self.admission.configure(question, self.now)

    async def come_in(self, peer_id: int, user: str = "alice", **claim: Any) -> Configuration:
        answer = await self.ask(peer_id, user, **claim)
        assert isinstance(answer, Configuration), answer
        return answer

    async def refused(self, peer_id: int, user: str = "alice", **claim: Any) -> Refused:
        answer = await self.ask(peer_id, user, **claim)
        assert isinstance(answer, Refused), answer
        return answer

    async def turned_away(self, **claim: Any) -> Rejected | None:
        return await self.admission.refusal("p", "alice", Claim(**{"realm": "local"} | claim), self.now)


def limits(gate: Gate, address: IPv4Address) -> list[Reach]:
    """What the firewall was told of an address."""
    told = [operation for operation in gate.told if isinstance(operation, LetReach)]
    return [reach for operation in told for reach in operation.limited if IPv4Network(address) in reach.sources]


async def all_is_told() -> None:
    """Until nobody has anything more to do."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


@pytest.fixture
async def gate() -> Gate:
    gate = Gate()
    await gate.reachability.begin(orphans=False)
    gate.told.clear()
    return gate

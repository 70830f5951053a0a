"""Leases: who has which address, and how it comes back."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from sqlalchemy import update

from appliance.errors import InUse, NotFound
from appliance.installation import Transaction
from appliance.leases import service
from appliance.leases.schemas import LeaseFilter
from appliance.models import Lease, Session, Verb
from appliance.models.columns import now
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool


@pytest.fixture
async def taken(work: Transaction) -> Session:
    """Alice has 10.99.0.20; bob had 10.99.0.3; carol is being given 10.98.0.1."""
    for name, network in (("office", "10.99.0.0/24"), ("lab", "10.98.0.0/29")):
        await pools.add(work, NewPool(name=name, networks=(IPv4Network(network),)))
    at = now()
    for address, user, free_since in (
        ("10.99.0.20", "alice", None),
        ("10.99.0.3", "bob", at),
        ("10.98.0.1", "c", None),
    ):
        await work.session.execute(
            update(Lease)
            .where(Lease.address == IPv4Address(address))
            .values(user=user, taken_at=at, free_since=free_since, node="gw")
        )
    session = Session(
        node="gw",
        peer_id=1,
        user="alice",
        profile="p",
        authentication="hybrid-rsa",
        mode="main",
        peer_address="192.0.2.1",
        peer_port=500,
        virtual_ip="10.99.0.20",
    )
    work.session.add(session)
    await work.session.flush()
    return session


async def test_leases_are_listed_in_order_with_their_sessions(work: Transaction, taken: Session) -> None:
    async def listed(**wanted: object) -> list[str]:
        return [str(lease.address) for lease in (await service.page(work, LeaseFilter(**wanted))).items]  # type: ignore[arg-type]

    assert await listed() == ["10.98.0.1", "10.99.0.3", "10.99.0.20"]
    assert await listed(pool="office", sort="-address") == ["10.99.0.20", "10.99.0.3"]
    assert await listed(taken=True) == ["10.98.0.1", "10.99.0.20"]
    assert await listed(taken=False, user="BOB") == ["10.99.0.3"]
    assert await listed(pool="nowhere") == []
    shown = await service.show(work, IPv4Address("10.99.0.20"))
    assert (shown.pool, shown.user, shown.session_id, shown.free_since) == ("office", "alice", taken.id, None)
    never = await service.show(work, IPv4Address("10.99.0.4"))
    assert (never.user, never.taken_at, never.free_since) == (None, None, None)


async def test_an_address_comes_back_when_its_session_is_ended(work: Transaction, taken: Session) -> None:
    command = await service.release(work, IPv4Address("10.99.0.20"), "needed elsewhere")
    assert (command.verb, command.session_id, command.reason) == (Verb.DISCONNECT, taken.id, "needed elsewhere")
    for address, words in (("10.99.0.3", "is free"), ("10.99.0.9", "is free"), ("10.98.0.1", "being given out")):
        with pytest.raises(InUse, match=words):
            await service.release(work, IPv4Address(address), "")
    with pytest.raises(NotFound, match="no pool has"):
        await service.release(work, IPv4Address("192.0.2.1"), "")

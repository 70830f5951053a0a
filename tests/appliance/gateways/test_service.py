"""What may be asked of gateways, and only of those that live."""

from datetime import timedelta

import pytest

from appliance.errors import InUse, NotFound
from appliance.gateways import service
from appliance.gateways.schemas import (
    HeldState,
    Inventory,
    SecurityAssociationFilter,
    SecurityAssociationView,
    SecurityPolicyFilter,
    SecurityPolicyView,
)
from appliance.installation import Transaction
from appliance.models import Command, CommandOutcome, Node, Verb
from appliance.models.columns import now
from appliance.schema import Paging


async def test_a_gateway_that_lives_is_asked_what_it_holds(work: Transaction) -> None:
    work.session.add_all([Node(name="gw"), Node(name="old", heartbeat_at=now() - timedelta(hours=1))])
    await work.session.flush()
    assert [(node.name, node.alive) for node in (await service.page(work)).items] == [("gw", True), ("old", False)]
    command = await service.ask(work, "gw", Verb.DUMP_SAD)
    assert (command.node, command.verb, command.session_id) == ("gw", Verb.DUMP_SAD, None)
    with pytest.raises(InUse, match="no sign of life"):
        await service.ask(work, "old", Verb.RELOAD)
    with pytest.raises(NotFound, match="no gateway nowhere"):
        await service.show(work, "nowhere")


def association(user: str, spi: str, direction: str, **more: object) -> SecurityAssociationView:
    said = {"state": HeldState.INSTALLED, "user": user, "spi": spi, "direction": direction, "session_id": len(user)}
    return SecurityAssociationView.model_validate(said | more)


def policy(user: str, direction: str, state: HeldState = HeldState.INSTALLED) -> SecurityPolicyView:
    said = {"state": state, "user": user, "direction": direction, "action": "protect", "priority": 1, "reqid": 2}
    ends = {"source": "10.9.0.5/32", "destination": "0.0.0.0/0", "tunnel_source": "0.0.0.0"}
    return SecurityPolicyView.model_validate(said | ends | {"tunnel_destination": "192.0.2.1", "interface_id": 0})


async def held(work: Transaction, **more: object) -> None:
    """A gateway has said what it holds."""
    stock = Inventory(
        data_plane="xfrm",
        taken_at=now(),
        sad=[
            association("bob", "c0000002", "in", inbound_spi="c0000002", octets=5),
            association("bob", "d0000002", "out", inbound_spi="c0000002", octets=500),
            association("alice", "c0000001", "in", inbound_spi="c0000001", octets=50),
            association("alice", "d0000001", "out", inbound_spi="c0000001", octets=70),
            association("", "0000dead", "unknown", state=HeldState.FOREIGN, session_id=None),
        ],
        spd=[policy("bob", "out"), policy("alice", "out"), policy("", "in", HeldState.ORPHAN)],
    )
    values = {"node": "gw", "verb": Verb.DUMP_SAD, "outcome": CommandOutcome.DONE, "created_by": "test"}
    work.session.add(Command(**values | {"result": stock.model_dump(mode="json")} | more))
    await work.session.flush()


async def test_what_a_gateway_held_is_listed_as_it_was_last_told(work: Transaction) -> None:
    work.session.add(Node(name="gw"))
    with pytest.raises(NotFound, match="no gateway nowhere"):
        await service.security_associations(work, "nowhere")
    await work.session.flush()
    with pytest.raises(NotFound, match="has not been asked yet"):
        await service.security_policies(work, "gw")
    await held(work)
    await held(work, outcome=CommandOutcome.PENDING, result=None)
    page = await service.security_associations(work, "gw")
    assert (page.data_plane, page.total) == ("xfrm", 5)
    assert [(each.user, each.direction) for each in page.items] == [
        ("", "unknown"),
        *(("alice", "in"), ("alice", "out"), ("bob", "in"), ("bob", "out")),
    ]
    policies = await service.security_policies(work, "gw")
    assert [(each.user, each.direction) for each in policies.items] == [("", "in"), ("alice", "out"), ("bob", "out")]


async def test_what_a_gateway_held_is_filtered_sorted_and_cut_into_pages(work: Transaction) -> None:
    work.session.add(Node(name="gw"))
    await held(work)

    async def spis(paging: Paging = Paging(), **wanted: object) -> list[str]:
        page = await service.security_associations(work, "gw", SecurityAssociationFilter.model_validate(wanted), paging)
        return [each.spi for each in page.items]

    assert await spis(user="Alice") == ["c0000001", "d0000001"]
    assert await spis(session_id=3) == ["c0000002", "d0000002"]
    assert await spis(state="foreign") == ["0000dead"]
    assert await spis(spi="D0000002") == ["c0000002", "d0000002"]
    assert await spis(spi="0000dead") == ["0000dead"]
    assert await spis(spi="ffffffff") == []
    assert await spis(sort="-octets", paging=Paging(limit=2)) == ["d0000002", "d0000001"]
    assert await spis(sort="-octets", paging=Paging(limit=2, offset=4)) == ["0000dead"]
    orphans = await service.security_policies(work, "gw", SecurityPolicyFilter(state=HeldState.ORPHAN))
    assert [each.user for each in orphans.items] == [""]

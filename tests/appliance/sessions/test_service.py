from datetime import timedelta

import pytest
from sqlalchemy import select

from appliance.commands import service as commands
from appliance.errors import InUse, NotFound
from appliance.installation import Transaction
from appliance.models import Command, CommandOutcome, Session, Verb
from appliance.models.columns import now
from appliance.schema import EVERYTHING, Paging
from appliance.sessions import service
from appliance.sessions.schemas import SessionFilter, Which

NAMES = ("alice", "bob", "alice", "carol")


@pytest.fixture
async def numbers(work: Transaction) -> list[int]:
    """Four sessions, one a minute; Carol's ended."""
    begun = now() - timedelta(hours=1)
    rows = [
        Session(
            node="gw",
            peer_id=number,
            user=name,
            profile="staff",
            authentication="hybrid-rsa",
            mode="main",
            peer_address=f"192.0.2.{number}",
            peer_port=4500,
            virtual_ip=f"10.99.0.{number}",
            client_software="strongSwan" if name == "bob" else "vpnc",
            started_at=begun + timedelta(minutes=number),
        )
        for number, name in enumerate(NAMES, 1)
    ]
    rows[3].ended_at, rows[3].goodbye = now(), "client-disconnected"
    work.session.add_all(rows)
    await work.session.flush()
    return [row.id for row in rows]


async def listed(work: Transaction, wanted: SessionFilter) -> list[int]:
    return [session.id for session in (await service.page(work, wanted, EVERYTHING)).items]


async def test_lists(work: Transaction, numbers: list[int]) -> None:
    first, second, third, ended = numbers
    assert await listed(work, SessionFilter()) == [third, second, first]
    assert await listed(work, SessionFilter(which=Which.ENDED)) == [ended]
    assert await listed(work, SessionFilter(which=Which.ALL)) == [ended, third, second, first]
    assert await listed(work, SessionFilter(user="ALICE")) == [third, first]
    assert await listed(work, SessionFilter(text="swan")) == [second]
    assert await listed(work, SessionFilter(text="10.99.0.3")) == [third]
    page = await service.page(work, SessionFilter(which=Which.ALL), Paging(limit=1, offset=2))
    assert ([session.id for session in page.items], page.total) == ([second], 4)


async def test_to_disconnect_is_an_order_for_the_node_and_asked_twice_one_order(
    work: Transaction, numbers: list[int]
) -> None:
    order = await service.disconnect(work, numbers[0], "holidays")
    assert (order.node, order.verb, order.outcome) == ("gw", Verb.DISCONNECT, CommandOutcome.PENDING)
    assert (order.reason, order.created_by) == ("holidays", "a test")
    assert (await service.disconnect(work, numbers[0], "again")).id == order.id
    assert (await service.rekey(work, numbers[0])).id != order.id
    assert (await service.show(work, numbers[0])).ended_at is None
    row = (await work.session.scalars(select(Command).where(Command.id == order.id))).one()
    row.outcome = CommandOutcome.DONE
    assert (await commands.show(work, order.id)).outcome is CommandOutcome.DONE
    assert (await service.disconnect(work, numbers[0], "again")).id != order.id


async def test_what_ended_is_not_ended_again(work: Transaction, numbers: list[int]) -> None:
    with pytest.raises(InUse, match=r"ended already \(client-disconnected\)"):
        await service.disconnect(work, numbers[3], "")
    with pytest.raises(NotFound):
        await service.disconnect(work, 4711, "")
    with pytest.raises(NotFound):
        await commands.show(work, 4711)


@pytest.mark.usefixtures("numbers")
async def test_all_of_a_user(work: Transaction) -> None:
    assert len(await service.disconnect_user(work, "alice", "left the company")) == 2
    assert await service.disconnect_user(work, "carol", "left the company") == []

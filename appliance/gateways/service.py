"""What may be asked of gateways."""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import TypeVar

from appliance.commands import service as commands
from appliance.commands.schemas import CommandView
from appliance.errors import InUse, NotFound
from appliance.gateways.schemas import (
    Held,
    HeldFilter,
    Holder,
    Inventory,
    SecurityAssociationFilter,
    SecurityAssociationView,
    SecurityPolicyFilter,
    SecurityPolicyView,
)
from appliance.installation import Transaction
from appliance.models import Verb
from appliance.schema import EVERYTHING, Page, Paging, told
from appliance.system import service as system
from appliance.system.schemas import NodeView

Entry = TypeVar("Entry", bound=Holder)


async def page(work: Transaction, paging: Paging = EVERYTHING) -> Page[NodeView]:
    """List gateways by name."""
    return Page.cut(await system.nodes(work), paging)


async def show(work: Transaction, name: str) -> NodeView:
    """Show one gateway.

    Raises:
        NotFound: there is no such gateway.
    """
    for node in await system.nodes(work):
        if node.name == name:
            return node
    raise NotFound(f"there is no gateway {name}")


async def ask(work: Transaction, name: str, verb: Verb) -> CommandView:
    """Have a gateway read its configuration again, or say what its data plane holds: the command's result.

    Raises:
        NotFound: there is no such gateway.
        InUse: it gives no sign of life.
    """
    node = await show(work, name)
    if not node.alive:
        raise InUse(f"gateway {name} gives no sign of life", remedy="look whether coati serve runs there")
    return await commands.order_from(work, verb, name, {})


async def security_associations(
    work: Transaction,
    name: str,
    wanted: SecurityAssociationFilter = SecurityAssociationFilter(),
    paging: Paging = EVERYTHING,
) -> Held[SecurityAssociationView]:
    """List the SAs that a gateway's data plane held when it was last asked.

    Raises:
        NotFound: there is no such gateway, or it has not been asked yet.
    """
    held = await _inventory(work, name)
    items, total = _part(list(_of_child_sa(held.sad, wanted.spi.lower())), wanted, wanted.sort, paging)
    return Held(items=items, total=total, data_plane=held.data_plane, taken_at=held.taken_at)


async def security_policies(
    work: Transaction,
    name: str,
    wanted: SecurityPolicyFilter = SecurityPolicyFilter(),
    paging: Paging = EVERYTHING,
) -> Held[SecurityPolicyView]:
    """List the policies that a gateway's data plane held when it was last asked.

    Raises:
        NotFound: there is no such gateway, or it has not been asked yet.
    """
    held = await _inventory(work, name)
    items, total = _part(held.spd, wanted, wanted.sort, paging)
    return Held(items=items, total=total, data_plane=held.data_plane, taken_at=held.taken_at)


def _of_child_sa(sad: Sequence[SecurityAssociationView], spi: str) -> Iterator[SecurityAssociationView]:
    """Give the SAs with an SPI and what makes a Child SA with one; an empty one asks for nothing."""
    named = {(each.session_id, each.inbound_spi) for each in sad if spi in (each.spi, each.inbound_spi)}
    return (each for each in sad if not spi or (each.session_id, each.inbound_spi) in named)


async def _inventory(work: Transaction, name: str) -> Inventory:
    await show(work, name)
    command = await commands.latest(work, Verb.DUMP_SAD, name)
    if command is None:
        raise NotFound(
            f"gateway {name} has not been asked yet what its data plane holds",
            remedy=f"POST /api/v1/gateways/{name}/security-associations asks it",
        )
    return told(Inventory, name, command.result or {})


def _part(entries: Sequence[Entry], wanted: HeldFilter, sort: str, paging: Paging) -> tuple[list[Entry], int]:
    matching = [
        each
        for each in entries
        if wanted.state in (None, each.state)
        and wanted.user.lower() in ("", each.user)
        and wanted.session_id in (None, each.session_id)
    ]
    for word in reversed(sort.split(",")):
        matching.sort(key=attrgetter(word.removeprefix("-")), reverse=word.startswith("-"))
    return matching[paging.offset : paging.offset + paging.limit], len(matching)

"""What may be asked of gateways."""

from appliance.commands import service as commands
from appliance.commands.schemas import CommandView
from appliance.errors import InUse, NotFound
from appliance.installation import Transaction
from appliance.models import Verb
from appliance.schema import Page
from appliance.system import service as system
from appliance.system.schemas import NodeView


async def page(work: Transaction) -> Page[NodeView]:
    """List gateways by name."""
    nodes = await system.nodes(work)
    return Page(items=nodes, total=len(nodes))


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

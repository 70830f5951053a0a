"""``/api/v1/gateways``: which there are, how they are, and what their data planes hold (SAD and SPD)."""

from appliance.commands.schemas import CommandView
from appliance.dependencies import Noun, Reading, Writing
from appliance.gateways import service
from appliance.models import Verb
from appliance.schema import Page
from appliance.system.schemas import NodeView

router = Noun("gateways")


@router.get("")
async def list_gateways(work: Reading) -> Page[NodeView]:
    """List gateways by name."""
    return await service.page(work)


@router.get("/{name}")
async def show_gateway(work: Reading, name: str) -> NodeView:
    """Show one gateway."""
    return await service.show(work, name)


@router.post("/{name}/security-associations", status_code=202)
async def dump_security_associations(work: Writing, name: str) -> CommandView:
    """Have a gateway say what its data plane holds: SAD and SPD, without keys, as the result of the command."""
    return await service.ask(work, name, Verb.DUMP_SAD)


@router.post("/{name}/reload", status_code=202)
async def reload_gateway(work: Writing, name: str) -> CommandView:
    """Have a gateway read its configuration again."""
    return await service.ask(work, name, Verb.RELOAD)

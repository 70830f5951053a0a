"""``/api/v1/gateways``: which there are, how they are, and what their data planes hold (SAD and SPD)."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Reading, Writing
from appliance.commands.schemas import CommandView
from appliance.gateways import service
from appliance.gateways.schemas import (
    Held,
    SecurityAssociationFilter,
    SecurityAssociationView,
    SecurityPolicyFilter,
    SecurityPolicyView,
)
from appliance.models import Verb
from appliance.schema import Page, Paging
from appliance.system.schemas import NodeView

router = Noun("gateways")


class _WantedAssociations(SecurityAssociationFilter, Paging):
    """Filter and page together, as query parameters."""


class _WantedPolicies(SecurityPolicyFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_gateways(work: Reading, paging: Annotated[Paging, Query()]) -> Page[NodeView]:
    """List gateways by name."""
    return await service.page(work, paging)


@router.get("/{name}")
async def show_gateway(work: Reading, name: str) -> NodeView:
    """Show one gateway."""
    return await service.show(work, name)


@router.post("/{name}/security-associations", status_code=202)
async def dump_security_associations(work: Writing, name: str) -> CommandView:
    """Have a gateway say what its data plane holds now: SAD and SPD, without keys.

    When the command is done they are its result, and what the two lists below show.
    """
    return await service.ask(work, name, Verb.DUMP_SAD)


@router.get("/{name}/security-associations")
async def list_security_associations(
    work: Reading, name: str, wanted: Annotated[_WantedAssociations, Query()]
) -> Held[SecurityAssociationView]:
    """List the SAs that a gateway's data plane held when it was last asked (SAD)."""
    return await service.security_associations(work, name, wanted, wanted)


@router.get("/{name}/security-policies")
async def list_security_policies(
    work: Reading, name: str, wanted: Annotated[_WantedPolicies, Query()]
) -> Held[SecurityPolicyView]:
    """List the policies that a gateway's data plane held when it was last asked (SPD)."""
    return await service.security_policies(work, name, wanted, wanted)


@router.post("/{name}/reload", status_code=202)
async def reload_gateway(work: Writing, name: str) -> CommandView:
    """Have a gateway read its configuration again."""
    return await service.ask(work, name, Verb.RELOAD)

"""``/api/v1/policy``: what is said for everybody, and ``/api/v1/users/{name}/policy``: what counts for one user."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Reading, Writing
from appliance.configuration.rehearsal import RehearsedRoute
from appliance.policy import service
from appliance.policy.attributes import AccessPolicy
from appliance.policy.schemas import BasePolicyView, EffectiveView, PolicyQuestion

router = Noun("policy", route=RehearsedRoute)
of_users = Noun("users", tag="policy")


@router.get("")
async def show_base_policy(work: Reading) -> BasePolicyView:
    """Show what is said for everybody."""
    return await service.show_base(work)


@router.put("")
async def define_base_policy(work: Writing, wanted: AccessPolicy) -> BasePolicyView:
    """Have this said for everybody, and nothing else. What is so already changes nothing."""
    return await service.change_base(work, wanted, whole=True)


@router.patch("")
async def change_base_policy(work: Writing, change: AccessPolicy) -> BasePolicyView:
    """Change what is given; null says nothing any more."""
    return await service.change_base(work, change)


@of_users.get("/{name}/policy")
async def show_effective_policy(
    work: Reading, name: str, question: Annotated[PolicyQuestion, Query()]
) -> EffectiveView:
    """Show what counts for a user, and where each value comes from."""
    return await service.effective(work, name, question)

"""Reads the levels of policy from the rows that hold them."""

from collections.abc import Sequence
from typing import Final

from appliance.models import BasePolicy, Group, Pool, Profile
from appliance.policy.attributes import NOTHING_SAID, AccessPolicy
from appliance.policy.effective import Policies

_OF_POOLS: Final = (
    "dns",
    "wins",
    "domain",
    "split_include",
    "split_exclude",
    "split_dns",
    "banner",
    "save_password",
    "reachable",
)


def policies(
    base: BasePolicy | None, groups: Sequence[Group], pools: Sequence[Pool], profiles: Sequence[Profile]
) -> Policies:
    """Give all that is said for more than one user.

    Args:
        base: The row of the base policy.
        groups: All groups.
        pools: All pools, the oldest first: profiles without one of their own use it.
        profiles: All profiles.
    """
    oldest = pools[0].name if pools else None
    names = {pool.id: pool.name for pool in pools}
    return Policies(
        base=said(base),
        groups={group.name: said(group) for group in groups},
        pools={
            pool.name: AccessPolicy.model_construct(**{name: getattr(pool, name) for name in _OF_POOLS})
            for pool in pools
        },
        profiles={
            profile.name: AccessPolicy(
                pool=oldest if profile.pool_id is None else names.get(profile.pool_id),
                reauthenticate_on_rekey=profile.reauthenticate_on_rekey,
            )
            for profile in profiles
        },
    )


def said(row: BasePolicy | Group | None) -> AccessPolicy:
    """Give what a row says."""
    return AccessPolicy.model_validate(row.policy) if row is not None and row.policy else NOTHING_SAID

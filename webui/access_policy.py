"""What one level of policy says, as a form: an empty field says nothing, and a weaker level counts."""

from collections.abc import Iterable
from typing import Any

from starlette.datastructures import FormData

from appliance.installation import Transaction
from appliance.policy.attributes import AccessPolicy
from appliance.pools import service as pools
from webui.forms import NO_ITEMS, read
from webui.schema_fields import Described, describe


async def fields_of(work: Transaction, *, unsaid: str, leave_out: Iterable[str] = ()) -> list[Described]:
    """Describe the form.

    Args:
        work: A transaction.
        unsaid: What counts when a field is left open, in words.
        leave_out: Attributes that cannot be said at this level.
    """
    names = [pool.name for pool in (await pools.page(work)).items]
    return describe(AccessPolicy, leave_out=leave_out, choices={"pool": names}, unsaid=unsaid)


def read_policy(sent: FormData) -> AccessPolicy:
    """Read what the form says.

    Raises:
        pydantic.ValidationError: it cannot be.
    """
    return read(sent, AccessPolicy)


def said(policy: AccessPolicy) -> dict[str, Any]:
    """Give what stands in the form."""
    return {
        name: (NO_ITEMS,) if value == () else str(value).lower() if isinstance(value, bool) else value
        for name, value in policy.said().items()
    }

"""What one level of policy says, as a form: an empty field says nothing, and a weaker level counts."""

from collections.abc import Iterable
from typing import Any, Final

from starlette.datastructures import FormData

from appliance.installation import Transaction
from appliance.policy.attributes import AccessPolicy
from appliance.pools import service as pools
from webui.forms import NO_ITEMS, read
from webui.schema_fields import Part, describe, parted

_PARTS: Final = (
    ("What they may reach", ("reachable", "routes")),
    (
        "Their address, and what they are told",
        ("pool", "address", "netmask", "dns", "wins", "domain", "banner"),
    ),
    ("What goes through the tunnel", ("split_include", "split_exclude", "split_dns")),
    (
        "When, how long, how often and how much",
        (
            *("access_hours", "session_limit_seconds", "idle_limit_seconds"),
            *("simultaneous_sessions", "when_too_many", "quota_octets", "quota_period"),
        ),
    ),
    ("How they log in", ("second_factor", "reauthenticate_on_rekey", "save_password")),
)


async def parts_of(work: Transaction, *, unsaid: str, leave_out: Iterable[str] = ()) -> list[Part]:
    """Describe the form, its fields by what they are about.

    Args:
        work: A transaction.
        unsaid: What counts when a field is left open, in words.
        leave_out: Attributes that cannot be said at this level.
    """
    names = [pool.name for pool in (await pools.page(work)).items]
    fields = describe(AccessPolicy, leave_out=leave_out, choices={"pool": names}, unsaid=unsaid)
    return parted(fields, [(legend, under.__contains__) for legend, under in _PARTS])


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

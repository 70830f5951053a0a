"""What differs between two states of a thing, field by field."""

from collections.abc import Iterator, Mapping
from typing import Any

from appliance.audit.schemas import FieldChange


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[FieldChange]:
    """Compare two states as the API shows them; ``None``: it was not there."""
    old, new = dict(_flat(before or {})), dict(_flat(after or {}))
    return [
        FieldChange(field=field, before=old.get(field), after=new.get(field))
        for field in dict.fromkeys((*old, *new))
        if old.get(field) != new.get(field)
    ]


def _flat(state: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in state.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value

"""How values, and what is wrong with them, read to people: on the command line, on the panel, in the API's problems."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic_core import ErrorDetails

FEW: Final = 3
"""So many of many are named."""

_MISTAKES: Final = {
    "extra_forbidden": "there is no such field",
    "missing": "this is needed",
    "json_invalid": "this is not JSON",
    **dict.fromkeys(("string_type", "string_unicode"), "write a text"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "write true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "write a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "write a number"),
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid"),
        "write a moment like this: 2026-01-31T08:00:00Z",
    ),
    "timezone_aware": "say the time zone as well, for example 2026-01-31T08:00:00Z",
    "ip_v4_address": "write an address, for example 192.0.2.1",
    "ip_v4_network": "write a network, for example 192.0.2.0/24",
    **dict.fromkeys(("tuple_type", "list_type", "set_type"), "write a list: [...]"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "write an object: {...}"),
}
"""By pydantic's names of kinds of errors, where its own words are those of a programming language."""


def mistake(error: ErrorDetails) -> str:
    """Say what is wrong with a value.

    Args:
        error: One of ``ValidationError.errors()``.
    """
    about = error.get("ctx", {})
    match error["type"]:
        case "union_tag_invalid":
            return f"{about['discriminator'].strip(chr(39))} is one of {about['expected_tags']}"
        case "greater_than_equal":
            return f"at least {about['ge']}"
        case "less_than_equal":
            return f"at most {about['le']}"
        case "too_short":
            return f"at least {about['min_length']} must be given"
        case "too_long":
            return f"at most {about['max_length']} may be given"
        case kind:
            return _MISTAKES.get(kind) or str(error["msg"]).removeprefix("Value error, ")


def text(value: object) -> str:
    """Give a value as people read it."""
    match value:
        case None | "" | ():
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        case list() | tuple():
            return ", ".join(map(text, value))
        case _:
            return str(getattr(value, "value", value))


def counted(number: int, noun: str) -> str:
    """Say how many there are: ``1 session``, ``2 sessions``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def first_few(names: Sequence[str], number: int) -> str:
    """Name the first ``FEW`` of many: ``alice, bob, carol and 9 more``.

    Args:
        names: Those, or all of them.
        number: How many there are.
    """
    if not names:
        return f"all {number}"
    return ", ".join(names[:FEW]) + (f" and {number - FEW} more" if number > FEW else "")


def with_remedy(words: object, remedy: str) -> str:
    """Say what is wrong, and what to do about it where there is something to do."""
    return f"{words}; {remedy}" if remedy else str(words)


def octets(number: int) -> str:
    """Give a number of octets in SI units."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"

"""What one level of policy says, as a form and in words: an empty field says nothing, and a weaker level counts."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from starlette.datastructures import FormData

from appliance.errors import Invalid
from appliance.installation import Transaction
from appliance.policy.attributes import AccessPolicy
from appliance.policy.effective import BASE, DEFAULT
from appliance.policy.schemas import EffectiveView
from appliance.pools import service as pools
from appliance.wording import text
from webui.forms import NO_ITEMS, read
from webui.schema_fields import Described, Part, describe, parted

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
    ("What accounting is told", ("interim_interval_seconds",)),
)

SPAN: Final = "span"
OCTETS: Final = "octets"

_UNITS: Final[Mapping[str, tuple[tuple[str, int], ...]]] = {
    SPAN: (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)),
    OCTETS: (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("B", 1)),
}
_EXAMPLES: Final = {SPAN: "8 h or 1 h 30 min", OCTETS: "20 GB"}
_PIECE: Final = re.compile(r"(\d+)\s*([a-z]+)", re.IGNORECASE)
_YES: Final = {"true": "yes", "false": "no"}


@dataclass(frozen=True, slots=True)
class _Attribute:
    """How an attribute reads.

    Attributes:
        nothing: What an empty value or 0 means.
        unit: ``SPAN`` or ``OCTETS``: a number that is typed and shown in units.
        choices: Words of the values that it can have.
    """

    label: str
    help: str = ""
    nothing: str = "none"
    unit: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)


_LIMIT: Final = "no limit"
_EACH: Final = "One a line."
_OR_NONE: Final = f"{_EACH} The word {NO_ITEMS}:"
_ATTRIBUTES: Final[Mapping[str, _Attribute]] = {
    "reachable": _Attribute("Networks they may reach", f"{_EACH} What goes anywhere else is dropped."),
    "routes": _Attribute(
        "Networks behind the client",
        f"For a client that is a router, as in a branch office: it may carry these besides its own address. "
        f"{_OR_NONE} only its own.",
    ),
    "pool": _Attribute("Address pool", "Where their address is taken from.", "the oldest"),
    "address": _Attribute("Fixed address", "This user always gets it, and nobody else does.", "from the pool"),
    "netmask": _Attribute("Netmask that the client is told", "Clients expect 255.255.255.255."),
    "dns": _Attribute("DNS servers", f"{_OR_NONE} clients keep their own."),
    "wins": _Attribute("WINS servers", f"For very old Windows. {_OR_NONE} they are told of none."),
    "domain": _Attribute("DNS domain", "Short names are looked up in it, for example: office.example.net."),
    "banner": _Attribute("Message after the login", "Clients show it once somebody is connected."),
    "split_include": _Attribute(
        "Only these networks through the tunnel",
        f"The rest goes out where the client is. {_OR_NONE} everything goes through the tunnel.",
        "everything",
    ),
    "split_exclude": _Attribute(
        "All but these networks through the tunnel",
        f"For example the printer at home. {_OR_NONE} nothing is left out.",
    ),
    "split_dns": _Attribute(
        "Domains that our DNS servers are asked about",
        f"When not everything goes through the tunnel. {_OR_NONE} the client asks as it likes.",
    ),
    "save_password": _Attribute("The client may keep the password", choices=_YES),
    "session_limit_seconds": _Attribute(
        "Longest session", "For example 8 h; 0: no limit. Then it ends, and they log in again.", _LIMIT, SPAN
    ),
    "idle_limit_seconds": _Attribute(
        "Longest silence",
        "For example 30 min; 0: no limit. A client that sends nothing for so long is disconnected.",
        _LIMIT,
        SPAN,
    ),
    "simultaneous_sessions": _Attribute("Sessions at the same time", "At most so many; 0: no limit.", _LIMIT),
    "when_too_many": _Attribute(
        "When they have as many as they may",
        choices={"refuse": "refuse the new login", "replace": "end the oldest session"},
    ),
    "access_hours": _Attribute(
        "When they may be connected",
        "For example: Mon-Fri 08:00-18:00, Sat 09:00-12:00 Europe/Berlin; or: always. Sessions end with the hours.",
    ),
    "quota_octets": _Attribute(
        "Traffic quota", "For example 20 GB, both directions together; 0: no limit.", _LIMIT, OCTETS
    ),
    "quota_period": _Attribute(
        "The quota begins anew", choices={"day": "every day", "week": "every week", "month": "every month"}
    ),
    "reauthenticate_on_rekey": _Attribute(
        "Login is asked for again when the client renews its keys (IKE phase 1)", choices=_YES
    ),
    "second_factor": _Attribute(
        "One-time code",
        choices={"off": "never asked for", "enrolled": "from who has enrolled an app", "required": "from everybody"},
    ),
    "interim_interval_seconds": _Attribute(
        "Totals of a running session",
        "How often, for example every 10 min; 0: only at its end.",
        "only at the end",
        SPAN,
    ),
}


def label(attribute: str) -> str:
    """Give what an attribute is called."""
    return _ATTRIBUTES[attribute].label if attribute in _ATTRIBUTES else attribute.replace("_", " ")


def value(said: Any, attribute: str) -> str:  # noqa: ANN401  values of all kinds
    """Give what is said of an attribute in words."""
    known = _ATTRIBUTES.get(attribute)
    if known is None:
        return text(said)
    if known.choices:
        return known.choices.get(_typed(said), text(said))
    if not said:
        return known.nothing
    if attribute == "reachable" and [*map(str, said)] == ["0.0.0.0/0"]:
        return "everything"
    return in_units(text(said), known.unit) if known.unit else text(said)


def in_units(typed: str, unit: str) -> str:
    """Give a number as people write it, exactly: ``28800`` is ``8 h``; what is none stays as it is.

    Args:
        typed: The number.
        unit: ``SPAN`` or ``OCTETS``.
    """
    if not typed.isdecimal() or not int(typed):
        return typed
    left, pieces = int(typed), []
    if unit == OCTETS:
        name, size = next((name, size) for name, size in _UNITS[unit] if left % size == 0)
        return f"{left // size} {name}"
    for name, size in _UNITS[unit]:
        count, left = divmod(left, size)
        pieces += [f"{count} {name}"] if count else []
    return " ".join(pieces)


def in_numbers(sent: FormData) -> FormData:
    """Give a form with numbers where somebody wrote ``8 h`` or ``20 GB``; what cannot be read stays as it is."""
    units = {name: each.unit for name, each in _ATTRIBUTES.items() if each.unit}
    return FormData(
        [
            (name, _number(typed, units[name]) if name in units and isinstance(typed, str) else typed)
            for name, typed in sent.multi_items()
        ]
    )


def _number(typed: str, unit: str) -> str:
    sizes = {name.lower(): size for name, size in _UNITS[unit]}
    pieces = _PIECE.findall(typed)
    if _PIECE.sub("", typed).strip() or not pieces or any(name.lower() not in sizes for _, name in pieces):
        return typed
    return str(sum(int(count) * sizes[name.lower()] for count, name in pieces))


async def parts_of(work: Transaction, *, beneath: EffectiveView, leave_out: Iterable[str] = ()) -> list[Part]:
    """Describe the form, its fields by what they are about; a field that is left open shows what counts then.

    Args:
        work: A transaction.
        beneath: What weaker levels say, from ``appliance.policy.service``.
        leave_out: Attributes that cannot be said at this level.
    """
    names = [pool.name for pool in (await pools.page(work)).items]
    counts = {
        each.attribute: f"{_source(each.level, beneath)}: {value(each.value, each.attribute)}"
        for each in beneath.values
    }
    fields = [
        _in_words(each, counts[each.name])
        for each in describe(AccessPolicy, leave_out=leave_out, choices={"pool": names})
    ]
    return parted(fields, [(legend, under.__contains__) for legend, under in _PARTS])


def _source(level: str, beneath: EffectiveView) -> str:
    if level == DEFAULT:
        return f"by profile {beneath.profile}" if beneath.profile else "by itself"
    return "for everybody" if level == BASE else f"by {level}"


def _in_words(described: Described, unsaid: str) -> Described:
    known = _ATTRIBUTES[described.name]
    words = {**known.choices, "": unsaid}
    choices = tuple((choice, words.get(choice, choice)) for choice, _ in described.choices)
    return replace(
        described,
        label=known.label,
        help=known.help,
        choices=choices,
        kind=known.unit or described.kind,
        unsaid=unsaid,
    )


def read_policy(sent: FormData) -> AccessPolicy:
    """Read what the form says.

    Args:
        sent: From ``in_numbers``.

    Raises:
        pydantic.ValidationError: it cannot be.
        Invalid: a number with a unit is none.
    """
    for name, known in _ATTRIBUTES.items():
        typed = str(sent.get(name, "")).strip()
        if known.unit and typed and not typed.isdecimal():
            raise Invalid(f"{typed} cannot be read", field=name, remedy=f"write it like this: {_EXAMPLES[known.unit]}")
    return read(sent, AccessPolicy)


def said(level: AccessPolicy) -> dict[str, Any]:
    """Give what stands in the form."""
    return {name: (NO_ITEMS,) if each == () else _typed(each) for name, each in level.said().items()}


def _typed(each: Any) -> Any:  # noqa: ANN401  values of all kinds
    return str(each).lower() if isinstance(each, bool) else getattr(each, "value", each)

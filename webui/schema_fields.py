"""The fields of a schema as a form shows them, for nouns whose settings grow: realms, policy, runtime settings."""

import enum
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from webui.forms import NO_ITEMS, kind_of

_SPELT: Final = {word.lower(): word for word in ("NAS", "CoA", "IP", "DNS", "WINS", "OIDC", "API", "ID")}
_YES_OR_NO: Final = (("true", "yes"), ("false", "no"))


@dataclass(frozen=True, slots=True)
class Described:
    """One field.

    Attributes:
        kind: ``text``, ``number``, ``secret``, ``lines``, ``box``, ``choice``, or the unit that a number is typed in.
        choices: Value and words of each, for ``choice``.
        unsaid: What counts when the field is left open.
    """

    name: str
    label: str
    kind: str
    help: str
    required: bool
    choices: tuple[tuple[str, str], ...] = ()
    unsaid: str = ""


Part = tuple[str, list[Described]]


def describe(
    schema: type[BaseModel],
    *,
    leave_out: Iterable[str] = (),
    choices: Mapping[str, Iterable[str]] = types.MappingProxyType({}),
    unsaid: str = "",
    labels: Mapping[str, str] = types.MappingProxyType({}),
) -> list[Described]:
    """Describe the fields of a schema in the order in which it has them.

    Args:
        schema: What the form is read into.
        leave_out: Names of fields that the form has otherwise.
        choices: What may be chosen for fields that name other things.
        unsaid: The words for a choice that is left open.
        labels: What fields are called whose names tell too little.
    """
    left_out = set(leave_out)
    return [
        _describe(name, field, choices.get(name), unsaid, labels.get(name, _label(name)))
        for name, field in schema.model_fields.items()
        if name not in left_out
    ]


def parted(fields: Iterable[Described], parts: Iterable[tuple[str, Callable[[str], bool]]]) -> list[Part]:
    """Put fields under legends, in the order of both; what fits under none comes last.

    Args:
        fields: From ``describe``.
        parts: A legend, and which names are under it.
    """
    left = list(fields)
    found = []
    for legend, belongs in parts:
        found.append((legend, [field for field in left if belongs(field.name)]))
        left = [field for field in left if not belongs(field.name)]
    return [(legend, shown) for legend, shown in [*found, ("Other", left)] if shown]


def _describe(name: str, field: FieldInfo, named: Iterable[str] | None, unsaid: str, label: str) -> Described:
    kind, optional = kind_of(field.annotation)
    help_text = (field.description or "").replace("null:", "empty:").replace("null for", "empty for")
    open_choice = (("", unsaid),) if optional else ()
    chosen: tuple[tuple[str, str], ...] = ()
    shown = "text"
    if named is not None:
        shown, chosen = "choice", (*open_choice, *((each, each) for each in named))
    elif kind is bool:
        shown, chosen = ("choice", (*open_choice, *_YES_OR_NO)) if optional else ("box", ())
    elif isinstance(kind, type) and issubclass(kind, enum.StrEnum):
        shown, chosen = "choice", (*open_choice, *((each.value, each.value) for each in kind))
    elif get_origin(kind) is tuple:
        shown = "lines"
        help_text += f" One a line{f'; the word {NO_ITEMS} says that there is none' if optional else ''}."
    elif get_origin(kind) is dict:
        shown = "lines"
        help_text += " One a line, for example: vpn-admins = owner."
    elif kind in (int, float):
        shown = "number"
    elif kind is SecretStr:
        shown = "secret"
    return Described(name, label, shown, help_text, field.is_required(), chosen)


def _label(name: str) -> str:
    words = name.removesuffix("_seconds").replace("_", " ")
    unit = " (seconds)" if name.endswith("_seconds") else ""
    spelt = " ".join(_SPELT.get(word, word) for word in words.split())
    return f"{spelt[0].upper()}{spelt[1:]}{unit}"

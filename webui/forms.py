"""Forms: from what a browser sends to what a service takes, and back to the form when that refuses it.

A refused form comes back as it was filled in with the field marked; secrets are not sent back.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from starlette.datastructures import FormData

from appliance.errors import ApplianceError
from appliance.wording import text

Refused: Final = (ApplianceError, ValidationError)

S = TypeVar("S", bound=BaseModel)

_LINES: Final = re.compile(r"[\n,]+")
_WORDS: Final = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in a form, and what is wrong with it.

    Attributes:
        values: By field; lists as they are.
        wrong: What is wrong, by field; ``""`` is the form as a whole.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def refused(cls, form: FormData, error: Exception) -> "Form":
        """Give the form as it was sent, marked."""
        values: dict[str, Any] = {}
        for name in form:
            sent = [value for value in form.getlist(name) if isinstance(value, str)]
            values[name] = sent[0] if len(sent) == 1 else tuple(sent)
        return cls(values, wrong(error))

    def text(self, name: str) -> str:
        """Give what stands in an input."""
        value = self.values.get(name)
        if value is None or isinstance(value, SecretStr):
            return ""
        if isinstance(value, bool):
            return "true" if value else ""
        if isinstance(value, tuple | list):
            return "\n".join(map(text, value))
        return str(getattr(value, "value", value))

    def has(self, name: str, choice: object) -> bool:
        """Tell whether a choice is taken, among several or as the only one."""
        return str(getattr(choice, "value", choice)) in self.text(name).split("\n")

    def checked(self, name: str) -> bool:
        """Tell whether a box is checked."""
        return self.text(name) not in ("", "false")


def wrong(error: Exception) -> dict[str, str]:
    """Give what is wrong by field, in words."""
    if isinstance(error, ApplianceError):
        return {error.field: f"{error}{f'; {error.remedy}' if error.remedy else ''}"}
    if isinstance(error, ValidationError):
        return {
            str(each["loc"][0] if each["loc"] else ""): each["msg"].removeprefix("Value error, ")
            for each in error.errors()
        }
    raise error


def read(form: FormData, schema: type[S], *fields: str) -> S:
    """Read a schema's fields from a form: lists by line, comma or box, an unchecked box as no.

    Args:
        form: What the browser sent.
        schema: What the service takes.
        fields: Those that the form has; none: all. The others stay unset.

    Raises:
        ValidationError: it does not fit.
    """
    values = {}
    for name, described in schema.model_fields.items():
        if fields and name not in fields:
            continue
        sent = [value for value in form.getlist(name) if isinstance(value, str)]
        kind = _plain(described.annotation)
        if kind is bool:
            values[name] = bool(sent) and sent[-1] not in ("", "false")
        elif get_origin(kind) is tuple:
            item = get_args(kind)[0]
            values[name] = [piece.strip() for each in sent for piece in _separator(item).split(each) if piece.strip()]  # type: ignore[assignment]
        elif sent and sent[0].strip():
            values[name] = sent[0].replace("\r\n", "\n")  # type: ignore[assignment]
        elif described.annotation is not kind:  # it may be none
            values[name] = None  # type: ignore[assignment]
        elif sent:
            values[name] = ""  # type: ignore[assignment]
    return schema.model_validate(values)


def _separator(item: object) -> re.Pattern[str]:
    return _LINES if item is str else _WORDS


def _plain(annotation: object) -> object:
    """Give the kind of a value that may be none."""
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    if len(kinds) == 1 and type(None) in get_args(annotation):
        return kinds[0]
    return annotation

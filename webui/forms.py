"""Forms: from what a browser sends to what a service takes, and back to the form when that refuses it.

A refused form comes back as it was filled in with the field marked; secrets are not sent back.
"""

import base64
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, SecretStr, ValidationError
from starlette.datastructures import FormData, UploadFile

from appliance.errors import ApplianceError, Invalid
from appliance.wording import mistake, text, with_remedy
from webui import zone

Refused: Final = (ApplianceError, ValidationError)

S = TypeVar("S", bound=BaseModel)

NO_ITEMS: Final = "none"

_PRIVATE: Final = "PRIVATE KEY-----"
_NO_ZONE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?")
_MOMENT: Final = re.compile(rf"{_NO_ZONE.pattern}(Z|[+-]\d\d:\d\d)")
_WHOLE_MINUTE: Final = re.compile(r"(T\d\d:\d\d):00(\.0+)?")
_LINES: Final = re.compile(r"[\n,]+")
_WORDS: Final = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """A field that somebody else changed since the form was opened.

    Attributes:
        was: What the form was opened with.
        now: What it is now.
        untouched: Whether it stands in the form as it was.
    """

    field: str
    was: Any
    now: Any
    who: str
    at: datetime
    untouched: bool


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in a form, and what is wrong with it.

    Attributes:
        values: By field; lists as they are.
        wrong: What is wrong, by field; ``""`` is the form as a whole.
        meanwhile: What somebody else changed since it was opened.
        fixed: It is only to be looked at.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    meanwhile: tuple[Meanwhile, ...] = ()
    fixed: bool = False

    @classmethod
    def refused(cls, form: FormData, error: Exception) -> "Form":
        """Give the form as it was sent, marked."""
        return cls(cls.kept(form).values, wrong(error))

    @classmethod
    def kept(cls, form: FormData) -> "Form":
        """Give the form as it was sent."""
        values: dict[str, Any] = {}
        for name in form:
            sent = [value for value in form.getlist(name) if isinstance(value, str) and _PRIVATE not in value]
            values[name] = sent[0] if len(sent) == 1 else tuple(sent)
        return cls(values)

    def unless(self, allowed: bool) -> "Form":
        """Give the form to be looked at only, unless whoever sees it may send it."""
        return self if allowed else replace(self, fixed=True)

    def text(self, name: str) -> str:
        """Give what stands in an input."""
        value = self.values.get(name)
        if value is None or isinstance(value, SecretStr):
            return ""
        if isinstance(value, bool):
            return "true" if value else ""
        if isinstance(value, float):
            return f"{value:g}"
        if isinstance(value, Mapping):
            return "\n".join(f"{key} = {text(each)}" for key, each in value.items())
        if isinstance(value, tuple | list):
            return "\n".join(map(text, value))
        return str(getattr(value, "value", value))

    def has(self, name: str, choice: object) -> bool:
        """Tell whether a choice is taken, among several or as the only one."""
        return str(getattr(choice, "value", choice)) in self.text(name).split("\n")

    def stands(self, name: str, value: object) -> bool:
        """Tell whether a field holds this value, whichever way a browser sends it."""
        return _same(self.text(name)) == _same(Form({name: value}).text(name))

    def checked(self, name: str) -> bool:
        """Tell whether a box is checked."""
        return self.text(name) not in ("", "false")


def _same(text: str) -> str:
    same = text.replace("\r\n", "\n").strip()
    if _MOMENT.fullmatch(same):
        same = f"{zone.local(datetime.fromisoformat(same)):%Y-%m-%dT%H:%M:%S}"
    return _WHOLE_MINUTE.sub(r"\1", same).replace("false", "")


def _meant(typed: str) -> str:
    """What browsers send knows no zone: it is the reader's."""
    try:
        return zone.meant(typed)
    except (ValueError, OverflowError):
        return typed  # the schema says what is wrong with it


def wrong(error: Exception) -> dict[str, str]:
    """Give what is wrong by field, in words."""
    if isinstance(error, ApplianceError):
        return {error.field: with_remedy(error, error.remedy)}
    if isinstance(error, ValidationError):
        return {str(each["loc"][0] if each["loc"] else ""): mistake(each) for each in error.errors()}
    raise error


def read(form: FormData, schema: type[S], *fields: str) -> S:
    """Read a schema's fields from a form: lists by line, comma or box, an unchecked box as no.

    What the form did not show stays unset, and so does what was changed by somebody else and is to stay so
    (``theirs``). Browsers send nothing for a box that is not checked, so forms name
    the boxes that they have in ``shown`` (``macros.html`` does).

    Args:
        form: What the browser sent.
        schema: What the service takes.
        fields: Those that are wanted; none: all that the form has.

    Raises:
        ValidationError: it does not fit.
        Invalid: a field has a character that no database keeps.
    """
    shown = {*form, *form.getlist("shown")} - {*form.getlist("theirs")}
    values: dict[str, Any] = {}
    for name, described in schema.model_fields.items():
        if (not fields or name in fields) and name in shown:
            sent = [value for value in form.getlist(name) if isinstance(value, str)]
            if any("\0" in value for value in sent):  # SQLite would keep it, and PostgreSQL refuse it
                raise Invalid("has the character NUL, which nothing here has", field=name, remedy="type it anew")
            values[name] = _value(sent, *kind_of(described.annotation))
    return schema.model_validate(values)


async def with_file(form: FormData, name: str = "content") -> FormData:
    """Give a form in which a field holds, in base64, the file that was chosen, or else the text that was pasted.

    Args:
        form: As the browser sent it, with an input for a file and one for text under the same name.
        name: Of the field.
    """
    octets = b""
    for value in form.getlist(name):
        octets = octets or (await value.read() if isinstance(value, UploadFile) else value.strip().encode())
        if isinstance(value, UploadFile):
            await value.close()
    rest = [(key, value) for key, value in form.multi_items() if key != name]
    return FormData([*rest, (name, base64.b64encode(octets).decode())])


def kind_of(annotation: Any) -> tuple[Any, bool]:  # noqa: ANN401  types of all kinds
    """Give what a field holds, and whether it may hold nothing."""
    optional = False
    while True:
        if get_origin(annotation) in (Union, types.UnionType):
            kinds = [each for each in get_args(annotation) if each is not type(None)]
            optional = optional or len(kinds) < len(get_args(annotation))
            annotation = kinds[0]
        elif hasattr(annotation, "__metadata__"):
            annotation = get_args(annotation)[0]
        else:
            return annotation, optional


def _value(sent: list[str], kind: object, optional: bool) -> object:
    if get_origin(kind) is tuple:
        separator = _LINES if get_args(kind)[0] is str else _WORDS
        pieces = [piece.strip() for each in sent for piece in separator.split(each) if piece.strip()]
        # Where a list may be left unsaid, a word says that it is empty.
        return ([] if pieces == [NO_ITEMS] else pieces or None) if optional else pieces
    if get_origin(kind) is dict:
        pairs = [piece.strip().partition("=") for each in sent for piece in _LINES.split(each) if piece.strip()]
        return {name.strip(): value.strip() for name, _, value in pairs}
    if kind is bool and not optional:
        return bool(sent) and sent[-1] not in ("", "false")
    if kind in (datetime, AwareDatetime) and sent and _NO_ZONE.fullmatch(sent[0]):
        return _meant(sent[0])
    if sent and sent[0].strip():
        return sent[0].replace("\r\n", "\n")
    return None if optional else ""

"""The base of what goes in and out of services: validated values, one page of a list, its order, a thing's version."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Generic, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from appliance.errors import OutOfReach

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

LARGEST_PAGE = 1000


class Schema(BaseModel):
    """What goes in: unknown fields are refused, so that a misspelt one is not silently without effect.

    Attributes:
        happens: Fields that move without an edit (a use, a new CRL): no part of the thing's version.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, from_attributes=True)
    happens: ClassVar[frozenset[str]] = frozenset()


class Filter(Schema):
    """Which things are wanted; its ``sort``, if it has one, says in which order."""

    model_config = ConfigDict(frozen=True)


class Paging(Filter):
    """Which part of a list is wanted."""

    limit: Annotated[int, Field(ge=1, le=LARGEST_PAGE, description="At most so many items.")] = 100
    offset: Annotated[int, Field(ge=0, le=2**31, description="Leave out so many from the beginning.")] = 0


EVERYTHING = Paging(limit=LARGEST_PAGE)


class Page(Schema, Generic[T]):
    """A part of a list."""

    items: list[T]
    total: Annotated[int, Field(description="How many there are in all.")]

    @classmethod
    def cut(cls, everything: Sequence[T], paging: Paging) -> Self:
        """Give the part that is wanted of a list that is short enough to be made whole."""
        return cls(items=list(everything[paging.offset :][: paging.limit]), total=len(everything))


def told(model: type[M], node: str, what: Mapping[str, Any]) -> M:
    """Read what a gateway told, which may be of another version: what is not known of it is left out.

    Raises:
        OutOfReach: something is missing in it.
    """
    try:
        return model.model_validate(what, extra="ignore")
    except ValidationError:
        raise OutOfReach(f"gateway {node} is of another version", remedy="update and restart it") from None


def _written(moment: object) -> object:
    # Seconds since 1970 are easily mistaken for something else.
    if isinstance(moment, int | float) or (isinstance(moment, str) and not _DATE.match(moment)):
        raise ValueError("write a moment like this: 2026-01-31T08:00:00Z")
    return moment


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("this moment is out of reach") from None


_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]")
Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
Since = Annotated[Moment | None, Field(description="Only from this moment on, for example 2026-01-31T08:00:00Z.")]
Until = Annotated[Moment | None, Field(description="Only before this moment.")]


def _as_typed(password: object, judge: ValidatorFunctionWrapHandler) -> object:
    if not isinstance(password, str):
        return judge(password)
    try:
        password.encode()
    except UnicodeEncodeError:
        raise ValueError("this is not text") from None
    return SecretStr(password)


Password = Annotated[SecretStr, WrapValidator(_as_typed)]
"""A password or passphrase with the blanks at its ends: a VPN client and the next form send them, too."""


class SortableBy:
    """Marks a filter's ``sort``: names of columns, the foremost first, ``-`` before one turns it round.

    ``sort: Annotated[str, SortableBy("started_at", "user")] = "-started_at"``
    """

    def __init__(self, *fields: str) -> None:
        self.fields: Final = fields

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        return core_schema.no_info_after_validator_function(self._known, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        field = f"-?({'|'.join(self.fields)})"
        return handler(schema) | {
            "pattern": f"^{field}(,{field})*$",
            "description": f"Order, for example {self.fields[0]} or -{self.fields[-1]},{self.fields[0]}; "
            f"by {', '.join(self.fields)}.",
        }

    def _known(self, sort: str) -> str:
        for word in sort.split(","):
            if word.removeprefix("-") not in self.fields:
                raise ValueError(
                    f"cannot sort by {word!r}; write some of {', '.join(self.fields)}, - before it to turn"
                )
        return sort


def version(shown: Schema) -> str:
    """Give the version of a thing as a weak entity tag (RFC 9110 section 8.8.3).

    It is weak because what others do to a thing (log in as it, take an address of it) is shown along with it
    and is no new version of it: ``changed_at`` counts where there is one, elsewhere all but what happens.

    Args:
        shown: The thing as the API shows it, without what is secret.
    """
    return version_of(type(shown), shown.model_dump(mode="json"))


def version_of(model: type[Schema], content: Mapping[str, Any]) -> str:
    """Give the version of a thing of which only the JSON is at hand."""
    edited = {name: value for name, value in content.items() if name not in model.happens}
    basis = content.get("changed_at") or json.dumps(edited, sort_keys=True)
    return f'W/"{hashlib.sha256(basis.encode()).hexdigest()[:20]}"'

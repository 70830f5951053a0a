"""Lists: which of the things, which part of them, and as a page or a file; all of it in the address."""

import csv
import io
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response

from appliance.api.attachment import attachment
from appliance.errors import Invalid
from appliance.schema import LARGEST_PAGE, Filter, Page, Paging
from appliance.wording import text
from webui import zone
from webui.rendering import pretty

F = TypeVar("F", bound=Filter)

PAGE_ITEMS: Final = 50
AT_ONCE: Final = 500
"""Of a deed to many, so many are done in one transaction: whoever else writes gets its turn between."""
_LARGEST_EXPORT: Final = 100_000
_HIGHEST_PAGE: Final = 1_000_000
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Listing(Generic[F]):
    """What of a list is wanted.

    Attributes:
        wanted: The filter.
        part: The page of it.
        format: ``csv`` or ``json`` for all of it as a file; empty: a page.
    """

    wanted: F
    part: Paging
    format: str

    @property
    def query(self) -> str:
        """The filter in the words of the API."""
        words = urlencode(self.wanted.model_dump(mode="json", exclude_defaults=True))
        return f"?{words}" if words else ""

    async def file(self, name: str, give: Callable[[Paging], Awaitable[Page[Any]]]) -> Response:
        """Give everything that the filter lets through as a file.

        Args:
            name: What the file is called, without its ending.
            give: Gives one part of the list.

        Raises:
            Invalid: there is no such format.
        """
        if self.format not in ("csv", "json"):
            raise Invalid(f"there is no format {self.format!r}", field="format", remedy="take csv or json")
        items: list[dict[str, Any]] = []
        while len(items) < _LARGEST_EXPORT:
            page = await give(Paging(limit=LARGEST_PAGE, offset=len(items)))
            items += [item.model_dump(mode="json") for item in page.items]
            if not page.items or len(items) >= page.total:
                break
        content, kind = (_csv(items), "text/csv") if self.format == "csv" else (pretty(items), "application/json")
        return attachment(f"{name}.{self.format}", kind, content)


def listing(schema: type[F]) -> Callable[[Request], Listing[F]]:
    """Give the dependency that reads a listing from the address; what it does not know there it leaves alone.

    Days stand for moments: ``since`` is from the beginning of one on, ``until`` to the end of one, in the reader's
    time zone.
    """

    def read(request: Request) -> Listing[F]:
        query = request.query_params
        number = query.get("page", "1")
        number_read = min(int(number), _HIGHEST_PAGE) if number.isascii() and number.isdecimal() else 1
        part = Paging(limit=PAGE_ITEMS, offset=max(number_read - 1, 0) * PAGE_ITEMS)
        wanted = {name: _moment(name, query[name]) for name in schema.model_fields if query.get(name)}
        return Listing(schema.model_validate(wanted), part, query.get("format", ""))

    return read


def _moment(name: str, typed: str) -> str:
    if name not in ("since", "until") or not _DAY.fullmatch(typed):
        return typed
    try:
        day = date.fromisoformat(typed) + timedelta(days=name == "until")
        return zone.meant(f"{day}T00:00:00")
    except (ValueError, OverflowError):
        return typed  # the schema says what is wrong with it


def in_words(wanted: Filter) -> str:
    """Say what a filter lets through: ``group “staff”, text “ali”``; empty: everything."""
    said = wanted.model_dump(exclude_defaults=True, exclude={"sort", "which"})
    return ", ".join(f"{name.replace('_', ' ')} “{text(value)}”" for name, value in said.items())


def of_all(whole: str, total: int, wanted: Filter) -> str:
    """Say that a deed is for all that a filter lets through, and what that says.

    Args:
        whole: What there is, in the plural.
        total: How many it lets through.
        wanted: The filter.
    """
    said = in_words(wanted)
    return f"All {total} {whole}{f' with {said}' if said else ''}"


class Everything(Filter):
    """The filter of lists that have none."""


def _csv(items: list[dict[str, Any]]) -> str:
    file = io.StringIO()
    if items:
        writer = csv.DictWriter(file, items[0])
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in item.items()} for item in items)
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    elif isinstance(value, dict):
        value = pretty(value)
    # What a client says of itself must not run as a formula when a spreadsheet opens the file.
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value

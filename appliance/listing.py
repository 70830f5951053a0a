"""One page of a table, for every noun's repository: what matches, in which order, and how many there are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, func, inspect, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from appliance.models import Base
from appliance.schema import Paging

Row = TypeVar("Row", bound=Base)
Condition = ColumnElement[bool]


async def page(
    session: AsyncSession, model: type[Row], matches: Sequence[Condition], sort: str, paging: Paging
) -> tuple[Sequence[Row], int]:
    """Give the rows of one page, and how many there are on all of them.

    Args:
        session: The transaction.
        model: The table.
        matches: What holds for every row that is wanted.
        sort: Names of columns that ``SortableBy`` let through; the key decides between equals.
        paging: Which part is wanted.
    """
    (key,), order = inspect(model).primary_key, _order(model, sort)
    # SQLite sorts what it selects: whole rows of thousands take four times as long as their keys.
    wanted = select(key).where(*matches).order_by(*order).limit(paging.limit).offset(paging.offset)
    rows = await session.scalars(select(model).where(key.in_(wanted)).order_by(*order))
    return rows.all(), await session.scalar(select(func.count()).select_from(model).where(*matches)) or 0


def containing(text: str, *columns: InstrumentedAttribute[Any]) -> list[Condition]:
    """Have ``text`` in one of the columns, in upper or lower case; an empty one is everywhere."""
    return [or_(*(column.icontains(text, autoescape=True) for column in columns))] if text else []


def equal(column: InstrumentedAttribute[Any], value: object) -> list[Condition]:
    """Have ``value`` in ``column``; ``None`` and an empty text ask for nothing."""
    return [] if value is None or value == "" else [column == value]


def login(column: InstrumentedAttribute[Any], name: str) -> list[Condition]:
    """Have the login ``name`` in ``column`` as somebody typed it: in any case, with or without a realm."""
    if not name:
        return []
    written, wanted = func.lower(column), name.strip().lower()
    with_realm = (written.startswith(f"{wanted}@", autoescape=True), written.endswith(f"\\{wanted}", autoescape=True))
    return [or_(written == wanted, *with_realm)]


def between(column: InstrumentedAttribute[Any], since: datetime | None, until: datetime | None) -> list[Condition]:
    """Have a moment in ``column`` that is not before ``since`` and is before ``until``; ``None`` sets no bound."""
    return [*([] if since is None else [column >= since]), *([] if until is None else [column < until])]


def _order(model: type[Base], sort: str) -> list[ColumnElement[Any]]:
    words = sort.split(",")
    keys = [column.key for column in inspect(model).primary_key]
    turned = "-" if words[0].startswith("-") else ""
    # What has no value comes last either way round, in both databases.
    return [
        (column.desc() if word.startswith("-") else column.asc()).nulls_last()
        for word in (*words, *(f"{turned}{key}" for key in keys))
        for column in (getattr(model, word.removeprefix("-")),)
    ]

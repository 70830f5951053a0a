"""The base of what goes in and out of services: validated values, one page of a list."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

LARGEST_PAGE = 1000


class Schema(BaseModel):
    """What goes in: unknown fields are refused, so that a misspelt one is not silently without effect."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, from_attributes=True)


class Paging(Schema):
    """Which part of a list is wanted."""

    limit: Annotated[int, Field(ge=1, le=LARGEST_PAGE, description="At most so many items.")] = 100
    offset: Annotated[int, Field(ge=0, le=2**31, description="Leave out so many from the beginning.")] = 0


EVERYTHING = Paging(limit=LARGEST_PAGE)


class Page(Schema, Generic[T]):
    """A part of a list."""

    items: list[T]
    total: Annotated[int, Field(description="How many there are in all.")]

"""The base of all tables and the column types that give values instead of text.

All list columns hold tuples: what was read from the database is not changed in place.
"""

# ruff: noqa: ARG002  SQLAlchemy passes the dialect whether it matters or not

import enum
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, ClassVar, Final, TypeVar

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, LargeBinary, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, mapped_column

from appliance.master_key import Sealed

# Constraints need names: SQLite can change a table only by copying it, constraint by constraint.
_NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

_Word = TypeVar("_Word", bound=enum.StrEnum)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, always aware and in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite keeps no zone: give it UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What has no zone is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class SealedSecret(TypeDecorator[Sealed]):
    """A secret under the master key; ``MasterKey.open`` gives it back to whoever needs it."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Sealed | None, dialect: Dialect) -> bytes | None:
        """Only sealed octets get in."""
        return None if value is None else value.octets

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Sealed | None:
        """And sealed they come out."""
        return None if value is None else Sealed(value)


class Ipv4(TypeDecorator[IPv4Address]):
    """An IPv4 address as a number, so that it sorts as one."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: IPv4Address | None, dialect: Dialect) -> int | None:
        """Give the number."""
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> IPv4Address | None:
        """Give the address."""
        return None if value is None else IPv4Address(value)


class _Listed(TypeDecorator[tuple[Any, ...]]):
    """A tuple kept as a JSON list of text."""

    impl = JSON
    cache_ok = True
    item: ClassVar[type[Any]] = str

    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> list[str] | None:
        """Write each item as text."""
        return None if value is None else [str(item) for item in value]

    def process_result_value(self, value: list[str] | None, dialect: Dialect) -> tuple[Any, ...] | None:
        """Read each item back."""
        return None if value is None else tuple(self.item(item) for item in value)


class Texts(_Listed):
    """A tuple of texts."""

    cache_ok = True


class Ipv4Addresses(_Listed):
    """A tuple of IPv4 addresses."""

    cache_ok = True
    item = IPv4Address


class Ipv4Networks(_Listed):
    """A tuple of IPv4 networks."""

    cache_ok = True
    item = IPv4Network


class Word(TypeDecorator[_Word]):
    """One word of a closed list, kept as text so that a new word needs no migration of the type."""

    impl = String(32)
    cache_ok = True

    def __init__(self, words: type[_Word]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: _Word | None, dialect: Dialect) -> str | None:
        """Refuse a word that is not of the list."""
        return None if value is None else self.words(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> _Word | None:
        """Give the member."""
        return None if value is None else self.words(value)


BigNumber = BigInteger().with_variant(Integer(), "sqlite")

Key = Annotated[int, mapped_column(BigNumber, primary_key=True)]
Name = Annotated[str, mapped_column(String(128))]
Line = Annotated[str, mapped_column(String(512))]


def now() -> datetime:
    """Give the present moment in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """All tables. The representation shows a row's key and nothing that could be secret."""

    metadata = MetaData(naming_convention=_NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        Sealed: SealedSecret(),
        IPv4Address: Ipv4(),
        tuple[str, ...]: Texts(),
        tuple[IPv4Address, ...]: Ipv4Addresses(),
        tuple[IPv4Network, ...]: Ipv4Networks(),
        dict[str, Any]: JSON(),
        list[dict[str, str]]: JSON(),
    }

    def __repr__(self) -> str:
        keys = (getattr(self, str(column.key), None) for column in self.__mapper__.primary_key)
        return f"<{type(self).__name__} {', '.join(map(str, keys))}>"

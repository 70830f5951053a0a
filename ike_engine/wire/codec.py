"""Declared layouts: an annotated field for each line of the RFC's picture, compiled once a class.

A layout is a run of numbers, then fields of variable length::

    @dataclass(frozen=True, kw_only=True)
    class Example(Declared):
        protocol: Annotated[int, u8, ProtocolId]            # a number, read as a member of its registry
        reserved: ClassVar[Annotated[int, zero(1)]]         # ClassVar: travels, but is no field of the value
        spi_size: ClassVar[Annotated[int, u16]]             # written from what it measures
        spi: Annotated[bytes, octets("spi_size")]
        data: Annotated[bytes, rest]
"""

from __future__ import annotations

import enum
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, get_args, get_origin, get_type_hints

from ike_engine.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


class OpenEnum(enum.IntEnum):
    """A registry of numbers that goes on growing: an unknown number is kept, not refused.

    An unknown number becomes a member of its own, named ``UNKNOWN_<number>`` and equal to it.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_, member._value_ = f"UNKNOWN_{value}", int(value)
        return member


class Reader:
    """A place in a run of octets. Reading past the end is ``Malformed``."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    def __len__(self) -> int:
        """Octets that are left."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """The next ``count`` octets."""
        end = self._at + count
        if end > len(self._data):
            raise Malformed(f"{count} octets wanted, {len(self)} left")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def take_rest(self) -> bytes:
        """All octets that are left."""
        taken = self._data[self._at :]
        self._at = len(self._data)
        return taken


# ---- what a field may be annotated with ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fixed:
    """A number, or reserved octets, in the fixed part of a layout, as ``struct`` writes it."""

    format: str

    @property
    def has_value(self) -> bool:
        """False for reserved octets: ignored when read, zero when written (RFC 2408 section 3)."""
        return not self.format.endswith("x")


class Variable(ABC, Generic[T]):
    """How a field of variable length is read and written."""

    @abstractmethod
    def read(self, reader: Reader, sizes: Mapping[str, int]) -> T:
        """Take the value; ``sizes`` has what the fixed part said. Raises nothing but ``Malformed``."""

    @abstractmethod
    def write(self, value: T) -> bytes:
        """The octets of a value. Raises ``ValueError`` for one that no peer could have sent."""

    def sizes(self, value: T) -> dict[str, int]:  # noqa: ARG002  most variables decide nothing
        """The fields of the fixed part that this value decides, by name."""
        return {}


@dataclass(frozen=True, slots=True)
class Octets(Variable[bytes]):
    """So many octets: a number, or the name of the field that says how many."""

    size: int | str

    def read(self, reader: Reader, sizes: Mapping[str, int]) -> bytes:
        """Take them."""
        return reader.take(self.size if isinstance(self.size, int) else sizes[self.size])

    def write(self, value: bytes) -> bytes:
        """Check the number of octets if it is a fixed one."""
        if isinstance(self.size, int) and len(value) != self.size:
            raise ValueError(f"{len(value)} octets where {self.size} travel")
        return value

    def sizes(self, value: bytes) -> dict[str, int]:
        """Their number, if a field says it."""
        return {} if isinstance(self.size, int) else {self.size: len(value)}


@dataclass(frozen=True, slots=True)
class OctetsList(Variable[tuple[bytes, ...]]):
    """Runs of equally many octets; two fields name the length of a run and the number of runs."""

    size: str
    count: str
    most: int

    def read(self, reader: Reader, sizes: Mapping[str, int]) -> tuple[bytes, ...]:
        """Take them. Runs of no octets are none, however many are claimed."""
        size, count = sizes[self.size], sizes[self.count]
        if not size:
            return ()
        if count > self.most:
            raise Malformed(f"{count} where {self.most} may be")
        data = reader.take(size * count)
        return tuple(data[at : at + size] for at in range(0, len(data), size))

    def write(self, value: tuple[bytes, ...]) -> bytes:
        """Check that they are equally long."""
        if len({len(run) for run in value}) > 1:
            raise ValueError("runs of different length")
        return b"".join(value)

    def sizes(self, value: tuple[bytes, ...]) -> dict[str, int]:
        """Both."""
        return {self.size: len(value[0]) if value else 0, self.count: len(value)}


@dataclass(frozen=True, slots=True)
class Rest(Variable[bytes]):
    """All octets that are left, between ``least`` and ``most`` of them."""

    least: int = 0
    most: int = 0xFFFF

    def read(self, reader: Reader, sizes: Mapping[str, int]) -> bytes:  # noqa: ARG002  a Variable's signature
        """Take them and check their number."""
        return self.check(reader.take_rest())

    def check(self, data: bytes) -> bytes:
        """``data`` itself, or ``Malformed``."""
        if not self.least <= len(data) <= self.most:
            raise Malformed(f"{len(data)} octets where {self.least} to {self.most} may be")
        return data

    def write(self, value: bytes) -> bytes:
        """Check their number."""
        if not self.least <= len(value) <= self.most:
            raise ValueError(f"{len(value)} octets where {self.least} to {self.most} may be")
        return value


u8, u16, u32, u64 = Fixed("B"), Fixed("H"), Fixed("I"), Fixed("Q")
rest = Rest()


def zero(count: int) -> Fixed:
    """Reserved octets."""
    return Fixed(f"{count}x")


def octets(size: int | str) -> Octets:
    """So many octets: a number, or the name of the field that says how many."""
    return Octets(size)


# ---- the compiled layout ------------------------------------------------------------------------


class Declared:
    """Base of all declared values; subclasses are frozen ``kw_only`` dataclasses."""

    _layout: ClassVar[_Layout]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._layout = _Layout(cls)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """The value that ``body`` holds, all of it. Raises nothing but ``Malformed``."""
        value = object.__new__(cls)
        # Past the dataclass's own __init__, which sets each field of a frozen value at great length.
        object.__setattr__(value, "__dict__", cls._layout.read(body))
        return value

    def encode(self) -> bytes:
        """The octets of this value. Raises ``ValueError`` when a field does not fit its place."""
        try:
            return self._layout.write(self)
        except struct.error as e:
            raise ValueError(f"{type(self).__name__}: {e}") from e


class _Layout:
    """What the annotations of a class say, and the two functions that follow from them.

    Attributes:
        read: From octets to the fields of a value, by name.
        write: From a value to octets.
    """

    def __init__(self, declared: type[Declared]) -> None:
        self.name = declared.__name__
        formats: list[str] = []
        names: list[str] = []
        registries: list[tuple[str, type[enum.IntEnum]]] = []
        unstored: list[str] = []
        variables: list[tuple[str, Variable[Any]]] = []
        for name, hint in get_type_hints(declared, include_extras=True).items():
            is_stored = get_origin(hint) is not ClassVar
            annotation = hint if is_stored else next(iter(get_args(hint)), None)
            codec, *extras = getattr(annotation, "__metadata__", (None,))
            if isinstance(codec, Variable):
                variables.append((name, codec))
            elif isinstance(codec, Fixed):
                if variables:
                    raise TypeError(f"{self.name}.{name}: a number after a field of variable length")
                formats.append(codec.format)
                if codec.has_value:
                    names.append(name)
                    registries += [(name, registry) for registry in extras]
                    unstored += [] if is_stored else [name]
        self.numbers = struct.Struct("!" + "".join(formats))
        self.names = tuple(names)
        self.registries = tuple((name, registry, {int(m): m for m in registry}) for name, registry in registries)
        self.unstored = tuple(unstored)
        self.variables = tuple(variables)
        self.read = self._compile_read()
        self.write = self._compile_write()

    def _compile_read(self) -> Callable[[bytes], dict[str, Any]]:
        size, unpack_from, names, variables = self.numbers.size, self.numbers.unpack_from, self.names, self.variables
        registries, unstored = self.registries, self.unstored

        def read_numbers(body: bytes) -> dict[str, Any]:
            if len(body) < size:
                raise Malformed(f"{self.name}: {len(body)} octets are fewer than {size}")
            values = dict(zip(names, unpack_from(body), strict=False))  # the format has as many
            for name, registry, members in registries:
                number = values[name]
                values[name] = members[number] if number in members else _member(registry, number)
            return values

        def read(body: bytes) -> dict[str, Any]:
            values = read_numbers(body)
            reader = Reader(body, size)
            for name, codec in variables:
                values[name] = codec.read(reader, values)
            if len(reader):
                raise Malformed(f"{self.name}: {len(reader)} octets too many")
            for name in unstored:
                del values[name]
            return values

        if len(variables) != 1 or not isinstance(variables[0][1], Rest):
            return read
        # Most payloads are numbers and octets, and half of all have no numbers: no Reader for these.
        last, check = variables[0][0], variables[0][1].check

        def read_numbers_and_rest(body: bytes) -> dict[str, Any]:
            values = read_numbers(body)
            values[last] = check(body[size:])
            return values

        return read_numbers_and_rest if size else lambda body: {last: check(body)}

    def _compile_write(self) -> Callable[[Any], bytes]:
        pack, names, unstored, variables = self.numbers.pack, self.names, self.unstored, self.variables
        if not self.numbers.size and len(variables) == 1:
            only, only_codec = variables[0]
            return lambda value: only_codec.write(getattr(value, only))

        def write(value: object) -> bytes:
            tail = b""
            sizes: dict[str, int] = {}
            for name, codec in variables:
                field = getattr(value, name)
                tail += codec.write(field)
                if unstored:
                    sizes |= codec.sizes(field)
            return pack(*[sizes[name] if name in sizes else getattr(value, name) for name in names]) + tail

        return write


def _member(registry: type[enum.IntEnum], number: int) -> enum.IntEnum:
    """The member of an open registry; ``Malformed`` when the registry is closed and has none."""
    try:
        return registry(number)
    except ValueError as e:
        raise Malformed(str(e)) from None

"""Message shapes: a dataclass for each line of an RFC's exchange diagram; annotations are its rules.

``X`` is exactly one payload, ``X | None`` at most one, ``tuple[X, ...]`` any number, ``X | Y`` either.
Payloads come in any order; several fields of one kind are filled in the order in which they stand::

    @dataclass(frozen=True, kw_only=True)
    class MainMode5(Message):
        \"\"\"HDR*, IDii, [ CERT, ] ( HASH_I | SIG_I )\"\"\"

        identity: Identity
        certificates: tuple[Certificate, ...] = ()
        proof: Hash | Signature
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from ike_engine.errors import Malformed
from ike_engine.wire.chain import Payload

if TYPE_CHECKING:
    from collections.abc import Iterable

P = TypeVar("P", bound=Payload)


class _Place(NamedTuple):
    """A field of a shape: which payloads go there, how many must and may."""

    name: str
    kinds: tuple[type[Payload], ...]
    required: bool
    several: bool


@dataclass(frozen=True, kw_only=True)
class Message:
    """Base of all shapes.

    Attributes:
        everywhere: Payloads that may ride in any message and that the shape has no field for
            (vendor IDs, notifications, unknown ones). Sent last.
    """

    everywhere: tuple[Payload, ...] = ()

    _places: ClassVar[tuple[_Place, ...]]
    _places_by_class: ClassVar[dict[type[Payload], tuple[_Place, ...]]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        hints = get_type_hints(cls)
        cls._places = tuple(
            _place(name, hint)
            for name, hint in hints.items()
            if name != "everywhere" and get_origin(hint) is not ClassVar
        )
        cls._places_by_class = {}

    @classmethod
    def match(cls, payloads: Iterable[Payload]) -> Self:
        """Put received payloads into their places.

        Raises:
            Malformed: One is missing, or is there once too often, or has no business here.
        """
        values: dict[str, Any] = {}
        everywhere: list[Payload] = []
        for payload in payloads:
            place = cls._free_place(type(payload), values)
            if place is None:
                if not payload.anywhere:
                    raise Malformed(f"{cls.__name__}: no place for this {type(payload).__name__}")
                everywhere.append(payload)
            elif place.several:
                values.setdefault(place.name, []).append(payload)
            else:
                values[place.name] = payload
        for name, kinds, required, several in cls._places:
            if several:
                values[name] = tuple(values.get(name, ()))
            elif name not in values:
                if required:
                    raise Malformed(f"{cls.__name__}: {' or '.join(k.__name__ for k in kinds)} is missing")
                values[name] = None
        values["everywhere"] = tuple(everywhere)
        message = object.__new__(cls)
        # Past the dataclass's own __init__: every field has its value by now.
        object.__setattr__(message, "__dict__", values)
        return message

    @classmethod
    def _free_place(cls, kind: type[Payload], taken: dict[str, Any]) -> _Place | None:
        """The first place for a class of payloads that can take one more."""
        places = cls._places_by_class.get(kind)
        if places is None:
            places = tuple(place for place in cls._places if issubclass(kind, place.kinds))
            cls._places_by_class[kind] = places
        for place in places:
            if place.several or place.name not in taken:
                return place
        return None

    def payloads(self) -> tuple[Payload, ...]:
        """All payloads in the order of the fields, which is the order to send them in."""
        found: list[Payload] = []
        for place in self._places:
            value = getattr(self, place.name)
            if place.several:
                found += value
            elif value is not None:
                found.append(value)
        return (*found, *self.everywhere)

    def riding(self, kind: type[P]) -> tuple[P, ...]:
        """Those in ``everywhere`` that are of a kind."""
        return tuple(payload for payload in self.everywhere if isinstance(payload, kind))


def _place(name: str, hint: object) -> _Place:
    """What the annotation of a field says."""
    if get_origin(hint) is tuple:
        return _place(name, get_args(hint)[0])._replace(required=False, several=True)
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = tuple(member for member in members if member is not types.NoneType)
    if not all(isinstance(kind, type) and issubclass(kind, Payload) for kind in kinds):
        raise TypeError(f"{name}: {hint} is no rule about payloads")
    return _Place(name, kinds, required=len(kinds) == len(members), several=False)

"""Who is let in as far as the antechamber: bounded in all, and for each source address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Crowd(Generic[T]):
    """Things in the order of their coming, counted by source. Removing what is not there is harmless."""

    def __init__(self) -> None:
        self._sources: dict[int, str] = {}
        self._by_source: dict[str, dict[int, T]] = {}
        self._newcomers: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._sources)

    def add(self, number: int, source: str, thing: T) -> None:
        """Count ``thing``, known by ``number``."""
        self._sources[number] = source
        self._by_source.setdefault(source, {})[number] = thing
        self._newcomers[number] = thing

    def remove(self, number: int) -> None:
        """Count it no more."""
        source = self._sources.pop(number, None)
        if source is None:
            return
        self._newcomers.pop(number, None)
        companions = self._by_source[source]
        del companions[number]
        if not companions:
            del self._by_source[source]

    def room_for(self, source: str, in_all: int, per_source: int) -> bool:
        """Whether one more from ``source`` keeps both bounds."""
        return len(self) < in_all and len(self._by_source.get(source, ())) < per_source

    def oldest(self, source: str, per_source: int, expendable: Callable[[T], bool]) -> T | None:
        """The first to come of which ``expendable`` is still true: of ``source`` when that is full, else of all.

        Once not expendable is never expendable again: of all, each is looked at in vain only once.
        """
        companions = self._by_source.get(source, {})
        if len(companions) >= per_source:
            return next((thing for thing in companions.values() if expendable(thing)), None)
        while self._newcomers:
            number, thing = next(iter(self._newcomers.items()))
            if expendable(thing):
                return thing
            del self._newcomers[number]
        return None

"""A type for keys and passwords that never shows what it holds."""

from __future__ import annotations


class Secret(bytes):
    """Octets that must not reach a log: ``repr`` and ``str`` give only their number.

    It is a ``bytes``, so every cipher and hash takes it as it is. Slices and sums are plain
    ``bytes`` again: wrap what you keep.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} octets>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

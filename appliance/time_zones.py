"""Time zones by their names in the IANA database."""

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo


def named(name: str) -> tzinfo:
    """Give a zone.

    Raises:
        ValueError: there is none of this name, in words.
    """
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{name!r} is not a time zone") from None

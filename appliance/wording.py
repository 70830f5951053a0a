"""How values read to people, on the command line and on the panel."""

from datetime import UTC, datetime


def text(value: object) -> str:
    """Give a value as people read it."""
    match value:
        case None | "" | ():
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        case list() | tuple():
            return ", ".join(map(text, value))
        case _:
            return str(getattr(value, "value", value))


def octets(number: int) -> str:
    """Give a number of octets in SI units."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"

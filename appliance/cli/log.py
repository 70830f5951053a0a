"""``coati log``: what the processes of a gateway's machine say, as the panel shows it."""

import time
from collections.abc import Iterable
from typing import Annotated, Any, Final

import typer

from appliance.cli import console, options
from appliance.cli.console import Json
from appliance.logs import endpoints
from appliance.logs.schemas import LogLine, LogPage
from appliance.settings import LogLevel
from appliance.wording import text

_LOOK_SECONDS: Final = 1.0
_MOST_AT_ONCE: Final = 1000


@options.speaks_itself
def log(
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=1000, help="At most so many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as more is written, until Ctrl-C.")] = False,
    level: Annotated[LogLevel, typer.Option(help="Only lines so serious, or more.")] = LogLevel.DEBUG,
    process: Annotated[str, typer.Option(help="Only of this process: keeper, gateway, web, esp or pam.")] = "",
    session: Annotated[int | None, typer.Option(min=1, help="Only lines about this session.")] = None,
    refusal: Annotated[int | None, typer.Option(min=1, help="Only lines about this refused attempt.")] = None,
    user: Annotated[str, typer.Option(help="Only lines that name this user.")] = "",
    containing: Annotated[str, typer.Option("--text", help="Only lines with this in them.")] = "",
    json: Json = False,
) -> None:
    """Show the log, the latest line at the end."""
    wanted: dict[str, Any] = {"level": level, "process": process, "user": user, "text": containing}
    wanted |= {name: value for name, value in (("session", session), ("refusal", refusal)) if value is not None}
    page: LogPage = console.call(endpoints.list_lines, **wanted, limit=last)
    if page.elsewhere:
        console.complain(f"that is in the log of gateway {page.elsewhere}; this is {page.node}")
        raise typer.Exit(console.FAILED)
    _show(reversed(page.items), json=json)
    while follow:
        time.sleep(_LOOK_SECONDS)  # the API is asked, here and from afar alike: it has no stream
        wanted |= {"after": page.newer} if page.newer else {}
        page = console.call(endpoints.list_lines, **wanted, limit=_MOST_AT_ONCE)
        _show(reversed(page.items), json=json)


def _show(lines: Iterable[LogLine], *, json: bool) -> None:
    for line in lines:
        if json:
            console.say(line.model_dump_json(exclude={"id"}))
            continue
        fields = " ".join(f"{name}={text(value)}" for name, value in line.fields.items())
        console.say(f"{text(line.at)} [{line.level}] {line.process}: {line.event} {fields}".rstrip())
        if line.exception:
            console.say(line.exception)

"""The log: what the processes of this machine say, as it is said."""

import json
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from appliance.api.attachment import attachment
from appliance.api.dependencies import installation
from appliance.errors import Invalid
from appliance.installation import Transaction
from appliance.logs import service as logs
from appliance.logs.schemas import LogFilter, LogLine, LogPart
from appliance.schema import LARGEST_PAGE
from appliance.settings import LogLevel
from appliance.wording import text
from webui.rendering import page
from webui.security import SignedIn

router = APIRouter(prefix="/logs")

PROCESSES: Final = ("keeper", "gateway", "web", "esp", "pam")
_LINES: Final = 200
_SOME_LINES: Final = 30
_MOST_LINES: Final = 100_000


@router.get("")
async def list_lines(request: Request, actor: SignedIn) -> Response:
    """Show the last lines that match, and go on as more are written, unless the address names a place to stay at."""
    wanted = _wanted(request)
    part = LogPart(limit=_LINES, before=request.query_params.get("before", ""))
    async with installation(request).snapshot(actor) as work:
        if kind := request.query_params.get("format"):
            return await _file(work, wanted, kind)
        found = await logs.page(work, wanted, part)
    return page(
        request,
        "logs/list.html",
        actor,
        log=found,
        wanted=wanted,
        stays=bool(part.before),
        levels=list(LogLevel),
        processes=PROCESSES,
        api=f"/logs{f'?{request.url.query}' if request.url.query else ''}",
    )


@router.get("/lines")
async def some_lines(request: Request, actor: SignedIn) -> Response:
    """Show the last lines about one thing, as a part of its page."""
    async with installation(request).snapshot(actor) as work:
        found = await logs.page(work, _wanted(request), LogPart(limit=_SOME_LINES))
    return page(request, "logs/lines.html", actor, log=found)


def _wanted(request: Request) -> LogFilter:
    query = request.query_params
    return LogFilter.model_validate({name: query[name] for name in LogFilter.model_fields if query.get(name)})


async def _file(work: Transaction, wanted: LogFilter, kind: str) -> Response:
    """Give everything that matches as a file, the earliest line first."""
    if kind not in ("json", "text"):
        raise Invalid(f"there is no format {kind!r}", field="format", remedy="take json or text")
    lines: list[LogLine] = []
    before = ""
    while len(lines) < _MOST_LINES:
        found = await logs.page(work, wanted, LogPart(limit=LARGEST_PAGE, before=before))
        lines += found.items
        before = found.older
        if not before:
            break
    write, ending, media_type = (
        (_json, "jsonl", "application/jsonl") if kind == "json" else (_text, "txt", "text/plain; charset=utf-8")
    )
    return attachment(f"log.{ending}", media_type, "".join(write(line) + "\n" for line in reversed(lines)).encode())


def _json(line: LogLine) -> str:
    named = {"timestamp": line.at.isoformat() if line.at else "", "level": line.level, "process": line.process}
    exception = {"exception": line.exception} if line.exception else {}
    return json.dumps(named | {"event": line.event} | line.fields | exception, ensure_ascii=False)


def _text(line: LogLine) -> str:
    fields = " ".join(f"{name}={text(value)}" for name, value in line.fields.items())
    written = f"{text(line.at)} [{line.level}] {line.process}: {line.event} {fields}".rstrip()
    return f"{written}\n{line.exception}" if line.exception else written

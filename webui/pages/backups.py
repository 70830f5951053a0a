"""Backups in the data directory, and the one that takes the installation's place."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi import Form as FormField
from fastapi.responses import HTMLResponse, Response
from pydantic import SecretStr
from starlette.datastructures import UploadFile

from appliance.api.attachment import attachment
from appliance.api.dependencies import installation
from appliance.backups import making, replacement, schedule, service
from appliance.backups.endpoints import MOST_OCTETS
from appliance.backups.schemas import BackupContent
from appliance.installation import Actor
from appliance.wording import with_remedy
from webui.forms import Form, Refused, wrong
from webui.rendering import back, confirmation, page
from webui.security import Proven, Ruling

router = APIRouter(prefix="/backups")

# What people count; the other tables are in the backup as well.
_COUNTED = {
    "users": ("user", "users"),
    "groups": ("group", "groups"),
    "profiles": ("connection profile", "connection profiles"),
    "pools": ("address pool", "address pools"),
    "realms": ("realm", "realms"),
    "certificates": ("certificate", "certificates"),
    "administrators": ("administrator", "administrators"),
    "tokens": ("API token", "API tokens"),
    "sessions": ("session on record", "sessions on record"),
    "audit_entries": ("change on record", "changes on record"),
}

Passphrase = Annotated[SecretStr, FormField()]
_NONE = SecretStr("")
_PIECE_OCTETS: Final = 1 << 20


@router.get("")
async def list_backups(request: Request, actor: Ruling) -> HTMLResponse:
    """Show the backups in the data directory."""
    return await _list(request, actor)


@router.post("")
async def make(request: Request, actor: Ruling, passphrase: Passphrase = _NONE, again: Passphrase = _NONE) -> Response:
    """Make one, encrypted under a passphrase that was typed twice."""
    if passphrase != again:
        return await _list(request, actor, {"again": "the two are not the same"}, code=422)
    try:
        async with installation(request).transaction(actor) as work:
            made = await service.create(work, passphrase)
    except Refused as error:
        return await _list(request, actor, wrong(error), code=422)
    return back(_page_of(made.name), "The backup is made. Download it, and keep it apart from its passphrase.")


@router.post("/run", response_model=None)
async def make_as_scheduled(request: Request, actor: Ruling) -> Response:
    """Make one as the schedule would, at once."""
    try:
        async with installation(request).snapshot(actor) as work:
            made = await making.make_now(work)
    except Refused as error:
        return await _list(request, actor, problem="; ".join(wrong(error).values()), code=422)
    if not made.succeeded:
        return await _list(
            request, actor, problem=f"It could not be made: {with_remedy(made.message, made.remedy)}", code=422
        )
    return back("/backups", f"{made.name} is made, and was restored on trial.")


@router.post("/send", max_body_size=MOST_OCTETS)
async def send(request: Request, actor: Ruling) -> Response:
    """Keep one that was made elsewhere, if its passphrase opens it and it can be restored."""
    # No parameters: their values would be read before anybody is asked who sends them, and this may be a large file.
    async with request.form(max_files=1) as sent:
        content = sent.get("content")
        if not isinstance(content, UploadFile) or not content.filename:
            return await _list(request, actor, sending=Form({}, {"content": "Choose the file."}), code=422)
        return await _receive(request, actor, content, SecretStr(str(sent.get("opened_by", ""))))


async def _receive(request: Request, actor: Actor, content: UploadFile, passphrase: SecretStr) -> Response:
    name = content.filename or ""
    async with installation(request).snapshot(actor) as work:
        try:
            kept = await service.receive(work, name, _pieces(content))
        except Refused as error:
            why_not = {"content": "; ".join(wrong(error).values())}
            return await _list(request, actor, sending=Form({}, why_not), code=422)
        try:
            await service.verify(await service.read(work, name), passphrase)
        except Refused as error:
            async with installation(request).transaction(actor) as writing:
                await service.remove(writing, name)
            why_not = {"opened_by": "; ".join(wrong(error).values())}
            return await _list(request, actor, sending=Form({}, why_not), code=422)
    return back(_page_of(kept.name), "It is good: it was restored on trial, and is kept here now.")


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(_PIECE_OCTETS):
        yield piece


@router.post("/keep-present")
async def call_off(request: Request, actor: Ruling) -> Response:
    """Leave the installation as it is."""
    async with installation(request).transaction(actor) as work:
        await replacement.call_off(work)
    return back("/backups", "This installation stays.")


@router.get("/{name}")
async def show(request: Request, actor: Ruling, name: str) -> HTMLResponse:
    """Show a backup, and what can be done with it."""
    return await _show(request, actor, name)


@router.get("/{name}/file")
async def download(request: Request, actor: Proven, name: str) -> Response:
    """Give the file, encrypted as it is."""
    async with installation(request).snapshot(actor) as work:
        return attachment(name, "application/octet-stream", await service.read(work, name))


@router.post("/{name}/verify")
async def verify(request: Request, actor: Ruling, name: str, passphrase: Passphrase = _NONE) -> Response:
    """Restore it into a place that is thrown away, and show what is in it."""
    async with installation(request).snapshot(actor) as work:
        content = await service.read(work, name)
    try:
        found = await service.verify(content, passphrase)
    except Refused as error:
        return await _show(request, actor, name, Form({}, wrong(error)), code=422)
    return await _show(request, actor, name, found=found)


@router.post("/{name}/replace")
async def replace(
    request: Request,
    actor: Proven,
    name: str,
    passphrase: Passphrase = _NONE,
    typed: Annotated[str, FormField()] = "",
) -> Response:
    """Have it take the installation's place at the next start, if the word was typed."""
    if typed.strip() != "replace":
        form = Form({}, {"typed": "Type replace if you mean it."})
        return await _show(request, actor, name, replacing=form, code=422)
    try:
        async with installation(request).transaction(actor) as work:
            await replacement.prepare(work, name, passphrase)
    except Refused as error:
        return await _show(request, actor, name, replacing=Form({"typed": typed}, wrong(error)), code=422)
    return back("/backups", "It is ready, and takes this installation's place at the next start.")


@router.get("/{name}/remove")
async def ask_to_remove(request: Request, actor: Ruling, name: str) -> HTMLResponse:
    """Ask before a backup is gone."""
    return confirmation(
        request,
        actor,
        title="Remove this backup?",
        text=f"{name} is gone from this machine for good. What was downloaded stays.",
        button="Remove",
        back_to=_page_of(name),
    )


@router.post("/{name}/remove")
async def remove(request: Request, actor: Ruling, name: str) -> Response:
    """Remove a backup."""
    async with installation(request).transaction(actor) as work:
        await service.remove(work, name)
    return back("/backups", "The backup was removed.")


async def _list(
    request: Request,
    actor: Actor,
    why_not: dict[str, str] | None = None,
    *,
    sending: Form | None = None,
    problem: str = "",
    code: int = 200,
) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        found = await service.page(work)
        scheduled = await schedule.show(work)
    settings = installation(request).settings
    return page(
        request,
        "backups/list.html",
        actor,
        code=code,
        page=found,
        form=Form({}, why_not or {}),
        waiting=replacement.waiting(settings),
        sending=sending or Form(),
        problem=problem,
        schedule=scheduled,
        in_words=_in_words,
        api="/backups",
    )


async def _show(
    request: Request,
    actor: Actor,
    name: str,
    form: Form | None = None,
    *,
    replacing: Form | None = None,
    found: BackupContent | None = None,
    code: int = 200,
) -> HTMLResponse:
    async with installation(request).snapshot(actor) as work:
        backup = await service.show(work, name)
        present = await replacement.present(work)
    settings: Any = installation(request).settings
    return page(
        request,
        "backups/show.html",
        actor,
        code=code,
        backup=backup,
        form=form or Form(),
        replacing=replacing or Form(),
        found=_counted(found.rows) if found else None,
        present=_counted(present),
        present_in_words=_in_words(present),
        embedded=settings.database_url is None,
        api=f"/backups/{backup.name}",
    )


def _counted(rows: dict[str, int]) -> dict[str, int]:
    return {many: rows.get(table, 0) for table, (_, many) in _COUNTED.items()}


def _in_words(rows: dict[str, int]) -> str:
    """Say how much there is."""
    counts = {words: rows.get(table, 0) for table, words in _COUNTED.items()}
    return ", ".join(f"{count:,} {one if count == 1 else many}" for (one, many), count in counts.items() if count)


def _page_of(name: str) -> str:
    return f"/backups/{quote(name, safe='')}"

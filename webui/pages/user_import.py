"""Many users at once, from a table: each line is taken or refused by itself, and what is refused comes back."""

import csv
import io
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from appliance import passwords
from appliance.api.dependencies import installation
from appliance.errors import Invalid, NotFound
from appliance.installation import Actor, Transaction
from appliance.users import service as users
from appliance.users.schemas import DefineUser, UserOperations
from appliance.users.table import read
from webui.forms import Form, Refused, wrong
from webui.rendering import page
from webui.security import Operating

router = APIRouter(prefix="/users/import")

_COLUMNS: Final = ("name", "full_name", "group", "password", "expires_at")
# Hashing a password takes a tenth of a second on purpose: more, and the browser gives up.
_MOST_LINES: Final = 300


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one line.

    Attributes:
        password: One that was made for a new user; shown this once.
        why_not: Why it was refused, in words.
    """

    number: int
    name: str
    new: bool = False
    password: str = ""
    why_not: str = ""


@router.get("")
async def ask(request: Request, actor: Operating) -> HTMLResponse:
    """Ask for the table."""
    return _page(request, actor, Form({"must_change_password": True}))


@router.post("")
async def take_in(request: Request, actor: Operating) -> Response:
    """Add or change a user for each line."""
    sent = await request.form()
    try:
        rows = read(await _table(sent), _COLUMNS, most_lines=_MOST_LINES)
    except Refused as error:
        return _page(request, actor, Form.refused(sent, error), code=422)
    must_change = "must_change_password" in sent
    async with installation(request).snapshot(actor) as work:
        lines = [await _take_in(work, number, row, must_change=must_change) for number, row in enumerate(rows, 2)]
    refused = [rows[line.number - 2] for line in lines if line.why_not]
    form = Form({"table": _written(refused) if refused else "", "must_change_password": must_change})
    return _page(request, actor, form, lines=lines, code=422 if refused else 200)


async def _take_in(work: Transaction, number: int, row: dict[str, str], *, must_change: bool) -> Line:
    name = row.get("name", "")
    said = {column: value for column, value in row.items() if value}
    password = ""
    try:
        new = not await _is_there(work, name)
        if new:
            password = "" if "password" in said else passwords.generate()
            said |= {"password": said.get("password", password), "must_change_password": str(must_change)}
        operation = DefineUser.model_validate({"do": "define", **said})
        outcome = (await users.bulk(work, UserOperations(operations=[operation]))).outcomes[0]
    except ValidationError as error:
        return Line(number, name, why_not="; ".join(f"{field}: {words}" for field, words in wrong(error).items()))
    if outcome.problem is not None:
        return Line(number, name, why_not=outcome.problem.detail)
    return Line(number, operation.name, new, password)


async def _is_there(work: Transaction, name: str) -> bool:
    try:
        await users.show(work, name)
    except NotFound:
        return False
    return True


async def _table(sent: FormData) -> str:
    """Give the file that was chosen, else the text that was pasted."""
    text = ""
    for value in sent.getlist("table"):
        if isinstance(value, UploadFile):
            octets = await value.read()
            await value.close()
            try:
                text = text or octets.decode("utf-8-sig")
            except UnicodeDecodeError:
                raise Invalid("the file is not text in UTF-8", field="table", remedy="save it as CSV UTF-8") from None
        else:
            text = text or value
    return text


def _written(rows: list[dict[str, str]]) -> str:
    """Write the refused lines again, to be mended; passwords are not sent back."""
    file = io.StringIO()
    columns = [name for name in rows[0] if name != "password"]
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _page(
    request: Request, actor: Actor, form: Form, *, lines: list[Line] | None = None, code: int = 200
) -> HTMLResponse:
    return page(
        request,
        "users/import.html",
        actor,
        code=code,
        form=form,
        lines=lines or [],
        added=sum(line.new for line in lines or []),
        refused=sum(bool(line.why_not) for line in lines or []),
        columns=_COLUMNS,
    )

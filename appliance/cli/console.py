"""How commands open the installation, show things to people and machines, ask for secrets, and fail.

Database and routes are imported by what needs them: ``connect`` and ``serve`` need neither, and begin the sooner.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, cast

import typer
from pydantic import BaseModel, SecretStr, ValidationError

from appliance.errors import ApplianceError
from appliance.schema import LARGEST_PAGE, Page
from appliance.settings import Settings
from appliance.wording import mistake, text, with_remedy

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import Response

    from appliance.api.operations import File, Operation
    from appliance.client import Client
    from appliance.configuration.schemas import Rehearsal
    from appliance.installation import Actor, Transaction

T = TypeVar("T")
Part = TypeVar("Part", bound=Page[Any])

# The gateway that commands are for, if it is another.
_gateways: Final[list[Client]] = []


@dataclass
class _Told:
    """What is written in the end, when words are not wanted.

    Attributes:
        answer: Of the operation that was carried out last.
        secrets: Those that were made, and are shown this once.
    """

    answer: object = None
    secrets: dict[str, str] = field(default_factory=dict)


_machines: Final[list[_Told]] = []

# Secrets that were made up for the operation to come, by name.
_made: Final[dict[str, str]] = {}

FAILED: Final = 1
WRONG_USE: Final = 2

Json = Annotated[bool, typer.Option("--json", help="For machines: JSON on standard output.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password and show it once.")]


def choose_data_dir(data_dir: Path | None) -> None:
    """Have every ``Settings`` of this process (and its children) use this data directory."""
    if data_dir is not None:
        os.environ["COATI_DATA_DIR"] = str(data_dir)


def choose_gateway(url: str | None, token_file: Path | None, ca: Path | None) -> None:
    """Have operations carried out by a gateway somewhere else; ``None``: here.

    The token comes from a file or from the environment, never from the arguments, which anyone can see.
    """
    if url is None:
        return
    token = token_file.read_text("utf-8", "replace") if token_file is not None else os.environ.get("COATI_TOKEN", "")
    if not token.strip():
        raise typer.BadParameter("name the file with the token by --token-file, or put the token into COATI_TOKEN")
    from appliance.client import Client  # noqa: PLC0415  knows the whole API, which a command here need not load

    try:
        _gateways.append(Client(url, SecretStr(token.strip()), ca))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def call(endpoint: Callable[..., Awaitable[T]], *path: object, dry_run: bool = False, **given: Any) -> T:  # noqa: ANN401
    """Have an operation of the API carried out: here, or by the gateway that was named.

    Args:
        endpoint: The route's function.
        path: Parameters of the path.
        dry_run: Only say what it would change, and end the command.
        given: Fields of the query and of the body.
    """
    from appliance.api import operations  # noqa: PLC0415  what has no operation needs no routes

    operation = operations.of(endpoint)
    if dry_run:
        _show_trial(operation, *path, **given)
        raise typer.Exit
    answer = cast("T", _carry_out(operation, *path, **given))
    while _made:
        name, secret = _made.popitem()
        say(f"{name.replace('_', ' ')}: {secret}")
        if _machines:
            _machines[-1].secrets[name] = secret
    return tell(answer)


def whole(endpoint: Callable[..., Awaitable[Part]], *path: object, **filters: Any) -> Part:  # noqa: ANN401
    """Have a list as a whole, however many pages it has: whoever asks on the command line asked for all of it."""
    first = page = call(endpoint, *path, limit=LARGEST_PAGE, **filters)
    items = list(first.items)
    while page.items and len(items) < page.total:
        page = call(endpoint, *path, limit=LARGEST_PAGE, offset=len(items), **filters)
        items += page.items
    return tell(first.model_copy(update={"items": items}))


def _carry_out(operation: Operation, *path: object, **given: Any) -> Any:  # noqa: ANN401
    if _gateways:
        return _gateways[-1].call(operation, *path, **given)
    bound = operation.bind(*path, **given)
    return run(lambda work: operation.carry_out(work, bound), changes=operation.changes)


def is_for_machines() -> bool:
    """Tell whether words are left out."""
    return bool(_machines)


def tell(answer: T) -> T:
    """Note what a machine is told in the end; ``call`` and ``whole`` do it by themselves."""
    if _machines:
        _machines[-1].answer = answer
    return answer


@contextmanager
def telling(json: bool) -> Iterator[None]:
    """Have a command's words left out, and what its last operation answered written as JSON in the end.

    Args:
        json: Do so; otherwise words it is.
    """
    if not json:
        yield
        return
    told = _Told()
    _machines.append(told)
    try:
        yield
    except typer.Exit:  # the end of a dry run, or of an order that failed: both have an answer
        _machines.remove(told)
        _write_told(told)
        raise
    finally:
        if told in _machines:
            _machines.remove(told)
    _write_told(told)


def _write_told(told: _Told) -> None:
    answer = told.answer
    if isinstance(answer, Page) and type(answer).model_fields.keys() == Page.model_fields.keys():
        answer = answer.items  # all there is; a list that says more than its items is told as it is
    show_json({**_plain(answer), **told.secrets} if told.secrets else answer)


def _show_trial(operation: Operation, *path: object, **given: Any) -> None:  # noqa: ANN401
    from appliance.api.dependencies import Rehearsed  # noqa: PLC0415  as in call
    from appliance.cli import rehearsals  # noqa: PLC0415  it needs this module

    try:
        told = _carry_out(operation, *path, dry_run=True, **given)
    except Rehearsed as rehearsed:
        told = rehearsed.told
    rehearsals.show(tell(cast("Rehearsal", told)))


def fetch(endpoint: Callable[..., Awaitable[Response]], *path: object, **given: Any) -> File:  # noqa: ANN401
    """The same for an operation that hands out a file."""
    return cast("File", call(endpoint, *path, **given))


def published(path: str, work: Callable[[Transaction], Awaitable[str]]) -> str:
    """Give what is published to everybody: by the gateway that was named, else from here."""
    return _gateways[-1].published(path).decode() if _gateways else run(work)


def is_remote() -> bool:
    """Tell whether another gateway was named."""
    return bool(_gateways)


def here_only(why: str) -> None:
    """Refuse a gateway that was named: this command has nothing to do with it.

    Raises:
        typer.BadParameter: one was named.
    """
    if _gateways:
        raise typer.BadParameter(f"{why}; leave --url (COATI_URL) out")


def run(work: Callable[[Transaction], Awaitable[T]], *, changes: bool = True) -> T:
    """Do something on behalf of whoever typed the command; only on the machine itself.

    Args:
        work: What to do in one transaction.
        changes: It may write; otherwise it has a consistent view, and holds nobody up while it waits for something.
    """
    from appliance.installation import Installation  # noqa: PLC0415  what needs no database loads none

    here_only("this is done on the gateway itself")

    async def in_transaction() -> T:
        async with Installation.open(Settings()) as installation:
            begin = installation.transaction if changes else installation.snapshot
            async with begin(_actor()) as transaction:
                return await work(transaction)

    return asyncio.run(in_transaction())


def _actor() -> Actor:
    from appliance.installation import Actor  # noqa: PLC0415  as in run

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.geteuid())
    return Actor(f"{name} on the command line")


def guarded(command: Callable[..., Any]) -> int:
    """Run the command line; give the exit status. What a service or a person got wrong is said in words."""
    try:
        outcome = command(standalone_mode=False, prog_name="coati")
    except typer.Abort:
        complain("stopped")
        return FAILED
    except typer.TyperException as error:
        show = getattr(error, "show", None)  # those about the words of the command have it, with its usage
        if show is None:
            complain(str(error))
        else:
            show()
        return error.exit_code
    except ValidationError as error:
        for problem in error.errors():
            where = ".".join(str(part) for part in problem["loc"]).replace("_", "-")
            complain(f"{where}: {mistake(problem)}" if where else mistake(problem))
        return WRONG_USE
    except ApplianceError as error:
        complain(with_remedy(error, error.remedy))
        return FAILED
    except _of_the_database() as error:
        complain(f"the database cannot do it: {getattr(error, 'orig', None) or error}")
        return FAILED
    except BrokenPipeError:
        # Whoever reads has seen enough (coati log | head); nothing more can be written, not even by Python at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (OSError, ValueError) as error:
        file = error.filename if isinstance(error, OSError) else None
        complain(f"{file}: {error.strerror}" if isinstance(error, OSError) and file else str(error))
        return FAILED
    finally:
        _made.clear()
        while _gateways:
            _gateways.pop().close()
    return outcome if isinstance(outcome, int) else 0


def _of_the_database() -> type[Exception]:
    """Give what a database raises; asked for only once something was raised."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  as in run

    return SQLAlchemyError


def complain(text: str) -> None:
    """Say what is wrong, on standard error."""
    sys.stderr.write(f"coati: {text}\n")


def say(text: str = "") -> None:
    """Write a line to standard output, for people."""
    if not _machines:
        sys.stdout.write(text + "\n")


def reveal(name: str, secret: str) -> None:
    """Show a secret that was made just now, this once, when the operation to come has made it count."""
    _made[name] = secret


def show_json(value: object) -> None:
    """Write a value (schemas included) as JSON."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, ensure_ascii=False) + "\n")


def json_line(value: object) -> str:
    """Give a value as JSON in one line."""
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: object) -> Any:  # noqa: ANN401  JSON
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def table(rows: Iterable[Mapping[str, object]], empty: str) -> None:
    """Write rows in columns under their names, or ``empty`` when there are none."""
    cells = [{name: text(value) for name, value in row.items()} for row in rows]
    if not cells:
        say(empty)
        return
    names = list(cells[0])
    widths = [max(len(name), *(len(row[name]) for row in cells)) for name in names]
    for line in (dict(zip(names, map(str.upper, names), strict=True)), *cells):
        say("  ".join(line[name].ljust(width) for name, width in zip(names, widths, strict=True)).rstrip())


def sheet(value: BaseModel, *, leave_out: Sequence[str] = ()) -> None:
    """Write one thing, a field a line."""
    fields = {name: getattr(value, name) for name in type(value).model_fields if name not in leave_out}
    width = max(map(len, fields)) + 2
    for name, content in fields.items():
        say(f"{name.replace('_', ' '):<{width}}{text(content)}".rstrip())


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options that were typed: ``None`` was not, and one empty text is an empty list."""
    return {
        name: [each for each in value if each != ""] if isinstance(value, list) else value
        for name, value in options.items()
        if value is not None
    }


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone."""
    if not yes:
        typer.confirm(question, abort=True, err=bool(_machines))


def ask(question: str) -> str:
    """Ask for something that is no secret."""
    return str(typer.prompt(question, err=bool(_machines)))


def new_password(prompt: str, *, stdin: bool, generate: bool) -> SecretStr:
    """Get a new password: from a pipe, by typing it twice, or made up (and shown once)."""
    if stdin and generate:
        raise typer.BadParameter("--password-stdin and --generate rule each other out")
    if generate:
        from appliance import passwords  # noqa: PLC0415  few commands make one

        password = passwords.generate()
        reveal("password", password)
        return SecretStr(password)
    return read_secret(prompt, stdin=stdin, twice=True)


def read_secret(prompt: str, *, stdin: bool, twice: bool = False, option: str = "--password-stdin") -> SecretStr:
    """Get a secret from a pipe (its first line) or by typing; never from the arguments, which anyone can see."""
    if stdin:
        return SecretStr(sys.stdin.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"there is no terminal to ask on; use {option}")
    secret = getpass.getpass(f"{prompt}: ")
    if twice and getpass.getpass(f"{prompt} again: ") != secret:
        raise typer.BadParameter("the two are not the same")
    return SecretStr(secret)

"""Options that several commands have: declared once, as the parameters of the function that reads them."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from appliance.cli import console

Command = TypeVar("Command", bound=Callable[..., Any])
Fields = dict[str, Any]
"""What the function that declares the options made of them."""

DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Change nothing; say what would change, and what that would do to live sessions."),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]

_FIELDS: Final = "fields"
_SPEAKERS: Final[set[Callable[..., Any]]] = set()


def of(declared: Callable[..., Fields]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that ``declared`` has as parameters; it takes what that gives as ``fields``.

    ``typer`` reads a command's options from its signature, so the two signatures are put together.
    """
    options = inspect.signature(declared).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = {name: each for name, each in inspect.signature(command).parameters.items() if name != _FIELDS}

        def run(**given: Any) -> None:  # noqa: ANN401
            command(**{name: given[name] for name in own}, fields=declared(**{name: given[name] for name in options}))

        together = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own.values(), *options.values())]
        run.__signature__ = inspect.Signature(together)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in together}
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate


def speaks_itself(command: Command) -> Command:
    """Leave it to a command whether and how it answers machines: it runs on, or what it gives is a file."""
    _SPEAKERS.add(command)
    return command


def with_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option ``--json``: its last answer instead of words."""
    if command in _SPEAKERS:
        return command
    own = inspect.signature(command).parameters

    def run(*, json: bool = False, **given: Any) -> None:  # noqa: ANN401
        with console.telling(json):
            command(**given)

    option = inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=console.Json)
    together = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own.values()]
    run.__signature__ = inspect.Signature([*together, option])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*together, option)}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return speaks_itself(run)

"""``coati policy``: what is said for everybody; and how policy is written on the command line everywhere."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

import typer

from appliance.cli import console
from appliance.cli.options import DryRun
from appliance.policy import endpoints
from appliance.policy.attributes import AccessPolicy
from appliance.policy.schemas import EffectiveView
from appliance.wording import text

app = typer.Typer(help="Policy: what is said for everybody; see also coati group and coati user.", no_args_is_help=True)

Attributes = Annotated[
    list[str] | None,
    typer.Argument(
        help="NAME=VALUE, for example reachable=10.0.0.0/8,192.168.7.0/24 idle-limit-seconds=600; "
        "NAME=inherit says nothing any more; NAME= says that there is none."
    ),
]

_LISTS: Final = frozenset(
    name for name, field in AccessPolicy.model_fields.items() if "tuple[" in str(field.annotation)
)
_INHERIT: Final = "inherit"


def read(words: Iterable[str] | None) -> AccessPolicy:
    """Give the policy that these words say.

    Raises:
        typer.BadParameter: one is not NAME=VALUE, or no attribute is called so.
        pydantic.ValidationError: a value cannot be.
    """
    return AccessPolicy.model_validate(dict(map(_attribute, words or ())))


def _attribute(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    name = name.strip().replace("-", "_").lower()
    if not equals or name not in AccessPolicy.model_fields:
        known = ", ".join(field.replace("_", "-") for field in AccessPolicy.model_fields)
        raise typer.BadParameter(f"{word!r}: write NAME=VALUE; names are {known}")
    if value.strip() == _INHERIT:
        return name, None
    if name in _LISTS:
        return name, [each.strip() for each in value.split(",") if each.strip()]
    return name, value.strip()


def show_said(said: AccessPolicy) -> None:
    """Write what a level says, an attribute a line."""
    for name, value in said.said().items():
        console.say(f"  {name.replace('_', ' '):<26}{text(value)}")


@app.command("show")
def show() -> None:
    """Show what is said for everybody."""
    base = console.call(endpoints.show_base_policy)
    if base.policy.said():
        show_said(base.policy)
    else:
        console.say("nothing is said for everybody; for example: coati policy set idle-limit-seconds=3600")


@app.command("set")
def set_(attributes: Attributes = None, dry_run: DryRun = False) -> None:
    """Change what is said for everybody."""
    change = read(attributes)
    base = console.call(endpoints.change_base_policy, change=change, dry_run=dry_run)
    show_said(base.policy)


def show_effective(effective: EffectiveView) -> None:
    """Write what counts for a user, and where it comes from."""
    console.table(
        (
            {"attribute": each.attribute.replace("_", " "), "value": each.value, "from": each.level}
            for each in effective.values
        ),
        "",
    )

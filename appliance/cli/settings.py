"""``coati settings``: what may be changed while the appliance runs."""

import json
from typing import Annotated, Any

import typer

from appliance.cli import console
from appliance.runtime_settings import endpoints
from appliance.runtime_settings.schemas import SECRETS
from appliance.wording import text

app = typer.Typer(help="Runtime settings.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the setting.")]


@app.command("list")
def list_() -> None:
    """List settings: value, default and what each means."""
    page = console.whole(endpoints.list_settings)
    console.table(
        (
            {"name": each.name, "value": each.value, "default": each.default, "meaning": each.description}
            for each in page.items
        ),
        "there is no setting",
    )


@app.command("show")
def show(name: Name) -> None:
    """Show a setting."""
    setting = console.call(endpoints.show_setting, name)
    console.sheet(setting)


@app.command("set")
def set_(
    name: Name,
    value: Annotated[str | None, typer.Argument(help="Its new value; null for none.", show_default=False)] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read it from standard input, as a secret has to be.")] = False,
) -> None:
    """Change a setting."""
    if (value is None) != stdin:
        raise typer.BadParameter("give a value, or --stdin")
    if value is None:
        secret = console.read_secret(name, stdin=True).get_secret_value()
        console.call(endpoints.define_setting, name, value=_read(secret))
        console.say(f"{name} is set")
        return
    if name in SECRETS and _read(value) is not None:
        raise typer.BadParameter("a secret must not be an argument, which anyone can see; use --stdin")
    setting = console.call(endpoints.define_setting, name, value=_read(value))
    console.say(f"{name} is {text(setting.value)}")


@app.command("reset")
def reset(name: Name) -> None:
    """Have a setting at its default again."""
    setting = console.call(endpoints.reset_setting, name)
    console.say(f"{name} is {text(setting.value)}")


def _read(value: str) -> Any:  # noqa: ANN401  each setting has a type of its own
    try:
        return json.loads(value)
    except ValueError:
        return value

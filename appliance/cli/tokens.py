"""``coati token``: tokens for the API."""

from typing import Annotated

import typer

from appliance.cli import console
from appliance.models import Scope
from appliance.tokens import endpoints
from appliance.tokens.schemas import NewToken

app = typer.Typer(help="Tokens for the REST API.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What it is for.")]


@app.command("create")
def create(
    name: Name,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; repeat for more.")] = None,
    days: Annotated[int | None, typer.Option(help="Good for so many days; 0: until revoked.")] = 365,
) -> None:
    """Make a token; it is shown this once."""
    new = NewToken(name=name, scopes=tuple(scope or (Scope.READ,)), days=days or None)
    token = console.call(endpoints.create_token, new=new)
    console.say(token.token)


@app.command("list")
def list_() -> None:
    """List tokens."""
    page = console.whole(endpoints.list_tokens)
    console.table(
        (
            {
                "name": token.name,
                "scopes": token.scopes,
                "made by": token.created_by,
                "good until": token.expires_at,
                "used": token.used_at,
                "from": token.used_from,
                "revoked": token.revoked_at,
            }
            for token in page.items
        ),
        "there is no token; make one: coati token create NAME",
    )


@app.command("revoke")
def revoke(name: Name) -> None:
    """Make a token useless at once."""
    console.call(endpoints.revoke_token, name)
    console.say(f"token {name} is revoked")

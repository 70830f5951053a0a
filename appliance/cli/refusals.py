"""``coati refusal``: why clients were turned away."""

from typing import Annotated

import typer

from appliance.cli import console, transcripts
from appliance.refusals import endpoints

app = typer.Typer(help="Why clients were refused.", no_args_is_help=True)


@app.command("list")
def list_(
    text: Annotated[str, typer.Argument(help="Only those with this in user, address or reason.")] = "",
    user: Annotated[str, typer.Option(help="Only those of this login, however it was written.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the latest first.")] = 20,
) -> None:
    """List refused attempts, the latest first."""
    page = console.call(endpoints.list_refusals, text=text, user=user, limit=limit)
    console.table(
        (
            {
                "id": refusal.id,
                "at": refusal.at,
                "from": f"{refusal.peer_address}:{refusal.peer_port}",
                "user": refusal.username or refusal.identity,
                "stage": refusal.stage,
                "reason": refusal.reason,
            }
            for refusal in page.items
        ),
        "no client was refused",
    )


@app.command("show")
def show(number: Annotated[int, typer.Argument(help="Number of the refusal.")]) -> None:
    """Show one: what the client offered, what would have been accepted, and which setting would let it in."""
    refusal = console.call(endpoints.show_refusal, number)
    console.sheet(refusal, leave_out=("offered", "accepted", "transcript"))
    for title, lines in (("offered", refusal.offered), ("accepted", refusal.accepted)):
        console.say(f"{title}:")
        for line in lines:
            console.say(f"    {line}")
    console.say("what was said:")
    transcripts.show(refusal.transcript)

"""``coati gateway``: which there are, how they are, and what their data planes hold."""

from typing import Annotated, Any

import typer

from appliance.cli import console, orders
from appliance.commands import endpoints as commands
from appliance.gateways import endpoints
from appliance.gateways.schemas import Held, HeldState
from appliance.models import CommandOutcome
from appliance.wording import octets

app = typer.Typer(help="Gateways and what their data planes hold.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the gateway.")]
User = Annotated[str, typer.Option(help="Only those of this user.")]
State = Annotated[HeldState | None, typer.Option(help="Only those that are this to the sessions.")]


@app.command("list")
def list_() -> None:
    """List gateways."""
    page = console.whole(endpoints.list_gateways)
    console.table(
        (
            {
                "name": node.name,
                "alive": node.alive,
                "serving": node.serving,
                "data plane": node.data_plane,
                "sessions": node.counters.get("sessions", 0),
                "since": node.started_at,
            }
            for node in page.items
        ),
        "no gateway has run yet; start one: coati serve",
    )


@app.command("sad")
def sad(name: Name, user: User = "", state: State = None) -> None:
    """Show the SAs that a gateway's data plane holds now (SAD), without keys."""
    _take_inventory(name)
    page = console.whole(endpoints.list_security_associations, name, user=user, state=state)
    console.table(
        (
            {
                "SPI": each.spi,
                "direction": each.direction,
                "state": each.state,
                "user": each.user,
                "from": each.source,
                "to": each.destination,
                "algorithms": each.algorithms,
                "octets": octets(each.octets),
                "packets": each.packets,
                "replays": each.replays,
                "failures": each.integrity_failures,
            }
            for each in page.items
        ),
        f"the data plane ({page.data_plane}) holds no SA",
    )
    _say_rest(page)


@app.command("spd")
def spd(name: Name, user: User = "", state: State = None) -> None:
    """Show the policies that a gateway's data plane holds now (SPD)."""
    _take_inventory(name)
    page = console.whole(endpoints.list_security_policies, name, user=user, state=state)
    console.table(
        (
            {
                "direction": each.direction,
                "action": each.action,
                "from": each.source,
                "to": each.destination,
                "state": each.state,
                "user": each.user,
                "tunnel": f"{each.tunnel_source} -> {each.tunnel_destination}" if each.action == "protect" else "",
                "priority": each.priority,
                "reqid": each.reqid,
            }
            for each in page.items
        ),
        f"the data plane ({page.data_plane}) holds no policy",
    )
    _say_rest(page)


@app.command("reload")
def reload(name: Name) -> None:
    """Have a gateway read its configuration again."""
    command = orders.wait(console.call(endpoints.reload_gateway, name))
    console.say(f"{name}: {command.message}")


def _take_inventory(name: str) -> None:
    command = orders.wait(console.call(endpoints.dump_security_associations, name))
    if command.outcome is not CommandOutcome.DONE:
        console.complain(f"{name}: {command.message}")
        raise typer.Exit(console.FAILED)


def _say_rest(page: Held[Any]) -> None:
    if page.total > len(page.items):
        console.complain(f"these are {len(page.items)} of {page.total}; the API gives the rest, page by page")


@app.command("orders")
def list_orders(
    name: Annotated[str, typer.Argument(help="Only those for this gateway.")] = "",
    outcome: Annotated[CommandOutcome | None, typer.Option(help="Only those that became this.")] = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=1000, help="At most so many, the latest first.")] = 20,
) -> None:
    """List orders for gateways, and what became of them, the latest first."""
    page = console.call(commands.list_commands, node=name, outcome=outcome, limit=last)
    names = ("id", "created_at", "node", "verb", "session_id", "created_by", "outcome", "message")
    console.table(
        ({name.replace("_", " "): getattr(each, name) for name in names} for each in page.items), "nothing was ordered"
    )

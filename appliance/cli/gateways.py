"""``coati gateway``: which there are, how they are, and what their data planes hold."""

from typing import Annotated

import typer

from appliance.cli import console, orders
from appliance.cli.console import Json
from appliance.gateways import endpoints
from appliance.wording import octets

app = typer.Typer(help="Gateways and what their data planes hold.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the gateway.")]


@app.command("list")
def list_(json: Json = False) -> None:
    """List gateways."""
    page = console.call(endpoints.list_gateways)
    if json:
        console.show_json(page.items)
        return
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
def sad(name: Name, json: Json = False) -> None:
    """Show the Child SAs and policies that a gateway's data plane holds (SAD and SPD), without keys."""
    command = orders.wait(console.call(endpoints.dump_security_associations, name))
    held = command.result or {}
    if json:
        console.show_json(held)
        return
    console.table(
        (
            {
                "in": each["inbound_spi"],
                "out": each["outbound_spi"],
                "state": each["state"],
                "user": each["user"],
                "peer": each["peer"],
                "suite": each["suite"],
                "octets in": octets(each.get("octets_in", 0)),
                "octets out": octets(each.get("octets_out", 0)),
                "replays": each.get("replays", 0),
            }
            for each in held.get("associations", ())
        ),
        "the data plane holds nothing",
    )
    for policy in held.get("policies", ()):
        console.say(f"{policy['direction']:<4}{policy['source']} -> {policy['destination']}  by {policy['spi']}")


@app.command("reload")
def reload(name: Name) -> None:
    """Have a gateway read its configuration again."""
    command = orders.wait(console.call(endpoints.reload_gateway, name))
    console.say(f"{name}: {command.message}")

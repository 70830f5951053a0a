"""``coati lease``: who has which address, or had it last."""

from ipaddress import IPv4Address
from typing import Annotated

import typer

from appliance.cli import console, orders
from appliance.leases import endpoints

app = typer.Typer(help="Addresses that clients have, or had.", no_args_is_help=True)


@app.command("list")
def list_(
    pool: Annotated[str, typer.Option(help="Only those of this pool.")] = "",
    user: Annotated[str, typer.Option(help="Only those that this user has, or had last.")] = "",
    taken: Annotated[bool | None, typer.Option("--taken/--free", help="Only those that clients have now.")] = None,
) -> None:
    """List addresses and who has them, or had them last."""
    page = console.whole(endpoints.list_leases, pool=pool, user=user, taken=taken)
    console.table(
        (
            {
                "address": lease.address,
                "pool": lease.pool,
                "user": lease.user,
                "session": lease.session_id,
                "since": lease.taken_at,
                "free since": lease.free_since,
            }
            for lease in page.items
        ),
        "no address is taken",
    )


@app.command("release")
def release(
    address: Annotated[str, typer.Argument(help="The address.")],
    reason: Annotated[str, typer.Option(help="For the record.")] = "the address was taken back",
) -> None:
    """Take an address back: ends the session that has it, and waits until the gateway has done it."""
    command = orders.wait(console.call(endpoints.release_lease, IPv4Address(address), reason=reason))
    console.say(f"{address}: {command.verb.value} {command.outcome.value} {command.message}".rstrip())

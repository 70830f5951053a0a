"""``coati pool``: address pools and what clients are told along with an address."""

from typing import Annotated

import typer

from appliance.cli import console, options
from appliance.cli.console import Yes
from appliance.cli.options import DryRun, Fields
from appliance.pools import endpoints

app = typer.Typer(help="Address pools.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the pool.")]
_Many = list[str] | None

Network = Annotated[_Many, typer.Option(help="Network of virtual IPs, for example 10.99.0.0/24; repeat for more.")]
Dns = Annotated[_Many, typer.Option(help="DNS server; repeat for more, '' for none.")]
Wins = Annotated[_Many, typer.Option(help="WINS server; repeat for more, '' for none.")]
Domain = Annotated[str | None, typer.Option(help="Default domain.")]
SplitInclude = Annotated[_Many, typer.Option(help="Network to send through the tunnel; '' for everything.")]
SplitExclude = Annotated[_Many, typer.Option(help="Network to keep outside; '' for none.")]
SplitDns = Annotated[_Many, typer.Option(help="Domain to ask our DNS servers about; '' for none.")]
Reachable = Annotated[_Many, typer.Option(help="Network that clients may reach; 0.0.0.0/0 for all.")]
Banner = Annotated[str | None, typer.Option(help="Text that clients show after login.")]
SavePassword = Annotated[bool | None, typer.Option(help="Let clients keep the password.")]
Masquerade = Annotated[bool | None, typer.Option(help="Hide virtual IPs behind the gateway's own address.")]


def _fields(
    network: Network = None,
    dns: Dns = None,
    wins: Wins = None,
    domain: Domain = None,
    split_include: SplitInclude = None,
    split_exclude: SplitExclude = None,
    split_dns: SplitDns = None,
    reachable: Reachable = None,
    banner: Banner = None,
    save_password: SavePassword = None,
    masquerade: Masquerade = None,
) -> Fields:
    """Read what a pool is given on the command line."""
    fields = console.given(locals())
    if "network" in fields:
        fields["networks"] = fields.pop("network")
    return fields


@app.command("add")
@options.of(_fields)
def add(name: Name, fields: Fields) -> None:
    """Add a pool."""
    pool = console.call(endpoints.add_pool, name=name, **fields)
    console.say(f"added pool {pool.name} with {pool.addresses} addresses")


@app.command("set")
@options.of(_fields)
def set_(name: Name, fields: Fields, dry_run: DryRun = False) -> None:
    """Change a pool; what is not named stays."""
    console.call(endpoints.change_pool, name, dry_run=dry_run, **fields)
    console.say(f"pool {name} is changed; clients get it at their next login")


@app.command("list")
def list_() -> None:
    """List pools."""
    page = console.whole(endpoints.list_pools)
    console.table(
        (
            {
                "name": pool.name,
                "networks": pool.networks,
                "taken": f"{pool.taken} of {pool.addresses}",
                "dns": pool.dns,
                "through the tunnel": pool.split_include or "everything",
            }
            for pool in page.items
        ),
        "there is no pool; add one: coati pool add NAME --network 10.99.0.0/24",
    )


@app.command("show")
def show(name: Name) -> None:
    """Show a pool."""
    pool = console.call(endpoints.show_pool, name)
    console.sheet(pool)


@app.command("remove")
def remove(name: Name, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Remove a pool that no profile uses."""
    console.confirm(f"Remove pool {name}?", yes=yes or dry_run)
    console.call(endpoints.remove_pool, name, dry_run=dry_run)
    console.say(f"removed pool {name}")

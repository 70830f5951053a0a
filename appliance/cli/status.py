"""``coati status``: the appliance at a glance, and what is off."""

import typer

from appliance.cli import console
from appliance.system import endpoints
from appliance.system.schemas import StatusView
from appliance.wording import counted, text, with_remedy


def status() -> None:
    """Show what is served, who is connected and what is off; ends with status 1 while something is."""
    shown = console.call(endpoints.show_status)
    problems = [*shown.problems, *(problem for node in shown.nodes for problem in node.problems)]
    _show(shown)
    for problem in problems:
        console.complain(with_remedy(problem.what, problem.remedy))
    if problems:
        raise typer.Exit(console.FAILED)


def _show(shown: StatusView) -> None:
    sessions, users = counted(shown.live_sessions, "live session"), counted(shown.users, "local user")
    console.say(f"Coati {shown.version}: {sessions}, {users}")
    console.say(f"certificate for {text(shown.gateway_names)}, good until {text(shown.gateway_certificate_expires_at)}")
    console.say()
    console.table(
        (
            {
                "gateway": node.name,
                "alive": node.alive,
                "serving": node.serving,
                "data plane": node.data_plane,
                "sessions": node.counters.get("sessions", 0),
                "since": node.started_at,
            }
            for node in shown.nodes
        ),
        "no gateway has run yet; start one: coati serve",
    )
    console.say()
    uses = ({"pool": use.name, "addresses": use.addresses, "taken": use.taken} for use in shown.pools)
    console.table(uses, "there is no pool; add one: coati pool add NAME --network 10.99.0.0/24")

"""``coati session``: who is connected, and who was."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import typer

from appliance.cli import console, orders, transcripts
from appliance.commands.schemas import CommandView
from appliance.errors import ApplianceError
from appliance.models import CommandOutcome
from appliance.sessions import endpoints
from appliance.sessions.schemas import ChildSaView, SessionView, Which
from appliance.transcripts.schemas import Probe
from appliance.wording import octets, with_remedy

T = TypeVar("T")

app = typer.Typer(help="Live and ended sessions.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="Number of the session.")]


@app.command("list")
def list_(
    which: Annotated[Which, typer.Option(help="Live ones, ended ones, or all.")] = Which.LIVE,
    user: Annotated[str, typer.Option(help="Only this user's.")] = "",
) -> None:
    """List sessions."""
    page = console.whole(endpoints.list_sessions, which=which, user=user)
    console.table(map(_row, page.items), "nobody is connected" if which is Which.LIVE else "there is no such session")


def _row(session: SessionView) -> dict[str, object]:
    probing = f" {session.dpd_probe}/{session.dpd_probes}" if session.liveness == "probing" else ""
    return {
        "id": session.id,
        "user": session.user,
        "virtual ip": session.virtual_ip,
        "from": f"{session.peer_address}:{session.peer_port}",
        "client": session.client_software,
        "dpd": session.goodbye or f"{session.liveness}{probing}",
        "in": octets(session.octets_in),
        "out": octets(session.octets_out),
        "since": session.started_at,
        "for": _span((session.ended_at or datetime.now(UTC)) - session.started_at),
    }


@app.command("show")
def show(number: Number) -> None:
    """Show a session, and of a live one the Child SAs with their counters; its gateway is asked for them."""
    session = console.call(endpoints.show_session, number)
    associations = _asked(endpoints.show_session_associations, number) if session.ended_at is None else None
    detection = _asked(endpoints.show_dead_peer_detection, number)
    told = {"security_associations": associations, "dead_peer_detection": detection}
    console.tell(session.model_dump(mode="json") | told)
    console.sheet(session, leave_out=("details",))
    if associations is not None:
        console.say()
        console.table(map(_child_sa, associations.child_sas), "no Child SA is up")
    if detection is not None:
        console.say()
        console.table(map(_probe, detection.probes), "no probe of dead peer detection was needed")


def _asked(endpoint: Callable[..., Awaitable[T]], number: int) -> T | None:
    """Give what the session's gateway tells; one that does not answer is no reason to show nothing."""
    try:
        return console.call(endpoint, number)
    except ApplianceError as error:
        console.complain(with_remedy(error, error.remedy))
        return None


def _child_sa(child: ChildSaView) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "spi in": child.inbound_spi,
        "spi out": child.outbound_spi,
        "state": child.state,
        "algorithms": child.suite,
        "age": _span(now - child.established_at),
        "in": octets(child.octets_in),
        "packets in": child.packets_in,
        "out": octets(child.octets_out),
        "packets out": child.packets_out,
        "failures": child.integrity_failures,
        "replays": child.replays,
        "rekey in": _span(child.rekeys_at - now) if child.rekeys_at is not None else None,
        "ends in": _span(child.ends_at - now),
    }


def _probe(probe: Probe) -> dict[str, object]:
    answered, round_trip = probe.answered_at, probe.round_trip_seconds
    return {
        "asked": probe.at,
        "tries": probe.tries,
        "answered": answered if answered is not None else "no",
        "round trip": f"{round_trip * 1000:.1f} ms" if round_trip is not None else None,
    }


def _span(length: timedelta) -> str:
    return str(max(length, timedelta())).partition(".")[0]


@app.command("transcript")
def transcript(number: Number) -> None:
    """Show what gateway and client said to each other, message by message; of a live session its gateway is asked."""
    said = console.call(endpoints.show_transcript, number)
    transcripts.show(said)


@app.command("policy")
def policy(number: Number) -> None:
    """Show what counts for a live session, and where each value comes from."""
    shown = console.call(endpoints.show_session_policy, number)
    rows = ({"attribute": each.attribute, "value": each.value, "from": each.level} for each in shown.values)
    console.table(rows, "nothing is known")


@app.command("disconnect")
def disconnect(
    number: Annotated[int | None, typer.Argument(help="Number of the session.")] = None,
    user: Annotated[str, typer.Option(help="All sessions of this user instead.")] = "",
    reason: Annotated[str, typer.Option(help="For the record.")] = "disconnected by the administrator",
    block: Annotated[bool, typer.Option("--block", help="Also disable the session's local user.")] = False,
) -> None:
    """End a session, or all of a user, and wait until the gateway has done it."""
    if (number is None) == (not user):
        raise typer.BadParameter("name one session by its number, or a user by --user")
    if block and number is None:
        raise typer.BadParameter("--block goes with the number of a session; for a user: coati user disable")
    if number is not None:
        _await(console.call(endpoints.disconnect_session, number, reason=reason, block=block))
        return
    live = console.whole(endpoints.list_sessions, user=user).items
    for session in live:
        _await(console.call(endpoints.disconnect_session, session.id, reason=reason))
    if not live:
        console.say(f"{user} is not connected")


@app.command("rekey")
def rekey(number: Number) -> None:
    """Make new Child SAs in place of a session's present ones."""
    _await(console.call(endpoints.rekey_session, number))


def _await(command: CommandView) -> None:
    """Wait for what becomes of a command, and say it."""
    command = orders.wait(command)
    console.say(
        f"session {command.session_id}: {command.verb.value} {command.outcome.value} {command.message}".rstrip()
    )
    if command.outcome is CommandOutcome.FAILED:
        raise typer.Exit(console.FAILED)

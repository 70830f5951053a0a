"""``coati history``: who came, who went, who failed to; as ``last`` and ``lastb`` tell it of a machine."""

from typing import Annotated

import typer

from appliance.cli import console
from appliance.history import endpoints
from appliance.history.schemas import Visit
from appliance.models import EventKind
from appliance.wording import octets, text


def history(
    user: Annotated[str, typer.Argument(help="Only this user.", show_default=False)] = "",
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=1000, help="At most so many, the latest first.")] = 20,
) -> None:
    """Show stays and failed logins, the latest first."""
    visits = console.call(endpoints.list_visits, user=user, last=last)
    console.tell([visit.event for visit in visits])
    console.table((_line(visit) for visit in visits), "nobody came yet")


def _line(visit: Visit) -> dict[str, object]:
    event = visit.event
    failed = event.kind is EventKind.FAILURE
    return {
        "user": event.user,
        "address": event.virtual_ip,
        "from": event.peer_address,
        "began": event.began_at or event.at,
        "ended": "failed" if failed else event.at if visit.ended else "still connected",
        "duration": _duration(event.duration_seconds),
        "in": octets(event.octets_in) if event.octets_in or (visit.ended and not failed) else "",
        "out": octets(event.octets_out) if event.octets_out or (visit.ended and not failed) else "",
        "realm": event.realm,
        "why": event.reason or text(event.cause) if visit.ended else "",
    }


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    return f"{f'{days}+' if days else ''}{hours:02}:{rest // 60:02}:{rest % 60:02}"

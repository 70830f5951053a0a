"""What the data plane holds, beside what the sessions know of it: the SAD and SPD view (RFC 4301 section 4.4).

Asked of whichever data plane it is, so that it reads the same over the kernel's XFRM and in user space. Keys
are not in it: the data plane is not asked for them.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from appliance.gateway.stay import Stay
    from ike_engine.dataplane.interface import ChildCounters

_UNKNOWN = {"session_id": None, "user": "", "peer": "", "outbound_spi": "", "suite": ""}


def view(stays: Iterable[Stay], held: Collection[ChildCounters]) -> dict[str, list[dict[str, Any]]]:
    """Give every Child SA and every policy.

    Args:
        stays: The live sessions.
        held: What the data plane counts: every Child SA that it holds.

    Returns:
        ``associations``, each with its ``state``: ``installed``; ``orphan``: held, but of no session; ``missing``:
        of a session, but not held. And ``policies``: which packets each of them is for.
    """
    known = {child["inbound_spi"]: (stay, child) for stay in stays for child in stay.columns["details"]["child_sas"]}
    counted = {f"{counters.inbound_spi:08x}": counters for counters in held}
    associations = []
    for spi in chain(known, (spi for spi in counted if spi not in known)):
        counters = counted.get(spi)
        said = _said(*known[spi]) if spi in known else _UNKNOWN
        state = ("installed" if spi in known else "orphan") if counters is not None else "missing"
        associations.append({"inbound_spi": spi, "state": state, **said, **(_counted(counters) if counters else {})})
    return {"associations": associations, "policies": [each for pair in known.values() for each in _policies(*pair)]}


def _said(stay: Stay, child: dict[str, Any]) -> dict[str, Any]:
    return {
        "session_id": stay.id,
        "user": stay.user,
        "peer": stay.peer,
        **{name: child[name] for name in ("outbound_spi", "suite", "lifetime_seconds", "established_at")},
    }


def _counted(counters: ChildCounters) -> dict[str, Any]:
    names = ("octets_in", "octets_out", "packets_in", "packets_out", "integrity_failures", "replays", "idle_seconds")
    return {name: getattr(counters, name) for name in names}


def _policies(stay: Stay, child: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for ours in child["local_networks"]:
        for theirs in child["remote_networks"]:
            for direction, source, destination in (("in", theirs, ours), ("out", ours, theirs)):
                spi = child["inbound_spi"] if direction == "in" else child["outbound_spi"]
                yield {
                    "direction": direction,
                    "source": source,
                    "destination": destination,
                    "spi": spi,
                    "user": stay.user,
                }

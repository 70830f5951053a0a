"""What the data plane holds, beside what the sessions know of it: the SAD and SPD view (RFC 4301 section 4.4).

The entries are the data plane's own, the kernel's tables or those of the esp process; keys are not in them.
Sessions add whose they are, and what of theirs should be held and is not.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from appliance.gateways.schemas import HeldState, Inventory, SecurityAssociationView, SecurityPolicyView
from ike_engine.dataplane.databases import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from appliance.gateway.record.stay import Stay
    from ike_engine.dataplane.databases import Databases, SadEntry, SpdEntry

_STATES: Final = {
    Owner.NOBODY: HeldState.ORPHAN,
    Owner.OTHERS: HeldState.FOREIGN,
}


def inventory(live: Mapping[int, Stay], held: Databases, *, data_plane: str, taken_at: datetime) -> Inventory:
    """Give every SA and every policy, and whose it is.

    Args:
        live: The sessions of the moment, by peer.
        held: What the data plane says.
        data_plane: Which one it is.
        taken_at: When it said so.
    """
    known = {
        (peer_id, child["inbound_spi"]): (stay, child)
        for peer_id, stay in live.items()
        for child in stay.columns["details"]["child_sas"]
    }
    sad = [_association(entry, known.get((entry.peer_id, _spi(entry.inbound_spi)))) for entry in held.sad]
    there = {(each.inbound_spi, each.direction) for each in sad if each.state is HeldState.INSTALLED}
    missing = [
        each for pair in known.values() for each in _halves(*pair) if (each.inbound_spi, each.direction) not in there
    ]
    return Inventory(
        data_plane=data_plane,
        taken_at=taken_at,
        sad=sad + missing,
        spd=[_policy(entry, live.get(entry.peer_id)) for entry in held.spd],
    )


def _association(entry: SadEntry, known: tuple[Stay, dict[str, Any]] | None) -> SecurityAssociationView:
    said = asdict(entry)
    for name in ("owner", "peer_id", "source", "destination"):
        del said[name]
    return SecurityAssociationView.model_validate(
        said
        | _holder(entry.owner, known[0] if known else None)
        | {
            "direction": entry.direction.name.lower(),
            "spi": _spi(entry.spi),
            "inbound_spi": _spi(entry.inbound_spi) if entry.inbound_spi else "",
            "source": str(entry.source) if entry.encapsulated else entry.source.ip,
            "destination": str(entry.destination) if entry.encapsulated else entry.destination.ip,
        }
    )


def _halves(stay: Stay, child: dict[str, Any]) -> Iterator[SecurityAssociationView]:
    """Give the two SAs of a Child SA that a session knows of, as missing."""
    ours, theirs = stay.columns["local_address"], stay.columns["peer_address"]
    for direction, source, destination in (("in", theirs, ours), ("out", ours, theirs)):
        yield SecurityAssociationView.model_validate(
            {
                "state": HeldState.MISSING,
                "session_id": stay.id,
                "user": stay.user,
                "direction": direction,
                "spi": child[f"{direction}bound_spi"],
                "inbound_spi": child["inbound_spi"],
                "source": source,
                "destination": destination,
                "algorithms": child["suite"],
                "lifetime_seconds": child["lifetime_seconds"],
            }
        )


def _policy(entry: SpdEntry, stay: Stay | None) -> SecurityPolicyView:
    said = asdict(entry)
    for name in ("owner", "peer_id"):
        del said[name]
    words = {"direction": entry.direction.name.lower(), "action": entry.action.name.lower()}
    return SecurityPolicyView.model_validate(said | _holder(entry.owner, stay) | words)


def _holder(owner: Owner, stay: Stay | None) -> dict[str, Any]:
    if stay is not None:
        return {"state": HeldState.INSTALLED, "session_id": stay.id, "user": stay.user}
    return {"state": _STATES.get(owner, HeldState.ORPHAN)}


def _spi(spi: int) -> str:
    return f"{spi:08x}"

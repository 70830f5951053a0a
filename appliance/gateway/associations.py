"""What the data plane holds, beside what the sessions know of it: the SAD and SPD view (RFC 4301 section 4.4).

The entries are the data plane's own, the kernel's tables or those of the esp process; keys are not in them.
Sessions add whose they are, and what of theirs should be held and is not. And the other way round: the SAs of one
session, with what the data plane counted and the engine's clocks say of each.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from appliance.gateway.record.stay import Octets
from appliance.gateways.schemas import HeldState, Inventory, SecurityAssociationView, SecurityPolicyView
from appliance.sessions.schemas import ChildSaState, ChildSaView, IsakmpSaView, SessionAssociations
from ike_engine.dataplane.databases import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from appliance.gateway.record.stay import Stay
    from ike_engine.child_sa import ChildLife
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


def of_session(
    stay: Stay, lives: Sequence[ChildLife], moment: Callable[[float], datetime], *, taken_at: datetime
) -> SessionAssociations:
    """Give the SAs of a session.

    Args:
        stay: The session; it knows what was counted of each Child SA.
        lives: What the engine's clocks say of them.
        moment: Makes a time of day of a moment on the engine's clock.
        taken_at: Now.
    """
    details = stay.columns["details"]
    clocks = {_spi(life.inbound_spi): life for life in lives}
    return SessionAssociations(
        taken_at=taken_at,
        isakmp_sa=IsakmpSaView.of(details),
        child_sas=[
            _child_sa(child, life, stay, moment)
            for child in details["child_sas"]
            if (life := clocks.get(child["inbound_spi"])) is not None
        ],
    )


def _child_sa(told: dict[str, Any], life: ChildLife, stay: Stay, moment: Callable[[float], datetime]) -> ChildSaView:
    pace = stay.pace.get(life.inbound_spi)
    state = ChildSaState.REKEYING if life.rekeying else ChildSaState.INSTALLED
    clocks = {
        "state": ChildSaState.REPLACED if life.replaced else state,
        "rekeys_at": moment(life.rekeys_at) if life.rekeys_at is not None else None,
        "ends_at": moment(life.ends_at),
        "rate_in": pace.rate_in if pace is not None else 0.0,
        "rate_out": pace.rate_out if pace is not None else 0.0,
    }
    return ChildSaView.model_validate(told | clocks | asdict(stay.octets.get(life.inbound_spi, Octets())))


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

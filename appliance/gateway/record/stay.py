"""One user's stay as the table ``sessions`` will tell it: plain state that events change."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from appliance.auth.verdicts import Claim
from ike_engine.events import (
    ChildSaEstablished,
    IsakmpSaEstablished,
    Liveness,
    LivenessChanged,
    PeerConnected,
    PeerGone,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance import models
    from appliance.gateway.admission.terms import Terms
    from appliance.transcripts.stored import Stored
    from ike_engine.dataplane.interface import ChildCounters
    from ike_engine.path import Path

_NAME_CHARACTERS = 128
_LINE_CHARACTERS = 512
_SHORTEST_PACE_SECONDS = 0.5
_EARLIER = 0  # no SPI: what Child SAs carried that were gone before this process began
_MOST_ISAKMP_SAS = 20

# Vendor IDs that say who rather than what a client is, the most telling first.
_TELLING_VENDORS = ("strongSwan", "Cisco", "IPsec-Tools", "KAME", "Microsoft")
_NOT_SOFTWARE = ("Cisco Unity", "Cisco fragmentation", "Cisco delete with reason")


def line(text: str, most: int = _LINE_CHARACTERS) -> str:
    """Give what a peer said as one printable line that fits its column."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return text[:most]


def name(text: str) -> str:
    """The same for a shorter column."""
    return line(text, _NAME_CHARACTERS)


class Whose(NamedTuple):
    """Whom something is counted for: a user of one realm; a namesake of another realm is somebody else.

    Attributes:
        user: In lower case: some servers let the same user in however the name is written.
    """

    realm: str
    user: str

    @classmethod
    def of(cls, claim: Claim | None, user: str) -> Self:
        """Give whom a realm let in by this name."""
        spelled = unicodedata.normalize("NFC", user.strip().lower())
        return cls(name(claim.realm) if claim is not None else "", name(spelled))


@dataclass(slots=True)
class Octets:
    """What one Child SA carried so far, and what was dropped of it."""

    octets_in: int = 0
    octets_out: int = 0
    packets_in: int = 0
    packets_out: int = 0
    integrity_failures: int = 0
    replays: int = 0

    @classmethod
    def of(cls, counters: ChildCounters) -> Octets:
        """As the data plane counted them."""
        return cls(
            counters.octets_in,
            counters.octets_out,
            counters.packets_in,
            counters.packets_out,
            counters.integrity_failures,
            counters.replays,
        )


@dataclass(slots=True)
class Pace:
    """How fast one Child SA carries, between the last two times that it was counted."""

    counted_at: datetime
    rate_in: float = 0.0
    rate_out: float = 0.0


@dataclass(slots=True, eq=False)
class Stay:
    """A session from its first Child SA on.

    Attributes:
        columns: Of the row, but for the traffic.
        claim: What the realm said that let the user in; ``None`` when nothing is known of it.
        terms: What was decided for the user at the login.
        heard_traffic_at: When the data plane last had something from the client.
        octets_counted: So many were added to what the user transferred.
        id: The row's key once it is written.
        said: The transcript, once it is over.
        pace: By inbound SPI, of the Child SAs that are up.
        octets: By inbound SPI; Child SAs that are gone stay, for they carried what they carried.
    """

    columns: dict[str, Any]
    heard_traffic_at: datetime
    claim: Claim | None = None
    terms: Terms | None = None
    octets_counted: int = 0
    id: int | None = None
    octets: dict[int, Octets] = field(default_factory=dict)
    pace: dict[int, Pace] = field(default_factory=dict)
    said: Stored | None = None

    @classmethod
    def begin(
        cls, event: PeerConnected, *, node: str, at: datetime, pool: str, hostname: str, terms: Terms | None = None
    ) -> Stay:
        """The first Child SA is up."""
        claim = event.claim if isinstance(event.claim, Claim) else None
        return cls(
            {
                "node": node,
                "peer_id": event.peer_id,
                "user": name(event.user),
                "profile": name(event.profile),
                "pool": pool,
                "realm": name(claim.realm) if claim is not None else "",
                "group": name(terms.effective.group) if terms is not None else "",
                "ends_at": terms.end.at if terms is not None and terms.end is not None else None,
                "authentication": event.authentication,
                "mode": event.mode,
                "identity": line(event.identity),
                "behind_nat": event.behind_nat,
                "virtual_ip": str(event.virtual_ip) if event.virtual_ip is not None else None,
                "networks": terms.networks if terms is not None else (),
                "packets_blocked": 0,
                "hostname": line(hostname),
                "client_software": _software(event),
                "vendor_ids": tuple(name(vendor) for vendor in event.vendor_ids),
                "started_at": at,
                **_path(event.path),
                "ike_suite": event.ike_suite,
                "esp_suite": event.esp_suite,
                "liveness": Liveness.ALIVE.value,
                "dpd_probe": 0,
                "dpd_probes": 0,
                "last_heard_at": at,
                "round_trip_seconds": None,
                "ended_at": None,
                "goodbye": "",
                "goodbye_reason": "",
                "details": {"isakmp_sa": None, "child_sas": []},
            },
            heard_traffic_at=at,
            claim=claim,
            terms=terms,
        )

    @classmethod
    def resume(cls, row: models.Session, claim: Claim | None, carried: Sequence[ChildCounters]) -> Stay:
        """A session of an earlier process goes on.

        Args:
            row: Its row.
            claim: What the realm said.
            carried: What the data plane has counted of its Child SAs so far.
        """
        # Those that are loaded only when somebody asks (the transcript) are written at the end.
        columns = {name: value for name, value in vars(row).items() if name in row.__table__.columns and name != "id"}
        octets = {child.inbound_spi: Octets.of(child) for child in carried}
        stay = cls(
            columns | {"liveness": Liveness.ALIVE.value, "dpd_probe": 0, "dpd_probes": 0},
            heard_traffic_at=row.last_heard_at or row.started_at,
            claim=claim,
            octets_counted=row.octets_in + row.octets_out,
            id=row.id,
            octets=octets,
        )
        now = stay.traffic()
        # What Child SAs carried that are gone is in the row's totals alone.
        octets[_EARLIER] = Octets(*(max(0, getattr(row, name) - now[name]) for name in now))
        stay._detail(child_sas=[child for child in row.details["child_sas"] if int(child["inbound_spi"], 16) in octets])
        return stay

    @property
    def user(self) -> str:
        """Canonical name."""
        return str(self.columns["user"])

    @property
    def whose(self) -> Whose:
        """Whom it counts for."""
        return Whose.of(self.claim, self.user)

    @property
    def peer_id(self) -> int:
        """The engine's handle."""
        return int(self.columns["peer_id"])

    @property
    def account(self) -> int | None:
        """Key of the local user, ``None`` when another realm knows the user."""
        return self.claim.account if self.claim is not None else None

    @property
    def peer(self) -> str:
        """Address and port of the client or its NAT."""
        return f"{self.columns['peer_address']}:{self.columns['peer_port']}"

    def traffic(self) -> dict[str, int]:
        """Give the columns of the traffic: all Child SAs together."""
        all_children = self.octets.values()
        return {
            "octets_in": sum(octets.octets_in for octets in all_children),
            "octets_out": sum(octets.octets_out for octets in all_children),
            "packets_in": sum(octets.packets_in for octets in all_children),
            "packets_out": sum(octets.packets_out for octets in all_children),
        }

    def rates(self) -> dict[str, float]:
        """Give the columns of how fast it goes, in octets a second."""
        return {
            "rate_in": sum(pace.rate_in for pace in self.pace.values()),
            "rate_out": sum(pace.rate_out for pace in self.pace.values()),
        }

    def isakmp_sa(self, event: IsakmpSaEstablished, at: datetime) -> None:
        """The first ISAKMP SA, or the one that a rekeying put in its place."""
        self.columns["ike_suite"] = event.suite
        numbers = [*self.columns["details"].get("isakmp_sas", ()), event.isakmp_sa]
        self._detail(
            isakmp_sas=numbers[-_MOST_ISAKMP_SAS:],
            isakmp_sa={
                "initiator_spi": event.initiator_spi.hex(),
                "responder_spi": event.responder_spi.hex(),
                "suite": event.suite,
                "mode": event.mode,
                "lifetime_seconds": event.lifetime_seconds,
                "established_at": at.isoformat(timespec="seconds"),
            },
        )

    def child_sa(self, event: ChildSaEstablished, at: datetime) -> None:
        """A Child SA is up."""
        self.octets[event.inbound_spi] = Octets()
        self.columns["esp_suite"] = event.suite
        self._detail(
            child_sas=[
                *self.columns["details"]["child_sas"],
                {
                    "inbound_spi": _spi(event.inbound_spi),
                    "outbound_spi": _spi(event.outbound_spi),
                    "suite": event.suite,
                    "local_networks": [str(network) for network in event.local_networks],
                    "remote_networks": [str(network) for network in event.remote_networks],
                    "lifetime_seconds": event.lifetime_seconds,
                    "established_at": at.isoformat(timespec="seconds"),
                },
            ]
        )

    def child_sa_removed(self, inbound_spi: int) -> None:
        """A Child SA is gone; what it carried still counts."""
        self.pace.pop(inbound_spi, None)
        gone = _spi(inbound_spi)
        self._detail(
            child_sas=[child for child in self.columns["details"]["child_sas"] if child["inbound_spi"] != gone]
        )

    def moved(self, path: Path, at: datetime) -> None:
        """The client is somewhere else now."""
        self.columns |= _path(path)
        self.columns["last_heard_at"] = at

    def altered(self, terms: Terms) -> None:
        """Its realm says something else of it now."""
        self.terms, self.claim = terms, terms.claim
        self.columns["group"] = name(terms.effective.group)
        self.columns["ends_at"] = terms.end.at if terms.end is not None else None

    def liveness(self, event: LivenessChanged, at: datetime) -> None:
        """DPD has news."""
        self.columns["liveness"] = event.liveness.value
        self.columns["dpd_probe"] = event.probe
        self.columns["dpd_probes"] = event.probes
        self.columns["round_trip_seconds"] = event.round_trip_seconds
        if event.liveness is Liveness.ALIVE:
            self.columns["last_heard_at"] = at

    def counted(self, counters: ChildCounters, at: datetime) -> bool:
        """The data plane counted; tells whether anything moved since the last time."""
        octets = self.octets[counters.inbound_spi]
        latest = Octets.of(counters)
        slowed = self._measure(counters.inbound_spi, octets, latest, at)
        if octets == latest:
            return slowed
        self.octets[counters.inbound_spi] = latest
        if counters.idle_seconds is not None:
            heard_at = at - timedelta(seconds=counters.idle_seconds)
            self.heard_traffic_at = max(heard_at, self.heard_traffic_at)
            self.columns["last_heard_at"] = max(heard_at, self.columns["last_heard_at"])
        return True

    def _measure(self, inbound_spi: int, before: Octets, after: Octets, at: datetime) -> bool:
        """Take the pace since it was last counted; tells whether it was another before."""
        pace = self.pace.get(inbound_spi)
        if pace is None:
            self.pace[inbound_spi] = Pace(at)
            return False
        seconds = (at - pace.counted_at).total_seconds()
        if seconds < _SHORTEST_PACE_SECONDS:
            return False
        measured = Pace(
            at, (after.octets_in - before.octets_in) / seconds, (after.octets_out - before.octets_out) / seconds
        )
        self.pace[inbound_spi] = measured
        return (pace.rate_in, pace.rate_out) != (measured.rate_in, measured.rate_out)

    def end(self, event: PeerGone, at: datetime) -> None:
        """It is over."""
        self.pace.clear()
        self.columns["ended_at"] = at
        self.columns["goodbye"] = event.goodbye.value
        self.columns["goodbye_reason"] = line(event.reason)

    def _detail(self, **changes: object) -> None:
        # A new dictionary each time: the writer may be reading the one before.
        self.columns["details"] = self.columns["details"] | changes


def _path(path: Path) -> dict[str, Any]:
    return {
        "peer_address": path.remote.ip,
        "peer_port": path.remote.port,
        "local_address": path.local.ip,
    }


def _spi(spi: int) -> str:
    return f"{spi:08x}"


def _software(event: PeerConnected) -> str:
    if event.application_version:
        return line(event.application_version)
    for telling in _TELLING_VENDORS:
        for vendor in event.vendor_ids:
            if vendor.startswith(telling) and vendor not in _NOT_SOFTWARE:
                return line(vendor)
    return ""

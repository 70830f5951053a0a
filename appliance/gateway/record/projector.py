"""Turns the engine's events into what the tables shall say, and into the log of who came and went.

Nothing here waits: events change plain values, and ``collect`` gives what changed since it was
called last. However much happens to a session between two transactions, it is one row in the next.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from appliance.auth.verdicts import Claim
from appliance.gateway.record.notes import Noted, Notes
from appliance.gateway.record.stay import Stay, line, name
from appliance.metrics.histogram import Histogram
from appliance.models.columns import now as utc_now
from appliance.transcripts.stored import pack
from ike_engine.dataplane.interface import Counters, Report
from ike_engine.events import (
    ChildSaEstablished,
    ChildSaRemoved,
    DatagramDropped,
    Event,
    IsakmpSaEstablished,
    Liveness,
    LivenessChanged,
    PeerConnected,
    PeerGone,
    PeerMoved,
    PeerRefused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from appliance.gateway.admission.leases import Leases
    from appliance.gateway.admission.terms import Terms
    from appliance.gateway.compile import Problem
    from appliance.gateway.record.observers import SessionObserver
    from appliance.gateway.record.rows import Row
    from ike_engine.dataplane.blocked import Blocked

logger = structlog.get_logger(__name__)

_LATE_COUNTERS_SECONDS = 15.0
_MOST_EARLY_PEERS = 10_000
_MOST_DROP_REASONS = 100
_MOST_LINES = 100
_MOST_WAITING_REFUSALS = 1_000
# Strangers can be refused at any rate they like: rows and log lines are for people to read.
_REFUSALS_A_SECOND = 10.0
_REFUSALS_AT_ONCE = 200.0


@dataclass(frozen=True, slots=True)
class Status:
    """How a gateway is.

    Attributes:
        serving: It answers IKE.
        problems: What is off, and how to switch it on.
        counters: What the engine and the runtime count.
        realms: How each realm is.
    """

    serving: bool = False
    problems: tuple[Problem, ...] = ()
    counters: dict[str, Any] = field(default_factory=dict)
    realms: dict[str, dict[str, Any]] = field(default_factory=dict)


class Projector:
    """What the database shall know of one gateway.

    Args:
        node: Its name in the database.
        leases: Whose changes go along; an address is freed when its peer is gone.
        pool_name: Gives the name of a pool by its key.
        wake: Called when there is something to write.
        query_counters: Asks the data plane for the counters of these Child SAs.
        status: How the gateway is at the moment, for its node's row.
        observers: Who else is told.
        wall_clock, clock: Aware time, and monotonic seconds.

    Attributes:
        logins: Sessions that began since the start.
        refusals: Clients turned away since the start, by stage.
        unrecorded_refusals: Of these, so many came too fast to be written down.
        dropped: Datagrams that were not acted on, by reason.
        realm_logins: Logins by the realm that judged them, and whether they became a session.
        blocked: Packets of clients that the firewall turned away, by why.
        goodbyes: Sessions that ended, by who ended them.
        liveness: News of DPD, by what they said.
        octets: Carried ``in`` from clients and ``out`` to them.
        login_seconds: How long logins took that led to a session.
    """

    def __init__(
        self,
        node: str,
        leases: Leases,
        *,
        pool_name: Callable[[int], str],
        wake: Callable[[], None],
        query_counters: Callable[[tuple[int, ...]], None],
        status: Callable[[], Status],
        observers: Sequence[SessionObserver] = (),
        wall_clock: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.logins = 0
        self.refusals: Counter[str] = Counter()
        self.unrecorded_refusals = 0
        self.dropped: Counter[str] = Counter()
        self.realm_logins: dict[str, Counter[str]] = {}
        self.blocked: Counter[str] = Counter()
        self.goodbyes: Counter[str] = Counter()
        self.liveness: Counter[str] = Counter()
        self.octets: Counter[str] = Counter()
        self.login_seconds = Histogram()
        self._node = node
        self._leases = leases
        self._pool_name = pool_name
        self._wake = wake
        self._query_counters = query_counters
        self._status = status
        self._observers = tuple(observers)
        self._wall_clock = wall_clock
        self._clock = clock
        self._live: dict[int, Stay] = {}
        self._by_spi: dict[int, Stay] = {}
        self._gone_children: deque[tuple[float, int]] = deque()
        # Phase 1 is told before the session that it leads to; some never lead to one.
        self._early: OrderedDict[int, list[IsakmpSaEstablished | ChildSaEstablished]] = OrderedDict()
        self._refusal_budget = _REFUSALS_AT_ONCE
        self._refused_at = clock()
        self._noted = Notes()

    # ---- what there is --------------------------------------------------------------------------

    @property
    def live(self) -> dict[int, Stay]:
        """The sessions of the moment, by peer."""
        return self._live

    def counters(self) -> dict[str, Any]:
        """Give what happened since the start, for the node's row."""
        return {
            "sessions": len(self._live),
            "leases": len(self._leases),
            "logins": self.logins,
            "refusals": dict(self.refusals),
            "unrecorded_refusals": self.unrecorded_refusals,
            "datagrams_dropped": dict(self.dropped),
            "realm_logins": {realm: dict(results) for realm, results in self.realm_logins.items()},
            "packets_blocked": dict(self.blocked),
            "goodbyes": dict(self.goodbyes),
            "liveness": dict(self.liveness),
            "octets": dict(self.octets),
            "login_seconds": self.login_seconds.as_counters(),
        }

    # ---- what is told -----------------------------------------------------------------------------

    def adopt(self, stay: Stay) -> None:
        """Know of a session that began in an earlier process."""
        self._live[stay.peer_id] = stay
        for spi in stay.octets:
            self._by_spi[spi] = stay

    def resumed(self, stay: Stay) -> None:
        """It goes on."""
        self._noted.changed[stay] = None
        for observer in self._observers:
            observer.resumed(stay)
        self._wake()

    def on_event(self, event: Event) -> None:
        """Take in what the engine reports; never blocks."""
        match event:
            case DatagramDropped():
                self._on_dropped(event)
                return
            case IsakmpSaEstablished():
                self._on_isakmp_sa(event)
            case ChildSaEstablished():
                self._on_child_sa(event)
            case PeerConnected():
                self._on_connected(event)
            case ChildSaRemoved():
                self._on_child_sa_removed(event)
            case PeerMoved():
                self._log(event.peer_id, "client moved", to=str(event.path.remote))
                self._change(event.peer_id, lambda stay, at: stay.moved(event.path, at))
            case LivenessChanged():
                self._on_liveness(event)
            case PeerGone():
                self._on_gone(event)
            case PeerRefused():
                self._on_refused(event)
        self._wake()

    def on_report(self, report: Report) -> None:
        """Take in what the data plane counted."""
        if not isinstance(report, Counters):
            return
        at = self._wall_clock()
        for counters in report.children:
            stay = self._by_spi.get(counters.inbound_spi)
            if stay is None:
                continue
            before = stay.octets[counters.inbound_spi]
            if stay.counted(counters, at):
                self.octets["in"] += counters.octets_in - before.octets_in
                self.octets["out"] += counters.octets_out - before.octets_out
                self._noted.counted[stay] = None
                for observer in self._observers:
                    observer.changed(stay)
        too_late = self._clock() - _LATE_COUNTERS_SECONDS
        while self._gone_children and self._gone_children[0][0] < too_late:
            self._by_spi.pop(self._gone_children.popleft()[1], None)
        if self._noted.counted:
            self._wake()

    def on_blocked(self, blocked: Blocked) -> None:
        """Take in what the firewall turned away."""
        self.blocked["not-reachable"] += sum(blocked.by_source.values())
        self.blocked["stray"] += blocked.strays
        if not blocked.by_source:
            return
        of_address = {stay.columns["virtual_ip"]: stay for stay in self._live.values()}
        with_networks = [stay for stay in self._live.values() if stay.columns["networks"]]
        for source, packets in blocked.by_source.items():
            stay = of_address.get(str(source)) or next(
                (stay for stay in with_networks if any(source in each for each in stay.columns["networks"])), None
            )
            if stay is not None:
                stay.columns["packets_blocked"] += packets
                self._noted.changed[stay] = None
        self._wake()

    def command_finished(self, key: int, outcome: object, message: str, result: dict[str, Any] | None = None) -> None:
        """Tell whoever gave the command what became of it, in the transaction that tells the rest."""
        self._noted.commands.append(
            {
                "row": key,
                "outcome": outcome,
                "message": message,
                "result": result,
                "secret": None,
                "finished_at": self._wall_clock(),
            }
        )
        self._wake()

    def moment(self, seconds: float) -> datetime:
        """Give the time of day of a moment on the engine's clock."""
        return self._wall_clock() + timedelta(seconds=seconds - self._clock())

    def beat(self) -> None:
        """Show that this gateway lives, and how."""
        self._noted.heartbeat = True
        self._wake()

    # ---- what is to be written ----------------------------------------------------------------------

    def collect(self) -> Noted | None:
        """Give all changes since the last call, or ``None``."""
        noted, self._noted = self._noted, Notes()
        noted.leases = self._leases.take_changes()
        noted.observed += [written for observer in self._observers for written in observer.collect() if written.rows]
        if not noted.any():
            return None
        # The node's counters tell of the same as the rows beside them.
        noted.heartbeat = noted.heartbeat or bool(noted.changed or noted.refusals)
        return Noted(noted, self._node, self._node_row() if noted.heartbeat else None, self._put_back)

    def _node_row(self) -> Row:
        status = self._status()
        return {
            "row": self._node,
            "heartbeat_at": self._wall_clock(),
            "serving": status.serving,
            "realms": status.realms,
            "problems": [{"what": problem.what, "remedy": problem.remedy} for problem in status.problems],
            "counters": self.counters() | status.counters,
        }

    def _put_back(self, notes: Notes) -> None:
        """The database is away: keep for the next time what nothing later replaces."""
        later, self._noted = self._noted, notes
        self._leases.give_back(notes.leases)
        notes.leases = {}
        notes.changed |= later.changed
        notes.counted |= later.counted
        notes.logins |= later.logins
        notes.refusals = [*notes.refusals, *later.refusals][-_MOST_WAITING_REFUSALS:]
        notes.commands += later.commands
        notes.observed += later.observed
        notes.heartbeat |= later.heartbeat

    def altered(self, peer_id: int, terms: Terms) -> None:
        """A session goes on under other terms."""
        self._change(peer_id, lambda stay, _: stay.altered(terms))
        self._wake()

    # ---- event by event -----------------------------------------------------------------------------

    def _change(self, peer_id: int, change: Callable[[Stay, datetime], None]) -> None:
        if (stay := self._live.get(peer_id)) is not None:
            change(stay, self._wall_clock())
            self._noted.changed[stay] = None
            for observer in self._observers:
                observer.changed(stay)

    def _log(self, peer_id: int, what: str, **more: object) -> None:
        """Write down what happens to a live session."""
        if (stay := self._live.get(peer_id)) is not None:
            logger.info(what, peer_id=peer_id, user=stay.user, peer=stay.peer, **more)

    def _on_liveness(self, event: LivenessChanged) -> None:
        self.liveness[event.liveness.value] += 1
        stay = self._live.get(event.peer_id)
        if event.liveness is not Liveness.ALIVE:
            self._log(event.peer_id, f"client is {event.liveness.value}", probe=event.probe, of=event.probes)
        elif stay is not None and stay.columns["liveness"] != event.liveness.value:
            self._log(event.peer_id, "client is alive again")
        self._change(event.peer_id, lambda stay, at: stay.liveness(event, at))

    def _on_isakmp_sa(self, event: IsakmpSaEstablished) -> None:
        if event.peer_id in self._live:
            self._log(event.peer_id, "ISAKMP SA renewed", suite=event.suite, carried_over=event.carried_over)
            self._change(event.peer_id, lambda stay, at: stay.isakmp_sa(event, at))
        else:
            self._early.setdefault(event.peer_id, []).append(event)
            if len(self._early) > _MOST_EARLY_PEERS:
                self._early.popitem(last=False)

    def _on_child_sa(self, event: ChildSaEstablished) -> None:
        stay = self._live.get(event.peer_id)
        if stay is None:  # the first one is told before the session that it begins
            self._early.setdefault(event.peer_id, []).append(event)
            return
        self._by_spi[event.inbound_spi] = stay
        renewed = "Child SA renewed" if event.replaces is not None else "Child SA added"
        self._log(event.peer_id, renewed, suite=event.suite, spi=f"{event.inbound_spi:08x}")
        self._change(event.peer_id, lambda stay, at: stay.child_sa(event, at))

    def _on_connected(self, event: PeerConnected) -> None:
        at = self._wall_clock()
        lease = self._leases.of_peer(event.peer_id)
        stay = Stay.begin(
            event,
            node=self._node,
            at=at,
            pool=self._pool_name(lease.pool_id) if lease else "",
            hostname=lease.hostname if lease else "",
            terms=lease.terms if lease else None,
        )
        self._live[event.peer_id] = stay
        self._noted.changed[stay] = None
        for early in self._early.pop(event.peer_id, ()):
            if isinstance(early, IsakmpSaEstablished):
                stay.isakmp_sa(early, at)
            else:
                stay.child_sa(early, at)
                self._by_spi[early.inbound_spi] = stay
        for observer in self._observers:
            observer.began(stay)
        self.logins += 1
        self._judged(stay.columns["realm"], "began")
        self.login_seconds.observe(event.login_seconds)
        if stay.account is not None:
            self._noted.logins[stay.account] = at
        logger.info(
            "login",
            peer_id=event.peer_id,
            user=event.user,
            profile=event.profile,
            virtual_ip=stay.columns["virtual_ip"],
            peer=str(event.path.remote),
            behind_nat=event.behind_nat,
            authentication=event.authentication,
            mode=event.mode,
            ike=event.ike_suite,
            esp=event.esp_suite,
            client=stay.columns["client_software"],
        )

    def _on_child_sa_removed(self, event: ChildSaRemoved) -> None:
        if event.inbound_spi in self._by_spi:
            # Its removal is ordered right behind this event: the last chance to learn what it carried.
            self._query_counters((event.inbound_spi,))
            self._gone_children.append((self._clock(), event.inbound_spi))
        self._change(event.peer_id, lambda stay, _: stay.child_sa_removed(event.inbound_spi))

    def _on_gone(self, event: PeerGone) -> None:
        at = self._wall_clock()
        self._leases.release(event.peer_id, at)
        self._early.pop(event.peer_id, None)
        stay = self._live.pop(event.peer_id, None)
        if stay is None:  # it came as far as Mode Config and no further
            return
        stay.end(event, at)
        stay.said = pack(event.transcript(), self.moment)
        self.goodbyes[event.goodbye.value] += 1
        self._noted.changed[stay] = None
        for observer in self._observers:
            observer.ended(stay)
        logger.info(
            "logout",
            peer_id=event.peer_id,
            user=event.user,
            virtual_ip=stay.columns["virtual_ip"],
            peer=stay.peer,
            goodbye=event.goodbye.value,
            reason=event.reason,
            seconds=round((at - stay.columns["started_at"]).total_seconds()),
            **stay.traffic(),
        )

    def _on_refused(self, event: PeerRefused) -> None:
        self.refusals[event.stage.value] += 1
        realm = name(event.claim.realm) if isinstance(event.claim, Claim) else ""
        self._judged(realm, "refused")
        if not self._may_record_refusal():
            self.unrecorded_refusals += 1
            return
        for observer in self._observers:
            observer.refused(event)
        self._noted.refusals.append(
            {
                "at": self._wall_clock(),
                "node": self._node,
                "peer_address": event.path.remote.ip,
                "peer_port": event.path.remote.port,
                "local_address": event.path.local.ip,
                "stage": event.stage.value,
                "reason": line(event.reason),
                "remedy": line(event.remedy),
                "profile": name(event.profile),
                "identity": line(event.identity),
                "username": line(event.username),
                "realm": realm,
                "offered": _lines(event.offered),
                "accepted": _lines(event.accepted),
                "vendor_ids": _lines(event.vendor_ids),
                "isakmp_sa": event.isakmp_sa,
                "transcript": pack(event.transcript(), self.moment),
            }
        )
        logger.warning(
            "client refused",
            isakmp_sa=event.isakmp_sa,
            peer=str(event.path.remote),
            stage=event.stage.value,
            reason=line(event.reason),
            remedy=line(event.remedy),
            profile=event.profile,
            identity=line(event.identity),
            user=line(event.username),
            realm=realm,
            offered=_lines(event.offered),
            accepted=_lines(event.accepted),
        )

    def _judged(self, realm: str, result: str) -> None:
        if realm:
            self.realm_logins.setdefault(realm, Counter())[result] += 1

    def _may_record_refusal(self) -> bool:
        now = self._clock()
        earned = (now - self._refused_at) * _REFUSALS_A_SECOND
        self._refused_at = now
        self._refusal_budget = min(self._refusal_budget + earned, _REFUSALS_AT_ONCE)
        if self._refusal_budget < 1.0:
            return False
        self._refusal_budget -= 1.0
        return True

    def _on_dropped(self, event: DatagramDropped) -> None:
        reason = name(event.reason)
        if reason not in self.dropped and len(self.dropped) >= _MOST_DROP_REASONS:
            reason = "other"
        self.dropped[reason] += 1


def _lines(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(line(text) for text in texts[:_MOST_LINES])

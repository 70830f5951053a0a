"""Puts the metrics together: the gateways' own counters from their rows, all else counted in the database.

No user, client or address is a label: there can be any number of them, and who may read metrics
need not know who is connected.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Row

from appliance import __version__
from appliance.backups import schedule
from appliance.backups.schemas import ScheduleView
from appliance.installation import Transaction
from appliance.metrics import repository
from appliance.metrics.histogram import cumulative
from appliance.system import service as system
from appliance.system.schemas import NodeView, StatusView

_HEALTHS: Final = ("ok", "degraded", "down", "unknown")
_PORTS: Final = ("ike", "natt")


async def exposition(work: Transaction) -> bytes:
    """Give all metrics in Prometheus' text format."""
    readings = _Readings(
        await system.status(work),
        await repository.live_sessions(work.session),
        list(await repository.profile_names(work.session)),
        [(row.purpose, row.subject, row.not_after) for row in await repository.certificates(work.session)],
        await schedule.show(work),
    )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(readings)
    return generate_latest(registry)


class _Readings(Collector):
    """One moment of the appliance."""

    def __init__(
        self,
        status: StatusView,
        live: Sequence[Row[str, str, str, int]],
        profiles: list[str],
        certificates: list[tuple[str, str, datetime]],
        backups: ScheduleView,
    ) -> None:
        self._status = status
        self._live = live
        self._profiles = profiles
        self._certificates = certificates
        self._backups = backups

    def collect(self) -> Iterator[Metric]:
        """Give every family, also those that have nothing to say yet."""
        yield _gauge("coati_build_info", "The version of the panel's process.", {"version": __version__}, 1)
        yield _gauge("coati_users", "Local users.", {}, self._status.users)
        yield from self._sessions()
        yield from self._pools()
        yield self._expiry()
        yield from self._scheduled_backups()
        yield from self._nodes()
        yield from self._logins()
        yield from self._datagrams()
        yield from self._realms()

    # ---- from the tables --------------------------------------------------------------------------

    def _sessions(self) -> Iterator[Metric]:
        # A profile without sessions says 0, or its line in a graph would end instead of falling.
        by_profile = {(node.name, profile): 0 for node in self._status.nodes for profile in self._profiles}
        by_liveness: dict[tuple[str, str], int] = {}
        for node, profile, liveness, count in self._live:
            by_profile[node, profile] = by_profile.get((node, profile), 0) + count
            by_liveness[node, liveness] = by_liveness.get((node, liveness), 0) + count
        yield _family(GaugeMetricFamily, "coati_sessions", "Live sessions.", ("node", "profile"), by_profile)
        about = "Live sessions by what dead peer detection knows of them."
        yield _family(GaugeMetricFamily, "coati_sessions_liveness", about, ("node", "liveness"), by_liveness)

    def _pools(self) -> Iterator[Metric]:
        uses = self._status.pools
        yield _family(
            GaugeMetricFamily,
            "coati_pool_addresses",
            "Addresses of a pool.",
            ("pool",),
            {(use.name,): use.addresses for use in uses},
        )
        yield _family(
            GaugeMetricFamily,
            "coati_pool_addresses_taken",
            "Of these, taken.",
            ("pool",),
            {(use.name,): use.taken for use in uses},
        )

    def _expiry(self) -> Metric:
        ends = {(purpose, subject): not_after.timestamp() for purpose, subject, not_after in self._certificates}
        about = "When a certificate in use expires, in seconds since 1970; those of users are not among them."
        return _family(
            GaugeMetricFamily, "coati_certificate_expiry_timestamp_seconds", about, ("purpose", "subject"), ends
        )

    def _scheduled_backups(self) -> Iterator[Metric]:
        last, good = self._backups.last, self._backups.last_success
        scheduled = int(self._backups.every_hours is not None)
        yield _gauge("coati_backup_scheduled", "Whether backups are made by themselves.", {}, scheduled)
        about = "The moment that the last good one of them is of, in seconds since 1970; its age is time() less this."
        made = {(): good.started_at.timestamp()} if good is not None else {}
        yield _family(GaugeMetricFamily, "coati_backup_last_success_timestamp_seconds", about, (), made)
        about = "Whether the last one that was due failed."
        failed = int(last is not None and last.finished_at is not None and not last.succeeded)
        yield _gauge("coati_backup_failed", about, {}, failed)
        about = "How often the one that was due last was tried in vain; it is tried again by itself."
        tried = last.attempts if last is not None and failed else 0
        yield _gauge("coati_backup_failed_attempts", about, {}, tried)

    # ---- from the gateways' rows ------------------------------------------------------------------

    def _counted(self, *path: str) -> Iterator[tuple[NodeView, Any]]:
        """Give what each gateway says under these names; one of another version may say nothing."""
        for node in self._status.nodes:
            found: Any = node.counters
            for name in path:
                found = found.get(name) if isinstance(found, Mapping) else None
            if found is not None:
                yield node, found

    def _number(self, metric: type[Metric], name: str, about: str, *path: str) -> Metric:
        return _family(metric, name, about, ("node",), {(node.name,): number for node, number in self._counted(*path)})

    def _numbers(self, metric: type[Metric], name: str, about: str, label: str, *path: str) -> Metric:
        values = {(node.name, key): number for node, counted in self._counted(*path) for key, number in counted.items()}
        return _family(metric, name, about, ("node", label), values)

    def _nodes(self) -> Iterator[Metric]:
        nodes = self._status.nodes
        info = {(node.name, node.version, node.data_plane): 1 for node in nodes}
        labels = ("node", "version", "data_plane")
        yield _family(GaugeMetricFamily, "coati_node_info", "What a gateway is.", labels, info)
        for name, about, values in (
            ("up", "Whether a gateway's last sign of life is recent.", {node.name: node.alive for node in nodes}),
            ("serving", "Whether it answers IKE.", {node.name: node.serving for node in nodes}),
            ("problems", "What is off on it.", {node.name: len(node.problems) for node in nodes}),
            (
                "start_timestamp_seconds",
                "When it began, in seconds since 1970.",
                {node.name: node.started_at.timestamp() for node in nodes},
            ),
        ):
            one_each = {(node,): value for node, value in values.items()}
            yield _family(GaugeMetricFamily, f"coati_node_{name}", about, ("node",), one_each)
        yield self._number(GaugeMetricFamily, "coati_half_open", "ISAKMP SAs in phase 1.", "half_open")
        yield self._number(GaugeMetricFamily, "coati_child_sas", "Child SAs.", "child_sas")
        yield self._number(
            CounterMetricFamily, "coati_mishaps", "Exceptions that no design foresaw: each one is a bug.", "mishaps"
        )

    def _logins(self) -> Iterator[Metric]:
        yield self._number(CounterMetricFamily, "coati_sessions_started", "Sessions that began.", "logins")
        about = "Sessions that ended, by who ended them."
        yield self._numbers(CounterMetricFamily, "coati_sessions_ended", about, "goodbye", "goodbyes")
        about = "Clients that were turned away, by how far they came."
        yield self._numbers(CounterMetricFamily, "coati_refusals", about, "stage", "refusals")
        about = "Packets from clients that the firewall turned away, by why."
        yield self._numbers(CounterMetricFamily, "coati_packets_blocked", about, "reason", "packets_blocked")
        about = "What was carried for clients: in is from them."
        yield self._numbers(CounterMetricFamily, "coati_traffic_bytes", about, "direction", "octets")
        about = "News of dead peer detection (RFC 3706)."
        yield self._numbers(CounterMetricFamily, "coati_dpd_events", about, "liveness", "liveness")
        about = "From a client's first message to its first Child SA; what its user types is part of it."
        yield _histogram(
            "coati_login_seconds", about, ("node",), {(node.name,): h for node, h in self._counted("login_seconds")}
        )

    def _datagrams(self) -> Iterator[Metric]:
        for name, about in (
            ("received", "IKE messages received."),
            ("sent", "IKE messages sent."),
            ("keepalives", "NAT keepalives received (RFC 3948)."),
            ("not_ike", "Datagrams received that are neither."),
            ("send_errors", "IKE messages that this machine would not send."),
        ):
            values = {(node.name, port): number for port in _PORTS for node, number in self._counted("udp", port, name)}
            yield _family(CounterMetricFamily, f"coati_ike_{name}", about, ("node", "port"), values)
        about = "IKE messages that were not acted on."
        yield self._numbers(CounterMetricFamily, "coati_ike_dropped", about, "reason", "datagrams_dropped")

    def _realms(self) -> Iterator[Metric]:
        states = {
            (node.name, realm, state): int(health.get("state") == state)
            for node in self._status.nodes
            for realm, health in node.realms.items()
            for state in _HEALTHS
        }
        yield _family(GaugeMetricFamily, "coati_realm_health", "How a realm is.", ("node", "realm", "state"), states)
        answers = {
            (node.name, realm, result): number
            for node, realms in self._counted("realm_answers")
            for realm, counted in realms.items()
            for result, number in counted["results"].items()
        }
        about = "Rounds of logins that a realm judged."
        yield _family(CounterMetricFamily, "coati_logins", about, ("node", "realm", "result"), answers)
        became = {
            (node.name, realm, result): number
            for node, realms in self._counted("realm_logins")
            for realm, results in realms.items()
            for result, number in results.items()
        }
        about = "Logins by the realm that judged them, and whether they began a session or were refused."
        yield _family(CounterMetricFamily, "coati_realm_logins", about, ("node", "realm", "result"), became)
        durations = {
            (node.name, realm): counted["seconds"]
            for node, realms in self._counted("realm_answers")
            for realm, counted in realms.items()
        }
        yield _histogram("coati_realm_seconds", "How long a realm took to judge.", ("node", "realm"), durations)


def _family(
    metric: Any,  # noqa: ANN401  the library's families share no type that has ``add_metric``
    name: str,
    about: str,
    labels: tuple[str, ...],
    values: Mapping[Any, float],  # by one word for each label
) -> Metric:
    family: Metric = metric(name, about, labels=labels)
    add_metric = metric.add_metric
    for of, value in values.items():
        add_metric(family, of, value)
    return family


def _gauge(name: str, about: str, labels: dict[str, str], value: float) -> Metric:
    return _family(GaugeMetricFamily, name, about, tuple(labels), {tuple(labels.values()): value})


def _histogram(name: str, about: str, labels: tuple[str, ...], values: Mapping[Any, Mapping[str, Any]]) -> Metric:
    family = HistogramMetricFamily(name, about, labels=labels)
    for of, counters in values.items():
        family.add_metric(of, list(cumulative(counters)), counters["sum"])
    return family

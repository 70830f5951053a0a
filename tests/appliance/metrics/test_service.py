"""The exposition: what it counts, that it names nobody, and that the dashboard asks for nothing else."""

import json
import re
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance.certificates import service as certificates
from appliance.certificates.schemas import NewCertificate
from appliance.installation import Transaction
from appliance.metrics import service
from appliance.metrics.histogram import Histogram
from appliance.models import BackupRun, Node, Session
from appliance.models.columns import now
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile
from appliance.users import service as users
from appliance.users.schemas import NewUser
from ike_engine.runtime.udp import SocketCounters

DASHBOARD = Path(__file__).parents[3] / "docs/grafana/coati.json"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def samples(work: Transaction) -> Samples:
    """All that is exposed, as Prometheus reads it."""
    await work.session.flush()
    families = text_string_to_metric_families((await service.exposition(work)).decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def durations(*seconds: float) -> dict[str, Any]:
    histogram = Histogram()
    for each in seconds:
        histogram.observe(each)
    return histogram.as_counters()


def session(user: str, **more: Any) -> Session:
    return Session(
        **{
            "node": "gw",
            "peer_id": 1,
            "user": user,
            "profile": "staff",
            "peer_address": "198.51.100.7",
            "peer_port": 4500,
            "local_address": "192.0.2.1",
            "authentication": "hybrid-rsa",
            "mode": "main",
            "liveness": "alive",
            "started_at": now(),
            "last_heard_at": now(),
            **more,
        }
    )


COUNTERS: dict[str, Any] = {
    "half_open": 3,
    "child_sas": 5,
    "mishaps": 1,
    "logins": 7,
    "goodbyes": {"dead-peer": 2},
    "refusals": {"Xauth": 4},
    "octets": {"in": 1_000, "out": 2_000},
    "liveness": {"probing": 6},
    "login_seconds": durations(0.02, 0.3),
    "udp": {"ike": asdict(SocketCounters(received=10)), "natt": asdict(SocketCounters(received=20, keepalives=9))},
    "datagrams_dropped": {"Malformed": 8},
    "realm_answers": {"local": {"results": {"accepted": 7, "rejected": 4}, "seconds": durations(0.1)}},
}


@pytest.fixture
async def busy(work: Transaction) -> Transaction:
    """An appliance that has something of everything."""
    await certificates.ensure(work)
    await pools.add(work, NewPool.model_validate({"name": "office", "networks": ["10.99.0.0/30"]}))
    for name in ("staff", "phones"):
        await profiles.add(work, NewProfile.model_validate({"name": name}))
    await users.add(work, NewUser.model_validate({"name": "zebulon", "password": "correct horse battery"}))
    await certificates.issue(work, NewCertificate(owner="zebulon"))
    health = {"local": {"state": "ok"}}
    work.session.add(Node(name="gw", serving=True, data_plane="xfrm", version="1", realms=health, counters=COUNTERS))
    old = now() - timedelta(hours=1)
    work.session.add(Node(name="old", serving=True, heartbeat_at=old, problems=[{"what": "no nft", "remedy": "apt"}]))
    work.session.add_all([session("zebulon"), session("yolanda", liveness="probing", peer_id=2)])
    work.session.add(session("xaver", peer_id=3, ended_at=now()))
    work.session.add(BackupRun(due_at=now(), node="gw", finished_at=now(), succeeded=True))
    return work


async def test_an_empty_appliance_has_metrics_too(work: Transaction) -> None:
    found = await samples(work)
    assert value(found, "coati_users") == 0
    assert not [name for name, _ in found if name.startswith("coati_session")]


async def test_the_tables_are_counted(busy: Transaction) -> None:
    found = await samples(busy)
    assert value(found, "coati_users") == 1
    assert value(found, "coati_sessions", node="gw", profile="staff") == 2
    assert value(found, "coati_sessions", node="gw", profile="phones") == 0
    assert value(found, "coati_sessions_liveness", node="gw", liveness="probing") == 1
    assert value(found, "coati_pool_addresses", pool="office") == 2
    assert value(found, "coati_pool_addresses_taken", pool="office") == 0
    expiries = {dict(labels)["purpose"]: at for (name, labels), at in found.items() if "expiry" in name}
    assert {"authority", "gateway", "panel"} <= expiries.keys()
    assert all(at > now().timestamp() for at in expiries.values())


async def test_the_gateways_tell_what_they_counted(busy: Transaction) -> None:
    found = await samples(busy)
    assert value(found, "coati_sessions_started_total", node="gw") == 7
    assert value(found, "coati_sessions_ended_total", node="gw", goodbye="dead-peer") == 2
    assert value(found, "coati_refusals_total", node="gw", stage="Xauth") == 4
    assert value(found, "coati_traffic_bytes_total", node="gw", direction="out") == 2_000
    assert value(found, "coati_dpd_events_total", node="gw", liveness="probing") == 6
    assert value(found, "coati_ike_received_total", node="gw", port="natt") == 20
    assert value(found, "coati_ike_keepalives_total", node="gw", port="natt") == 9
    assert value(found, "coati_ike_dropped_total", node="gw", reason="Malformed") == 8
    assert value(found, "coati_logins_total", node="gw", realm="local", result="rejected") == 4
    assert value(found, "coati_realm_seconds_count", node="gw", realm="local") == 1
    assert value(found, "coati_login_seconds_bucket", node="gw", le="0.025") == 1
    assert value(found, "coati_login_seconds_count", node="gw") == 2
    assert value(found, "coati_login_seconds_sum", node="gw") == pytest.approx(0.32)
    assert (value(found, "coati_half_open", node="gw"), value(found, "coati_child_sas", node="gw")) == (3, 5)
    assert value(found, "coati_mishaps_total", node="gw") == 1


async def test_a_gateway_that_is_gone_is_down_and_its_problems_are_counted(busy: Transaction) -> None:
    found = await samples(busy)
    assert [value(found, "coati_node_up", node=node) for node in ("gw", "old")] == [1, 0]
    assert [value(found, "coati_node_serving", node=node) for node in ("gw", "old")] == [1, 0]
    assert value(found, "coati_node_problems", node="old") == 1
    assert value(found, "coati_node_info", node="gw", version="1", data_plane="xfrm") == 1
    assert value(found, "coati_realm_health", node="gw", realm="local", state="ok") == 1
    assert value(found, "coati_realm_health", node="gw", realm="local", state="down") == 0


async def test_nobody_is_named(busy: Transaction) -> None:
    await busy.session.flush()
    text = (await service.exposition(busy)).decode()
    for personal in ("zebulon", "yolanda", "xaver", "198.51.100.7"):
        assert personal not in text


async def test_every_metric_explains_itself(busy: Transaction) -> None:
    await busy.session.flush()
    families = list(text_string_to_metric_families((await service.exposition(busy)).decode()))
    assert all(family.documentation.endswith(".") for family in families)
    assert all(re.fullmatch(r"coati_[a-z_]+", family.name) for family in families)


async def test_names_follow_prometheus_conventions(busy: Transaction) -> None:
    """Base units and suffixes (prometheus.io/docs/practices/naming), as promtool looks for them."""
    await busy.session.flush()
    families = list(text_string_to_metric_families((await service.exposition(busy)).decode()))
    for family in families:
        assert not re.search(r"_(octets|milliseconds|ms|minutes|percent|count|sum|bucket)$", family.name), family.name
        # The parser takes _total off counters, and would leave it on anything else.
        assert not family.name.endswith("_total"), family.name
        assert (family.type == "counter") == all(
            sample.name.endswith("_total") for sample in family.samples
        ) or not family.samples, family.name
        for sample in family.samples:
            assert all(re.fullmatch(r"[a-z_]+", label) for label in sample.labels), sample


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


async def test_the_dashboard_asks_for_metrics_that_there_are_and_for_all_of_them(busy: Transaction) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
    asked = {name for expression in expressions for name in re.findall(r"\bcoati_[a-z_]+", expression)}
    there = {name for name, _ in await samples(busy)}
    assert asked <= there
    parts = re.compile(r"_(bucket|sum|count)$")
    assert {parts.sub("", name) for name in there} - {parts.sub("", name) for name in asked} <= {"coati_node_info"}


def test_the_dashboard_can_be_imported() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["title"] == "Coati"
    assert dashboard["id"] is None
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len(set(numbers))
    (source,) = (variable for variable in dashboard["templating"]["list"] if variable["type"] == "datasource")
    assert source["query"] == "prometheus"
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24

"""An appliance for a browser: the web process over a database of its own, and what may stand in it."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx2
from pydantic import SecretStr
from sqlalchemy import delete, select, update

from appliance import first_start, models
from appliance.certificates import requests
from appliance.certificates.schemas import NewRequest
from appliance.groups import service as groups
from appliance.groups.schemas import NewGroup
from appliance.installation import Actor, Installation, Transaction
from appliance.logs.record import FOLDER, Record
from appliance.models.columns import now
from appliance.policy.attributes import AccessPolicy
from appliance.realms import service as realms
from appliance.realms.schemas import NewRealm
from appliance.sessions.schemas import SessionAssociations
from appliance.settings import ListenAddress, Settings
from appliance.transcripts.stored import pack
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange
from ike_engine.events import PeerConnected
from tests.ike_engine.lab import pair
from tests.ike_engine.network import Weather
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

T = TypeVar("T")

PASSWORD = "correct horse battery"
# The thread that plays with the browser has a loop of playwright's own.
_ELSEWHERE = ThreadPoolExecutor(1, "database")


class Appliance:
    """A web process that serves what is in ``settings.data_dir``."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings = settings
        self._log = log
        self.administrator_password = ""

    @classmethod
    def prepare(cls, directory: Path) -> Self:
        """Make a new installation, as the first start does, with an administrator ``admin``."""
        made = cls(Settings(data_dir=directory / "data", public_name="vpn.example.net", node_name="gw-1"), directory)

        async def ensure() -> str:
            async with Installation.open(made.settings) as installation:
                prepared = await first_start.ensure(installation)
            assert prepared.administrator_password is not None
            return prepared.administrator_password.get_secret_value()

        made.administrator_password = _ELSEWHERE.submit(asyncio.run, ensure()).result()
        return made

    def __enter__(self) -> Self:
        port = free_port()
        self.settings = self.settings.model_copy(
            update={"listen": ListenAddress("127.0.0.1", port), "metrics_listen": None}
        )
        self.url = f"https://localhost:{port}"
        with (self._log / "web.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "webui"], env={**os.environ, **self.settings.environment()}, stderr=log
            )
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        assert self._process.wait(60) == 0, self.log()
        assert "Traceback" not in self.log(), self.log()

    def _wait(self) -> None:
        end = time.monotonic() + 60
        trusting_all = ssl.create_default_context()
        trusting_all.check_hostname = False
        trusting_all.verify_mode = ssl.CERT_NONE
        while True:
            try:
                httpx2.get(f"{self.url}/healthz", verify=trusting_all)
            except httpx2.TransportError:
                assert self._process.poll() is None, self.log()
                assert time.monotonic() < end, self.log()
                time.sleep(0.05)
            else:
                return

    def pause(self) -> None:
        """Have it answer nothing until ``go_on``."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        return (self._log / "web.log").read_text()

    def do(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Do something in the database, in one transaction, as another process would."""

        async def doing() -> T:
            async with (
                Installation.open(self.settings, migrate=False) as installation,
                installation.transaction(Actor("a test")) as begun,
            ):
                return await work(begun)

        return _ELSEWHERE.submit(asyncio.run, doing()).result()

    def add(self, *rows: models.Base) -> None:
        """Write rows, as a gateway would."""

        async def put(work: Transaction) -> None:
            work.session.add_all(rows)

        self.do(put)

    def told_to_end(self) -> list[tuple[str, int | None]]:
        """Give which sessions gateways were told to end."""

        async def read(work: Transaction) -> list[tuple[str, int | None]]:
            about_sessions = select(models.Command).where(models.Command.verb == models.Verb.DISCONNECT)
            rows = await work.session.scalars(about_sessions.order_by(models.Command.id))
            return [(row.verb.value, row.session_id) for row in rows]

        return self.do(read)

    # ---- what may stand in it ------------------------------------------------------------------------

    def furnish(self) -> None:
        """Put in what a gateway in use has: people, sessions of every kind, refusals, changes."""

        async def put(work: Transaction) -> None:
            work.session.add_all([node(), inventory()])
            for user, full_name in PEOPLE.items():
                await users.add(work, NewUser(name=user, full_name=full_name, password=SecretStr(PASSWORD)))
            for number, user in enumerate(PEOPLE):
                work.session.add(session(number, user=user))
            work.session.add(session(7, user="carol", liveness="probing", dpd_probe=2))
            await work.session.flush()
            work.session.add(asked(1))
            work.session.add(session(8, user="dave", behind_nat=False, client_software="vpnc 0.5.3"))
            for number in range(20, 24):
                ended = {"ended_at": now() - timedelta(hours=number - 19), "goodbye": "client-disconnected"}
                work.session.add(
                    session(number, user="alice", **ended, goodbye_reason="the client said goodbye", transcript=said())
                )
            work.session.add_all([refusal(), refusal(stage="Xauth", username="mallory", **WRONG, transcript=said())])
            work.session.add_all(samples())
            policy = AccessPolicy.model_validate({"simultaneous_sessions": 2, "access_hours": "Mon-Fri 07:00-20:00"})
            record = Record(self.settings.data_dir)
            for line in log_lines():
                record.append(line)
            record.close()
            await groups.add(work, NewGroup(name="staff", description="Who works here", policy=policy))
            await users.change(work, "alice", UserChange(group="staff"))
            await requests.make(work, NewRequest(purpose=models.CertificatePurpose.PANEL))
            await realms.add(work, NewRealm(name="corp", kind=models.RealmKind.RADIUS, enabled=False))
            seen = {"node": "gw-1", "peer_address": "198.51.100.7", "peer_port": 4500, "profile": "default"}
            for number, kind in enumerate(models.EventKind):
                at = now() - timedelta(minutes=number)
                work.session.add(models.Event(kind=kind, user="alice", realm="local", at=at, **seen))
            work.session.add(models.Throttle(subject="vpn/account/mallory", failures=7, changed_at=now()))
            taken = {"free_since": None, "taken_at": now(), "node": "gw-1"}
            for number, user in enumerate(PEOPLE):
                address = IPv4Address(f"10.99.0.{number + 2}")
                await work.session.execute(
                    update(models.Lease).where(models.Lease.address == address).values(user=user, **taken)
                )

        self.do(put)

    def empty(self) -> None:
        """Take all of it out again."""
        for folder in (FOLDER, "backups"):
            for file in (self.settings.data_dir / folder).glob("*"):
                file.unlink()

        async def take(work: Transaction) -> None:
            for name in [each.name for each in (await realms.page(work)).items if each.name != "local"]:
                await realms.remove(work, name)
            for model in (
                models.CertificateRequest,
                models.Command,
                models.Event,
                models.Throttle,
                models.SecondFactor,
                models.Session,
                models.Refusal,
                models.User,
                models.Group,
                models.Node,
                models.Sample,
            ):
                await work.session.execute(delete(model))
            await work.session.execute(update(models.Lease).values(free_since=now(), user=None, taken_at=None))

        self.do(take)


PEOPLE = {"alice": "Alice Adams", "bob": "Bob Brown", "carol": "Carol Clark", "dave": "Dave Dunn", "erin": "Erin Eld"}


def node() -> models.Node:
    return models.Node(
        name="gw-1",
        version="0.1.0",
        heartbeat_at=now() + timedelta(hours=1),  # it shall not grow old while the browser looks
        serving=True,
        data_plane="userspace",
        data_plane_reason="this kernel has no ESP, so packets are encrypted by a process of ours",
        ike_address="203.0.113.10",
        problems=[],
        counters={"sessions": 7},
    )


def inventory() -> models.Command:
    """What a gateway answered: alice's Child SA, an SA that nobody has, two that bob should have."""
    outer = {"source": "198.51.100.1:4500", "destination": "203.0.113.10:4500", "encapsulated": True}
    counted = {"octets": 48_213_377, "packets": 80_123, "age_seconds": 905.0, "idle_seconds": 2.0}
    lives = {"algorithms": "aes256-sha256", "reqid": 7, "lifetime_seconds": 28_800, "replay_window": 64}
    alice = {"state": "installed", "session_id": 1, "user": "alice", "inbound_spi": "c0ffee00", **lives}
    bob = {"state": "missing", "session_id": 2, "user": "bob", "inbound_spi": "c0ffee01", **lives}
    sad = [
        {**alice, "direction": "in", "spi": "c0ffee00", **outer, **counted},
        {**alice, "direction": "out", "spi": "beef0000", **counted, "integrity_failures": 2, "replays": 1},
        {**bob, "direction": "in", "spi": "c0ffee01"},
        {**bob, "direction": "out", "spi": "beef0001"},
        {"state": "orphan", "direction": "in", "spi": "0badcafe", **outer, **lives, "age_seconds": 90_000.0},
    ]
    inner = {"priority": 1_000, "reqid": 7, "interface_id": 0, "action": "protect"}
    tunnel = {"tunnel_source": "203.0.113.10", "tunnel_destination": "198.51.100.1"}
    who = {"state": "installed", "session_id": 1, "user": "alice"}
    spd = [
        {**who, **inner, **tunnel, "direction": direction, "source": source, "destination": destination}
        for direction, source, destination in (
            ("in", "10.99.0.2/32", "0.0.0.0/0"),
            ("out", "0.0.0.0/0", "10.99.0.2/32"),
            ("forward", "10.99.0.2/32", "0.0.0.0/0"),
        )
    ]
    return models.Command(
        node="gw-1",
        verb=models.Verb.DUMP_SAD,
        created_by="a test",
        outcome=models.CommandOutcome.DONE,
        finished_at=now(),
        result={"data_plane": "xfrm", "taken_at": now().isoformat(), "sad": sad, "spd": spd},
    )


def asked(session_id: int) -> models.Command:
    """What a gateway answered who looked at a session: one Child SA that is being replaced, and the new one."""
    at = now() - timedelta(hours=7, minutes=50)
    child = {
        "outbound_spi": "beef0000",
        "suite": "aes256-sha256",
        "lifetime_seconds": 28_800,
        "local_networks": ["0.0.0.0/0"],
        "remote_networks": ["10.99.0.2/32"],
        "octets_in": 48_213_377,
        "octets_out": 1_932_114_882,
        "packets_in": 80_123,
        "packets_out": 1_400_000,
        "rate_in": 0.0,
        "rate_out": 0.0,
        "integrity_failures": 2,
        "replays": 1,
    }
    old = {"inbound_spi": "c0ffee00", "state": "replaced", "established_at": at, "rekeys_at": None}
    old |= {"ends_at": now() + timedelta(seconds=15)}
    new = {"inbound_spi": "c0ffee10", "state": "installed", "established_at": now() - timedelta(seconds=5)}
    new |= {"rekeys_at": now() + timedelta(hours=7, minutes=11), "ends_at": now() + timedelta(hours=8)}
    new |= {"octets_in": 81_250, "octets_out": 2_110_000, "packets_in": 412, "packets_out": 1_733}
    new |= {"rate_in": 81_250.0, "rate_out": 2_110_000.0, "integrity_failures": 0, "replays": 0}
    isakmp = {"initiator_spi": "0123456789abcdef", "responder_spi": "fedcba9876543210", "mode": "main"}
    isakmp |= {"suite": "aes256-sha256-modp2048", "lifetime_seconds": 86_400}
    isakmp |= {"established_at": at, "ends_at": at + timedelta(days=1)}
    sas = SessionAssociations.model_validate(
        {"taken_at": now(), "isakmp_sa": isakmp, "child_sas": [child | old, child | new]}
    )
    return models.Command(
        node="gw-1",
        verb=models.Verb.TRANSCRIPT,
        session_id=session_id,
        created_by="a test",
        outcome=models.CommandOutcome.DONE,
        finished_at=now() + timedelta(hours=1),  # nobody else is there to be asked
        result={"transcript": said(), "policy": [], "associations": sas.model_dump(mode="json")},
    )


def session(number: int, **more: Any) -> models.Session:
    at = now() - timedelta(minutes=5 * number + 3)
    isakmp = {"initiator_spi": "0123456789abcdef", "responder_spi": "fedcba9876543210", "mode": "main"}
    child = {"inbound_spi": f"{0xC0FFEE00 + number:08x}", "outbound_spi": f"{0xBEEF0000 + number:08x}"}
    networks = {"local_networks": ["0.0.0.0/0"], "remote_networks": [f"10.99.0.{number + 2}/32"]}
    lives = {"lifetime_seconds": 28_800, "established_at": at.isoformat(timespec="seconds")}
    columns: dict[str, Any] = {
        "node": "gw-1",
        "peer_id": number,
        "profile": "default",
        "pool": "default",
        "realm": "local",
        "authentication": "hybrid-rsa",
        "mode": "main",
        "identity": "10.0.0.4",
        "peer_address": f"198.51.100.{number + 1}",
        "peer_port": 4500 + number,
        "local_address": "203.0.113.10",
        "behind_nat": True,
        "virtual_ip": f"10.99.0.{number + 2}",
        "client_software": "strongSwan 5.9.8",
        "vendor_ids": ("XAUTH", "Dead Peer Detection", "RFC 3947"),
        "ike_suite": "aes256-sha256-modp2048",
        "esp_suite": "aes256-sha256",
        "dpd_probes": 5,
        "last_heard_at": now() - timedelta(seconds=4 * number),
        "round_trip_seconds": 0.0123,
        "octets_in": 48_213_377 * (number + 1),
        "octets_out": 1_932_114_882 // (number + 1),
        "rate_in": 81_250.0 / (number + 1),
        "rate_out": 2_110_000.0 / (number + 1),
        "packets_in": 80_123,
        "packets_out": 1_400_000,
        "started_at": at,
        "details": {
            "isakmp_sa": {**isakmp, "suite": "aes256-sha256-modp2048", **lives},
            "child_sas": [{**child, "suite": "aes256-sha256", **networks, **lives}],
        },
    }
    return models.Session(**columns | more)


def samples() -> list[models.Sample]:
    """A day of an office: quiet at night, a lunch break, a few who mistype their password."""
    minute = int(now().timestamp()) // 60
    return [
        models.Sample(
            node="gw-1",
            minute=minute - ago,
            sessions=int(6 + 5 * math.sin(ago / 229) + 2 * math.sin(ago / 31)),
            octets_in=int(4e7 * (1.2 + math.sin(ago / 229) + 0.3 * math.sin(ago / 7))),
            octets_out=int(3e8 * (1.2 + math.sin(ago / 211) + 0.4 * math.sin(ago / 11))),
            logins=int(ago % 37 == 0),
            refusals=int(ago % 131 == 0),
        )
        for ago in range(0, 24 * 60, 2)
    ]


WRONG = {
    "reason": "wrong password for 'mallory'",
    "remedy": "if the user forgot it, set a new one: coati user password alice",
    "offered": (),
    "accepted": (),
    "isakmp_sa": 7,
}


def said() -> dict[str, Any] | None:
    """What a client and the gateway said in an hour, some of it twice; the gateway probed now and then."""
    bad = Weather(loss=0.12, duplication=0.1)
    often = {"dpd_interval_seconds": 300.0}
    lab = pair(seed=4, weather=bad, gateway=often, client={"child_lifetime_seconds": 900, "dpd_interval_seconds": 1e6})
    lab.connect(3_000)
    peer_id = lab.gateway.of(PeerConnected)[-1].peer_id
    began = now() - timedelta(hours=1)
    return pack(lab.gateway.endpoint.transcript(peer_id), lambda at: began + timedelta(seconds=at - 1_000))


def log_lines() -> list[dict[str, Any]]:
    """What processes say: of people, of trouble, of themselves."""
    peer = {"peer": "198.51.100.99:500", "isakmp_sa": 7}
    lines: list[dict[str, Any]] = [
        {"event": "serving", "process": "gateway", "ike": "0.0.0.0:500", "nat_t": "0.0.0.0:4500", "data_plane": "xfrm"},
        {"event": "panel", "process": "web", "listen": "0.0.0.0:8443"},
        {"event": "login", "process": "gateway", "user": "alice", "virtual_ip": "10.99.0.2", "client": "strongSwan"},
        {"event": "client is probing", "process": "gateway", "user": "carol", "probe": 2, "of": 5},
        {"event": "client refused", "process": "gateway", "level": "warning", **peer, "reason": WRONG["reason"]},
        {"event": "cannot follow the database; trying again", "process": "web", "level": "error", "error": "timeout"},
        {
            "event": "unexpected KeyError",
            "process": "gateway",
            "level": "error",
            "exception": "Traceback ...\nKeyError",
        },
    ]
    return [{"level": "info", "timestamp": (now() - timedelta(minutes=1)).isoformat(), **line} for line in lines]


def refusal(**more: Any) -> models.Refusal:
    columns: dict[str, Any] = {
        "node": "gw-1",
        "peer_address": "198.51.100.99",
        "peer_port": 500,
        "local_address": "203.0.113.10",
        "stage": "phase 1",
        "reason": "no proposal is acceptable",
        "remedy": "the preset legacy would accept 3des-sha1-modp1024",
        "profile": "default",
        "identity": "staff",
        "offered": ("3des-sha1-modp1024", "3des-md5-modp1024"),
        "accepted": ("aes256-sha256-modp2048", "aes128-sha256-modp2048"),
        "vendor_ids": ("Cisco Unity",),
    }
    return models.Refusal(**columns | more)

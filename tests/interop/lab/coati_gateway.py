"""Our gateway: ``coati serve``, set up over its command line.

What it holds is read from its database, which is the contract between its processes.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.interop.lab import office
from tests.interop.lab.gateway import Refusal, Remainder, Session

if TYPE_CHECKING:
    from tests.interop.lab.authority import Authority
    from tests.interop.lab.network import Place
    from tests.interop.lab.processes import Daemon

# Events are written in groups, a moment after they happened.
_BEHIND_SECONDS = 0.2

_PATIENCE_SECONDS = 60.0

_ROOT = Path(__file__).resolve().parents[3]


class CoatiGateway:
    """The whole appliance in the gateway's place."""

    def __init__(
        self, place: Place, directory: Path, authority: Authority, *, data_plane: str = "userspace", user: str = "coati"
    ) -> None:
        self.place = place
        self._data_plane = data_plane
        self._user = user
        self._clients_authority = authority.file
        self._directory = directory / "coati"
        self.authority = directory / "coati-ca.pem"
        self._daemon: Daemon

    def __enter__(self) -> Self:
        self._configure()
        self._daemon = self.place.daemon(
            "coati",
            *(sys.executable, "-m", "appliance.cli", "serve", "--log-level", "debug"),
            log=self._directory.with_suffix(".log"),
            env=self._environment(),
        )
        self._daemon.wait_for(lambda: " serving " in self.log(), within=_PATIENCE_SECONDS, what="serving")
        self.coati("ca", "export", "--output", str(self.authority))
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.stop()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(_ROOT),
            "COATI_DATA_DIR": str(self._directory),
            "COATI_PUBLIC_NAME": office.GATEWAY_NAME,
            "COATI_DATA_PLANE": self._data_plane,
            "COATI_USER": self._user,
            "COATI_LISTEN": "127.0.0.1:8443",
        }

    def coati(self, *arguments: str, stdin: str = "") -> str:
        """Give a command, as an administrator would; its output."""
        command = (sys.executable, "-m", "appliance.cli", *arguments)
        return self.place.run(*command, stdin=stdin, env=self._environment(), timeout=_PATIENCE_SECONDS).stdout

    def _configure(self) -> None:
        self.coati("pool", "add", "office", "--network", "10.88.0.0/24", "--dns", office.DNS, "--no-masquerade")
        self.coati("pool", "add", "tiny", "--network", f"{office.TINY_POOL[0]}/32", "--no-masquerade")
        suites = [
            *(word for proposal in office.IKE_PROPOSALS for word in ("--ike", proposal)),
            *(word for proposal in office.ESP_PROPOSALS for word in ("--esp", proposal)),
            *("--dpd-interval", str(office.DPD_INTERVAL_SECONDS)),
            *("--dpd-timeout", str(office.DPD_TIMEOUT_SECONDS)),
            *("--fragment", str(office.FRAGMENT_OCTETS)),
            "--psk-stdin",
        ]
        tiny = ("--method", "xauth-psk", "--mode", "aggressive", "--group", office.TINY_GROUP, "--position", "10")
        self.coati("profile", "add", "tiny", *tiny, "--pool", "tiny", *suites, stdin=office.GROUP_KEY)
        methods = [word for method in ("hybrid-rsa", "xauth-psk", "xauth-rsa") for word in ("--method", method)]
        authority = ("--client-ca", str(self._clients_authority))
        self.coati(
            "profile", "add", "office", *methods, *authority, "--pool", "office", *suites, stdin=office.GROUP_KEY
        )
        for user in (*office.USERS, *office.DISABLED_USERS):
            self.coati("user", "add", user.name, "--password-stdin", stdin=user.password)
        for user in office.DISABLED_USERS:
            self.coati("user", "disable", user.name)

    def pids(self) -> list[int]:
        """Pids of the keeper and of all its children."""
        children = Path(f"/proc/{self._daemon.pid}/task/{self._daemon.pid}/children").read_text().split()
        return [self._daemon.pid, *map(int, children)]

    def _kill(self, module: str) -> None:
        """Kill one child on the spot, as a crash would."""
        for pid in self.pids()[1:]:
            if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
                return
        raise LookupError(module)

    def kill_gateway_process(self) -> None:
        self._kill("appliance.gateway")

    def kill_esp_process(self) -> None:
        self._kill("ike_engine.dataplane.userspace")

    def _rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        time.sleep(_BEHIND_SECONDS)
        with closing(sqlite3.connect(f"file:{self._directory / 'coati.db'}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query, parameters)]

    def sessions(self) -> list[Session]:
        rows = self._rows("SELECT user, virtual_ip FROM sessions WHERE ended_at IS NULL")
        return [Session(row["user"], row["virtual_ip"]) for row in rows]

    def remainder(self) -> Remainder:
        leases = self._rows("SELECT address FROM leases WHERE free_since IS NULL")
        nodes = self._rows("SELECT counters FROM nodes")
        return Remainder(
            sessions=tuple(self.sessions()),
            leases=frozenset(str(IPv4Address(row["address"])) for row in leases),
            security_associations=sum(json.loads(node["counters"]).get("child_sas", 0) for node in nodes),
        )

    def _number(self, user: str) -> str:
        rows = self._rows("SELECT id FROM sessions WHERE user = ? AND ended_at IS NULL", user)
        return str(rows[-1]["id"])

    def rekey(self, user: str) -> None:
        self.coati("session", "rekey", self._number(user))

    def disconnect(self, user: str) -> None:
        self.coati("session", "disconnect", self._number(user))

    def refusals(self) -> list[Refusal]:
        return [
            Refusal(
                row["username"],
                row["reason"],
                row["stage"],
                row["remedy"],
                tuple(json.loads(row["offered"])),
                tuple(json.loads(row["accepted"])),
            )
            for row in self._rows("SELECT * FROM refusals ORDER BY id")
        ]

    def log(self) -> str:
        return self._daemon.output()

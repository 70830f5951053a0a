"""The whole appliance as the gateway, userspace data plane, SQLite: what a login costs an installation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.gateway import ESP_PROPOSALS, GATEWAY_NAME, IKE_PROPOSAL, USERS
from tests.bench.meters import family

if TYPE_CHECKING:
    from tests.interop.lab.network import Place
    from tests.interop.lab.processes import Daemon

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 60.0


class CoatiGateway:
    """``coati serve``, set up over its command line."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.name = "coati"
        self.authority = directory / "coati-ca.pem"
        self._place = place
        self._directory = directory / "coati"
        self._daemon: Daemon | None = None
        self._environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(_ROOT),
            "COATI_DATA_DIR": str(self._directory),
            "COATI_PUBLIC_NAME": GATEWAY_NAME,
            "COATI_DATA_PLANE": "userspace",
            "COATI_LISTEN": "127.0.0.1:8443",
        }

    def _coati(self, *arguments: str, stdin: str = "") -> None:
        command = (sys.executable, "-m", "appliance.cli", *arguments)
        self._place.run(*command, stdin=stdin, env=self._environment, timeout=_SECONDS)

    def start(self) -> None:
        """Start it; it answers when this returns."""
        self._coati("pool", "add", "office", "--network", "10.88.0.0/20", "--no-masquerade")
        suites = ["--ike", IKE_PROPOSAL, *(word for proposal in ESP_PROPOSALS for word in ("--esp", proposal))]
        self._coati(
            "profile", "add", "office", "--pool", "office", "--dpd-interval", "0", "--fragment", "1280", *suites
        )
        for user in USERS:
            self._coati("user", "add", user.name, "--password-stdin", stdin=user.password)
        self._daemon = self._place.daemon(
            "coati",
            *(sys.executable, "-m", "appliance.cli", "serve"),
            log=self._directory.with_suffix(".log"),
            env=self._environment,
        )
        daemon = self._daemon
        daemon.wait_for(lambda: " serving " in daemon.output(), within=_SECONDS, what="serving")
        self._coati("ca", "export", "--output", str(self.authority))

    def pids(self) -> list[int]:
        """The keeper and all its children."""
        return [] if self._daemon is None else family(self._daemon.pid)

    def stop(self) -> None:
        """End it; harmless when it does not run."""
        if self._daemon is not None:
            self._daemon.stop()

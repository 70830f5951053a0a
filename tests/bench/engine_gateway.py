"""Our engine with its userspace data plane as the gateway, without the appliance: what the engine itself costs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.gateway import ESP_PROPOSALS, GATEWAY_NAME, IKE_PROPOSAL, POOL_FIRST, POOL_LAST, USERS
from tests.bench.meters import family
from tests.interop.lab import network
from tests.interop.lab.authority import Authority

if TYPE_CHECKING:
    from tests.interop.lab.network import Place
    from tests.interop.lab.processes import Daemon

_ROOT = Path(__file__).resolve().parents[2]


class EngineGateway:
    """``engine_program`` in the gateway's place."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.name = "engine"
        authority = Authority("Benchmark CA", directory / "engine-authority")
        self.authority = authority.file
        self._credential = authority.issue(GATEWAY_NAME, addresses=(network.GATEWAY,), server=True)
        self._place = place
        self._directory = directory / "engine"
        self._daemon: Daemon | None = None

    def start(self) -> None:
        """Start it; it answers when this returns."""
        self._directory.mkdir()
        configuration = self._directory / "configuration.json"
        configuration.write_text(
            json.dumps(
                {
                    "control": str(self._directory / "control"),
                    "name": GATEWAY_NAME,
                    "files": {
                        "certificate": str(self._credential.certificate),
                        "key": str(self._credential.key),
                        "client_authority": str(self.authority),
                    },
                    "group_key": "of no use here",
                    "tiny_group": "tiny",
                    "ike_proposals": [IKE_PROPOSAL],
                    "esp_proposals": ESP_PROPOSALS,
                    "dpd_interval_seconds": 0,
                    "dpd_timeout_seconds": 0,
                    "fragment_octets": 1280,
                    "users": {user.name: user.password for user in USERS},
                    "pools": {"office": (POOL_FIRST, POOL_LAST), "tiny": (POOL_FIRST, POOL_FIRST)},
                    "virtual_networks": ["10.88.0.0/16"],
                    "dns": network.SERVER,
                }
            )
        )
        self._daemon = self._place.daemon(
            "the engine",
            *(sys.executable, "-m", "tests.bench.engine_program", str(configuration)),
            log=self._directory / "log",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(_ROOT)},
        )
        self._daemon.wait_for((self._directory / "control").exists, within=20, what="ready")

    def pids(self) -> list[int]:
        """The gateway and its esp process."""
        return [] if self._daemon is None else family(self._daemon.pid)

    def stop(self) -> None:
        """End it; harmless when it does not run."""
        if self._daemon is not None:
            self._daemon.stop()

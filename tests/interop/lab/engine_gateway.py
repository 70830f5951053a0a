"""Our engine alone as the gateway: tells whether a fault is the engine's or the appliance's."""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.interop.lab import engine_program, network, office
from tests.interop.lab.gateway import Refusal, Remainder, Session

if TYPE_CHECKING:
    from tests.interop.lab.authority import Authority
    from tests.interop.lab.network import Place
    from tests.interop.lab.processes import Daemon

_ROOT = Path(__file__).resolve().parents[3]


class EngineGateway:
    """``engine_program`` in the gateway's place."""

    def __init__(self, place: Place, directory: Path, authority: Authority) -> None:
        self.place = place
        self.authority = authority.file
        self._credential = authority.issue(office.GATEWAY_NAME, addresses=(network.GATEWAY,), server=True)
        self._directory = directory / "engine"
        self._daemon: Daemon

    def __enter__(self) -> Self:
        self._directory.mkdir()
        self.place.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        configuration = {
            "control": str(self._directory / "control"),
            "name": office.GATEWAY_NAME,
            "files": {
                "certificate": str(self._credential.certificate),
                "key": str(self._credential.key),
                "client_authority": str(self.authority),
            },
            "group_key": office.GROUP_KEY,
            "tiny_group": office.TINY_GROUP,
            "ike_proposals": office.IKE_PROPOSALS,
            "esp_proposals": office.ESP_PROPOSALS,
            "dpd_interval_seconds": office.DPD_INTERVAL_SECONDS,
            "dpd_timeout_seconds": office.DPD_TIMEOUT_SECONDS,
            "fragment_octets": office.FRAGMENT_OCTETS,
            "users": {user.name: user.password for user in office.USERS},
            "pools": {"office": office.POOL, "tiny": office.TINY_POOL},
            "virtual_networks": office.VIRTUAL_NETWORKS,
            "dns": office.DNS,
        }
        file = self._directory / "configuration.json"
        file.write_text(json.dumps(configuration))
        self._daemon = self.place.daemon(
            "the engine",
            *(sys.executable, engine_program.__file__, str(file)),
            log=self._directory / "log",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(_ROOT)},
        )
        self._daemon.wait_for(lambda: "engine ready" in self.log(), within=60, what="ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.stop()

    def _ask(self, order: str = "") -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(60)
            control.connect(str(self._directory / "control"))
            control.sendall(f"{order}\n".encode())
            answer = b""
            while octets := control.recv(65_536):
                answer += octets
        found: dict[str, Any] = json.loads(answer)
        return found

    def pids(self) -> list[int]:
        """Pids of the gateway and of its esp process."""
        return self._daemon.pids()

    def sessions(self) -> list[Session]:
        return [Session(user, address) for user, address in self._ask()["sessions"]]

    def remainder(self) -> Remainder:
        found = self._ask()
        return Remainder(
            sessions=tuple(Session(user, address) for user, address in found["sessions"]),
            leases=frozenset(found["leases"]),
            security_associations=found["security_associations"],
        )

    def rekey(self, user: str) -> None:
        self._ask(f"rekey {user}")

    def child_sas_made(self) -> int:
        return len(re.findall(r"ChildSaEstablished\(", self.log()))

    def disconnect(self, user: str) -> None:
        self._ask(f"disconnect {user}")

    def refusals(self) -> list[Refusal]:
        return [
            Refusal(**{**refused, "offered": tuple(refused["offered"]), "accepted": tuple(refused["accepted"])})
            for refused in self._ask()["refusals"]
        ]

    def log(self) -> str:
        return self._daemon.output()

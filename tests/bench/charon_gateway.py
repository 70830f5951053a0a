"""charon as the gateway that ours is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.gateway import ESP_PROPOSALS, GATEWAY_NAME, IKE_PROPOSAL, POOL_FIRST, POOL_LAST, USERS
from tests.interop.lab import network
from tests.interop.lab.authority import Authority
from tests.interop.lab.charon import Charon, Section

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.lab.network import Place

# What charon tells syslog when nothing is configured, one system call a line: some lines a login.
_STOCK_LOG: Section = {"default": 1, "flush_line": "yes"}


class CharonGateway:
    """charon with kernel-libipsec, users and pool in its configuration, its limits for strangers off."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.name = "charon"
        authority = Authority("Benchmark CA", directory / "charon-authority")
        self.authority = authority.file
        self._credential = authority.issue(GATEWAY_NAME, addresses=(network.GATEWAY,), server=True)
        self._charon = Charon("gateway", place, directory)

    def start(self) -> None:
        """Start it; it answers when this returns."""
        log = str(self._charon.directory / "charon.log")
        self._charon.start(
            self._configuration(),
            charon={
                "filelog": {"log": {"path": log, **_STOCK_LOG}},
                # All clients of the benchmark come from one address.
                "cookie_threshold": 0,
                "block_threshold": 0,
                "half_open_timeout": 60,
            },
            keys=(self._credential.key,),
        )

    def _configuration(self) -> Section:
        users: Section = {f"xauth-{user.name}": {"id": user.name, "secret": f'"{user.password}"'} for user in USERS}
        return {
            "connections": {
                "hybrid": {
                    "version": 1,
                    "local_addrs": network.GATEWAY,
                    "proposals": IKE_PROPOSAL,
                    "pools": "pool",
                    "encap": "yes",
                    "send_cert": "always",
                    "unique": "never",
                    "rekey_time": 0,
                    "local": {"auth": "pubkey", "certs": str(self._credential.certificate), "id": GATEWAY_NAME},
                    "remote-xauth": {"auth": "xauth-generic"},
                    "children": {
                        "net": {"local_ts": "0.0.0.0/0", "esp_proposals": ",".join(ESP_PROPOSALS), "rekey_time": 0}
                    },
                }
            },
            "pools": {"pool": {"addrs": f"{POOL_FIRST}-{POOL_LAST}"}},
            "secrets": users,
        }

    def pids(self) -> list[int]:
        """charon is one process."""
        return [self._charon.pid]

    def stop(self) -> None:
        """End it; harmless when it does not run."""
        self._charon.stop()

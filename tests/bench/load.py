"""Many logins: one charon as any number of clients.

Each client is a connection of its own with one user's login from an address of its own, so that each login is a whole
one: main mode with a fresh key exchange, Xauth, Mode Config with a virtual IP of its own, quick mode.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.bench.gateway import GATEWAY_NAME, IKE_PROPOSAL, USERS
from tests.bench.ground import CLIENT_ADDRESSES
from tests.interop.lab import network
from tests.interop.lab.charon import Charon, Section
from tests.interop.lab.processes import Failed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.interop.lab.network import Place

# As little log as tells that charon is up.
_QUIET: Section = {"default": 0, "job": 1, "flush_line": "yes"}
AT_ONCE = 8
MOST_LOGINS = len(USERS) * (len(CLIENT_ADDRESSES) - 1)
"""Beyond the first of each user."""
_LOGIN_SECONDS = 60


class Load:
    """A charon with ``count`` connections to one gateway, named by their numbers."""

    def __init__(self, place: Place, directory: Path) -> None:
        self._charon = Charon("load", place, directory)

    def start(self, count: int, authority: Path, *, esp: str) -> None:
        """Start charon, ready to connect; log nobody in.

        Args:
            count: Of connections, up to the product of users and addresses; they take turns with both.
            authority: PEM file of the CA to trust.
            esp: The one ESP proposal to offer.
        """
        connections: Section = {
            str(number): {
                "version": 1,
                "local_addrs": CLIENT_ADDRESSES[number // len(USERS)],
                "remote_addrs": network.GATEWAY,
                "vips": "0.0.0.0",
                "encap": "yes",
                "proposals": IKE_PROPOSAL,
                "rekey_time": 0,
                "unique": "never",
                "local-xauth": {
                    "auth": "xauth-generic",
                    "xauth_id": USERS[number % len(USERS)].name,
                    "id": f"device-{number}",  # charon puts connections of one identity into one ISAKMP SA
                },
                "remote": {"auth": "pubkey", "cacerts": str(authority), "id": GATEWAY_NAME},
                "children": {str(number): {"remote_ts": network.INNER_NETWORK, "esp_proposals": esp, "rekey_time": 0}},
            }
            for number in range(count)
        }
        secrets: Section = {f"xauth-{user.name}": {"id": user.name, "secret": f'"{user.password}"'} for user in USERS}
        log = str(self._charon.directory / "charon.log")
        self._charon.start(
            {"connections": connections, "secrets": secrets},
            charon={"filelog": {"log": {"path": log, **_QUIET}}},
        )

    def log_in(self, numbers: Iterable[int]) -> None:
        """Connect, some at once.

        Raises:
            Failed: at least one login did not succeed.
        """
        self._each(numbers, "--initiate", "--child", "--timeout", str(_LOGIN_SECONDS))

    def log_out(self, numbers: Iterable[int]) -> None:
        """Say goodbye, some at once.

        Raises:
            Failed: at least one was not connected.
        """
        self._each(numbers, "--terminate", "--ike", "--timeout", "10")

    def _each(self, numbers: Iterable[int], order: str, by: str, *more: str) -> None:
        def give(number: int) -> str:
            done = self._charon.swanctl(
                order, by, str(number), "--loglevel", "0", *more, timeout=_LOGIN_SECONDS + 10, check=False
            )
            return "" if done.returncode == 0 else f"{number}: {done.stdout}{done.stderr}"

        with ThreadPoolExecutor(AT_ONCE) as pool:
            failures = [failure for failure in pool.map(give, numbers) if failure]
        if failures:
            raise Failed(f"{order}: {len(failures)} failed, the first:\n{failures[0]}\n{self._charon.log()[-2000:]}")

    def virtual_ip(self, number: int) -> str:
        """The address that Mode Config gave to a connection.

        Raises:
            Failed: it has none.
        """
        shown = self._charon.swanctl("--list-sas", "--ike", str(number)).stdout
        found = re.search(r"local .*? \[([\d.]+)\]", shown)
        if found is None:
            raise Failed(f"{number} has no virtual address:\n{shown}")
        return found[1]

    def stop(self) -> None:
        """End it; harmless when it does not run."""
        self._charon.stop()

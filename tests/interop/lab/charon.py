"""strongSwan's charon and swanctl, private to a place: its own configuration, vici socket and pid file.

ESP is done by ``kernel-libipsec`` in user space, because many kernels that run tests have no ESP. That plugin speaks
UDP-encapsulated ESP only, and fakes its NAT-D hash so that the other end agrees.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from tests.interop.lab.processes import Failed, eventually

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    from tests.interop.lab.network import Place
    from tests.interop.lab.processes import Daemon

Section = dict[str, "str | int | Section"]

CHARON = "/usr/lib/ipsec/charon"
PLUGINS = (
    "random nonce openssl pem pkcs1 pkcs8 x509 pubkey kdf hmac xauth-generic "
    "kernel-libipsec kernel-netlink socket-default"
)
_SWANCTL_PLUGINS = "random nonce openssl pem pkcs1 pkcs8 x509"
# The pid file has a fixed name in /run, and charon refuses to start beside another: each gets a /run of its own.
_OWN_RUN = 'mount -t tmpfs tmpfs /run && exec "$@"'


def render(section: Mapping[str, str | int | Section], indent: str = "") -> str:
    """Write a section in the syntax of strongswan.conf and swanctl.conf."""
    lines = []
    for key, value in section.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key} {{", render(value, indent + "  "), f"{indent}}}"]
        else:
            lines.append(f"{indent}{key} = {value}")
    return "\n".join(lines)


class Charon:
    """One charon in one place, spoken to over vici."""

    _instances = itertools.count()

    def __init__(self, name: str, place: Place, directory: Path) -> None:
        self.name = name
        self.place = place
        self.directory = directory / f"{name}-{next(self._instances)}"
        self._daemon: Daemon | None = None

    @property
    def pid(self) -> int:
        return self._daemon.pid

    def start(
        self, swanctl: Section, *, charon: Section | None = None, plugins: str = "", keys: tuple[Path, ...] = ()
    ) -> None:
        """Start it and load a configuration.

        Args:
            swanctl: Content of swanctl.conf.
            charon: Additions to the section ``charon`` of strongswan.conf.
            plugins: Plugins to load besides the usual ones.
            keys: PEM files of RSA keys that the configuration's certificates belong to.
        """
        (self.directory / "private").mkdir(parents=True)
        for key in keys:
            (self.directory / "private" / key.name).write_bytes(key.read_bytes())
        own = dict(charon or {})
        own_plugins = own.pop("plugins", {})
        log: Section = {
            "default": 1,
            "ike": 2,
            "cfg": 1,
            "enc": 1,
            "flush_line": "yes",
            "time_format": "%T",
            "time_add_ms": "yes",
        }
        configuration: Section = {
            "charon": {
                "load": f"{PLUGINS} vici {plugins}",
                "threads": 64,  # 16 deadlock on eight concurrent blocking initiates
                "plugins": {"vici": {"socket": self._vici}, **own_plugins},
                "filelog": {"log": {"path": str(self._log), **log}},
                **own,
            },
            "swanctl": {"load": _SWANCTL_PLUGINS},
        }
        (self.directory / "strongswan.conf").write_text(render(configuration))
        command = ["unshare", "-m", "sh", "-c", _OWN_RUN, "sh", CHARON]
        self._daemon = self.place.daemon(
            f"charon {self.name}", *command, log=self.directory / "charon.out", env=self._environment
        )
        # A connect() is refused until charon listens; swanctl would only say "connecting failed".
        self._daemon.wait_for(self._listens, within=60, what="listens on its vici socket")
        self.load(swanctl)

    def load(self, swanctl: Section) -> None:
        """Load a configuration in place of the present one."""
        (self.directory / "swanctl.conf").write_text(render(swanctl))
        self.swanctl("--load-all", "--noprompt")

    @property
    def _vici(self) -> str:
        return f"unix://{self.directory}/vici"

    @property
    def _log(self) -> Path:
        return self.directory / "charon.log"

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "STRONGSWAN_CONF": str(self.directory / "strongswan.conf"),
            "SWANCTL_DIR": str(self.directory),
        }

    def _listens(self) -> bool:
        return (self.directory / "vici").exists() and "00[JOB] spawning" in self.log()

    def swanctl(
        self, command: str, *arguments: str, timeout: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Give charon an order over vici."""
        return self.place.run(
            "swanctl", command, "--uri", self._vici, *arguments, timeout=timeout, check=check, env=self._environment
        )

    def security_associations(self) -> str:
        """What ``swanctl --list-sas`` shows; empty when there are none."""
        return self.swanctl("--list-sas").stdout

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def wait_for_log(self, words: str, *, within: float = 60) -> None:
        """Wait until the log holds these words.

        Raises:
            Failed: it does not in time.
        """
        try:
            eventually(lambda: words in self.log(), within=within, what=f"{words!r} in the log of {self.name}")
        except Failed as failed:
            raise Failed(f"{failed}\n{self.log()[-4000:]}") from None

    def kill(self) -> None:
        """SIGKILL: the peer hears nothing."""
        self._daemon.kill()

    def stop(self) -> None:
        """SIGTERM: SAs are deleted with the peer."""
        if self._daemon is not None:
            self._daemon.stop()

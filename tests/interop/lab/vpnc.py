"""The vpnc client: aggressive mode, hybrid or group key, with its own ESP on a TUN device.

Two things not to prove with it: that a wrong gateway certificate is refused (it accepts one of an unrelated CA), and
that a tunnel is up because its connect script ran (that comes before quick mode is answered).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Self

from tests.interop.lab import network, office
from tests.interop.lab.processes import Daemon, Failed, eventually
from tests.interop.lab.terminal import TerminalDaemon

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.lab.network import Place
    from tests.interop.lab.office import User

# In place of Debian's script, which would write to the machine's own /etc/resolv.conf: address, MTU, one route, and
# a record of what the gateway said.
SCRIPT = f"""#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
env | grep -E '^(reason|INTERNAL|CISCO|TUNDEV|VPNGATEWAY)' >>"$(dirname "$0")/told"
case "$reason" in
connect)
    ip link set dev "$TUNDEV" up mtu "${{INTERNAL_IP4_MTU:-1400}}"
    ip address add "$INTERNAL_IP4_ADDRESS/32" dev "$TUNDEV"
    ip route add {network.INNER_NETWORK} dev "$TUNDEV" src "$INTERNAL_IP4_ADDRESS"
    ;;
esac
exit 0
"""


class VpncClient:
    """One vpnc in one place."""

    _instances = itertools.count()

    def __init__(self, place: Place, directory: Path) -> None:
        self.place = place
        number = next(self._instances)
        self._directory = directory / f"vpnc-{number}"
        self.device = f"vpnc{number}"
        self._daemon: Daemon | None = None
        self.virtual_ip = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.stop()

    def start(
        self,
        user: User,
        authority: Path,
        *,
        hybrid: bool = True,
        natt: str = "natt",
        group: str = office.GROUP,
        dh: str = "dh2",
        pfs: str = "nopfs",
        more: tuple[str, ...] = (),
        on_terminal: bool = False,
    ) -> None:
        """Start vpnc, which connects at once.

        Args:
            user: Who logs in.
            authority: PEM file of the CA.
            hybrid: The gateway proves itself with a certificate; a group key otherwise.
            natt: ``natt`` or ``force-natt``.
            group: The group name.
            dh: Phase 1 group.
            pfs: Group of quick mode, or ``nopfs``.
            more: Further lines of its configuration file.
            on_terminal: It may ask there (``type``); otherwise it gives up when it is asked for more than the password.
        """
        self._directory.mkdir()
        script = self._directory / "script"
        script.write_text(SCRIPT)
        script.chmod(0o755)
        lines = [
            f"IPSec gateway {network.GATEWAY}",
            f"IPSec ID {group}",
            f"IPSec secret {office.GROUP_KEY}",
            f"IKE Authmode {'hybrid' if hybrid else 'psk'}",
            *([f"CA-File {authority}"] if hybrid else []),
            f"IKE DH Group {dh}",
            f"Perfect Forward Secrecy {pfs}",
            f"Xauth username {user.name}",
            f"Xauth password {user.password}",
            f"NAT Traversal Mode {natt}",
            "DPD idle timeout (our side) 10",
            f"Interface name {self.device}",
            f"Script {script}",
            f"Pidfile {self._directory / 'pid'}",
            "Debug 2",
            *more,
        ]
        configuration = self._directory / "vpnc.conf"
        configuration.write_text("".join(f"{line}\n" for line in lines))
        configuration.chmod(0o600)
        command = [
            "stdbuf",
            "-oL",
            "vpnc",
            "--no-detach",
            *([] if on_terminal else ["--non-inter"]),
            str(configuration),
        ]
        log, environment = self._directory / "log", {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        if on_terminal:
            self._daemon = TerminalDaemon("vpnc", self.place.argv(*command), log, env=environment)
        else:
            self._daemon = self.place.daemon("vpnc", *command, log=log, env=environment)

    def type(self, prompt: str, text: str) -> None:
        """Wait until it asks on its terminal, and answer."""
        assert isinstance(self._daemon, TerminalDaemon)
        self._daemon.answer(prompt, text)

    def connect(self, *, within: float = 60) -> None:
        """Wait until the tunnel carries packets.

        Raises:
            Failed: with vpnc's output, when it does not in time.
        """
        self._daemon.wait_for(lambda: "reason=connect" in self._told(), within=within, what="runs its connect script")
        words = dict(line.partition("=")[::2] for line in self._told().splitlines())
        self.virtual_ip = words["INTERNAL_IP4_ADDRESS"]

        def carries() -> bool:
            return self.place.run("ping", "-q", "-c", "1", "-W", "1", network.SERVER, check=False).returncode == 0

        self._daemon.wait_for(carries, within=within, what="the tunnel carries a ping")

    def _told(self) -> str:
        file = self._directory / "told"
        return file.read_text() if file.exists() else ""

    def told(self) -> dict[str, str]:
        """What Mode Config gave, as the variables of its script."""
        return dict(line.partition("=")[::2] for line in self._told().splitlines())

    def has_ended(self) -> bool:
        return not self._daemon.alive

    def wait_refused(self, *, within: float = 60) -> str:
        """Wait until it gives up; give what it printed.

        Raises:
            Failed: it still runs, or it ended without complaint.
        """
        if self._daemon.wait(within) == 0:
            raise Failed(f"vpnc ended well:\n{self.log()[-4000:]}")
        return self.log()

    def disconnect(self) -> None:
        """SIGTERM: DELETE for the ESP SAs, then for the ISAKMP SA."""
        self._daemon.stop()

    def kill(self) -> None:
        """SIGKILL: the gateway hears nothing any more."""
        self._daemon.kill()
        eventually(lambda: self.device not in self.place.links(), within=60, what="its TUN device is gone")

    def log(self) -> str:
        return self._daemon.output() if self._daemon else ""

"""Our own client: ``coati connect``, with a resolv.conf of its own."""

from __future__ import annotations

import itertools
import pwd
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.interop.lab import network, office
from tests.interop.lab.terminal import TerminalDaemon

if TYPE_CHECKING:
    from tests.interop.lab.network import Place
    from tests.interop.lab.processes import Daemon
    from tests.interop.lab.strongswan import Login

_ROOT = Path(__file__).resolve().parents[3]
_OWN_RESOLV_CONF = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
NAME_SERVERS_BEFORE = "# as the machine had it\nnameserver 192.0.2.53\n"


class CoatiClient:
    """One ``coati connect`` in one place."""

    _instances = itertools.count()

    def __init__(self, place: Place, directory: Path) -> None:
        self.place = place
        self._directory = directory / f"coati-client-{next(self._instances)}"
        self._directory.mkdir()
        self._directory.chmod(0o755)
        self.resolv_conf = self._directory / "resolv.conf"
        self.resolv_conf.write_text(NAME_SERVERS_BEFORE)
        self._daemon: Daemon
        self.virtual_ip = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(
        self,
        login: Login,
        authority: Path | None,
        *more: str,
        user: str = "",
        gateway: str = network.GATEWAY,
        on_terminal: bool = False,
    ) -> None:
        """Start it; it connects at once.

        Args:
            login: Who logs in and how.
            authority: PEM file of the CA to trust.
            more: Further arguments.
            user: Account of this machine to run as, in place of root.
            gateway: What is typed as its name.
            on_terminal: It asks there for everything, the password first (``type``).
        """
        secrets = [login.user.password]
        arguments = ["--user", login.user.name, "--method", login.method, "--mode", login.mode]
        arguments += ["--ike", login.ike, "--esp", login.esp]
        arguments += [] if "--gateway-name" in more else ["--gateway-name", office.GATEWAY_NAME]
        if login.method == "psk":
            arguments += ["--psk-stdin"] + (["--group", login.group] if login.mode == "aggressive" else [])
            secrets.insert(0, office.GROUP_KEY)
        else:
            arguments += ["--ca", str(authority)]
        if login.credential is not None:
            arguments += ["--cert", str(login.credential.certificate), "--key", str(login.credential.key)]
        command = [sys.executable, "-m", "appliance.cli", "connect", gateway, "--verbose"]
        command += [] if on_terminal else ["--password-stdin"]
        group = str(pwd.getpwnam(user).pw_gid) if user else ""
        as_user = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"] if user else []
        own = ("unshare", "-m", "sh", "-c", _OWN_RESOLV_CONF, str(self.resolv_conf))
        argv = (*own, *as_user, *command, *arguments, *more)
        log = self._directory / "log"
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(_ROOT)}
        if on_terminal:
            self._daemon = TerminalDaemon("coati connect", self.place.argv(*argv), log, env=environment)
        else:
            typed = "\n".join([*secrets, ""])
            self._daemon = self.place.daemon("coati connect", *argv, log=log, stdin=typed, env=environment)

    def type(self, prompt: str, text: str) -> None:
        """Wait until it asks on its terminal, and answer."""
        assert isinstance(self._daemon, TerminalDaemon)
        self._daemon.answer(prompt, text)

    def wait_connected(self, *, times: int = 1, within: float = 60) -> None:
        """Wait until it has been connected so many times.

        Raises:
            Failed: with its output, when it is not in time.
        """

        def look() -> list[str]:
            found = re.findall(r"^  address +([\d.]+) on", self.log(), re.MULTILINE)
            return found if len(found) >= times else []

        self.virtual_ip = self._daemon.wait_for(look, within=within, what=f"connected {times} times")[-1]

    def connect(self, login: Login, authority: Path | None, *more: str) -> None:
        """Start it and wait until the tunnel is up."""
        self.start(login, authority, *more)
        self.wait_connected()

    def wait(self, *, within: float = 60) -> int:
        """Wait for its end; give its exit status."""
        return self._daemon.wait(within)

    def pids(self) -> list[int]:
        """Its processes: the keeper, the client and esp."""
        return self._daemon.pids()

    def child(self, words: str) -> int:
        """Pid of the child whose command line holds these words."""
        return self._daemon.descendant(words)

    def disconnect(self, signal: str = "TERM") -> int:
        """SIGTERM, or INT as Ctrl-C sends; give its exit status."""
        self.place.run("kill", f"-{signal}", str(self._daemon.pid))
        return self.wait()

    def kill_child(self, words: str) -> None:
        """SIGKILL to the child whose command line holds these words."""
        self.place.run("kill", "-KILL", str(self.child(words)))

    def kill(self) -> None:
        """SIGKILL to the keeper: nothing is put back."""
        self._daemon.kill()

    def stop(self) -> None:
        """End it if it still runs."""
        if hasattr(self, "_daemon"):
            self._daemon.stop(grace=10)

    def log(self) -> str:
        return self._daemon.output() if hasattr(self, "_daemon") else ""

"""A machine of its own for an administrator: this one's file system, a systemd that boots, and nothing that stays.

``systemd-nspawn`` starts it in cgroups of its own, in the unified hierarchy that systemd wants, whatever this
machine's own is. The tree is in ``/opt/coati``, as an administrator unpacks it; no account, data or unit of Coati that
this machine may have is in it. Its network is a place of the laboratory.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.installed import trees
from tests.interop.lab.processes import Daemon, eventually, run

if TYPE_CHECKING:
    import subprocess

    from tests.interop.lab.network import Place

BOOT_SECONDS = 60

_BOOT = r"""
cd "$TREE"
git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - |
    tar -x --no-same-owner -C "$root/opt/coati"
# As the launcher leaves it.
printf '/opt/coati\n' >"$packages/coati.pth"
{ printf '/opt/coati\n'; sha256sum <"$root/opt/coati/pyproject.toml"; } >"$root/opt/coati/.venv/.installed"
cd /
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec systemd-nspawn --quiet --directory="$root" --machine="$NAME" --uuid="$NUMBER" --register=no --keep-unit \
    --link-journal=no --console=pipe --network-namespace-path="/run/netns/$NETWORK" --capability=all \
    --bind=/dev/net/tun --boot systemd.unit=basic.target
"""


class Machine:
    """The machine, running.

    Args:
        place: Where it is in the laboratory's network.
        directory: An empty folder for what it writes.
    """

    def __init__(self, place: Place, directory: Path) -> None:
        self.place = place
        self.directory = directory
        self._name = f"coati-{uuid.uuid4().hex[:12]}"
        self._leader = 0
        self._daemon: Daemon

    def __enter__(self) -> Self:
        for program in ("systemd-nspawn", "git"):
            assert shutil.which(program), f"no {program}: run tests/apt.sh"
        told = trees.variables(self._name, self.directory) | {"NETWORK": self.place.name, "NUMBER": uuid.uuid4().hex}
        self._daemon = Daemon(
            "the machine",
            ["unshare", "--mount", "sh", "-c", trees.START + _BOOT],
            self.directory / "console",
            env=told,
        )
        try:
            self._leader = self._daemon.wait_for(self._child, within=BOOT_SECONDS, what="starts")
            self._daemon.wait_for(self._is_up, within=BOOT_SECONDS, what="has booted")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.stop(grace=30)
        trees.remove_cgroups(self._name)

    def _child(self) -> int:
        """Give the process that is number 1 in it."""
        pid = self._daemon.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in map(int, children):
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return child
        return 0

    def _is_up(self) -> bool:
        return self._enter("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def _enter(self, *command: str, **how: Any) -> subprocess.CompletedProcess[str]:
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        inside = ["nsenter", f"--target={self._leader}", "--all", "--wd=/", "env", "-i", path, "LANG=C.UTF-8"]
        return run([*inside, *command], **how)

    def run(self, *command: str, stdin: str = "", seconds: float = 90) -> str:
        """Run a command in it as root; give what it printed.

        Raises:
            Failed: it failed, with what it said.
        """
        return self._enter(*command, stdin=stdin, timeout=seconds).stdout

    def coati(self, *words: str, stdin: str = "") -> str:
        """Run the command line as an administrator there does."""
        return self.run("/opt/coati/coati", *words, stdin=stdin)

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """What systemd knows of a unit."""
        shown = self.run("systemctl", "show", unit, f"--property={','.join(names)}")
        return dict(line.split("=", 1) for line in shown.splitlines())

    def journal(self, unit: str, *options: str) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}", *options)

    def wait_for_words(self, unit: str, words: str, times: int = 1, *, within: float = 60) -> None:
        """Until the journal of a unit has these words so many times."""
        eventually(
            lambda: self.journal(unit).count(words) >= times, within=within, every=0.3, what=f"{words!r} is logged"
        )

    def pid(self, words: str) -> int:
        """Number, outside, of the process in it whose command line holds these words."""
        listed = Path(self._cgroup_of_service()).read_text().split()
        found = [int(pid) for pid in listed if words in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")]
        assert found, f"no process {words} among {listed}"
        return found[0]

    def _cgroup_of_service(self) -> str:
        top, *_ = trees.unified_hierarchies()
        return f"{top}/{self._name}/payload/system.slice/coati.service/cgroup.procs"

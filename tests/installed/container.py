"""A container of the appliance as ``docker-compose.yml`` and ``Dockerfile`` describe it, run by podman.

No registry is asked: instead of an image it has this machine's file system, and in it what ``pip install`` in the image
makes of the wheel. Capabilities, devices, security options, environment, volume, entry point and health check are read
from the two files; its network is a place of the laboratory, where compose would have one of its own.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from tests.installed import trees
from tests.interop.lab.processes import Daemon, run

if TYPE_CHECKING:
    import subprocess

    from tests.interop.lab.network import Place

_RUN = r"""
"$INTERPRETER" -m zipfile -e "$WHEEL" "$packages"
chroot "$root" useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin coati
exec podman "$@" --rootfs "$root" $COMMAND
"""
# What podman would raise, which takes a capability that this machine's root may not have.
_LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")


class Container:
    """The appliance in a container.

    Args:
        place: Its network.
        directory: For what is written; what is in the volume stays there from one container to the next.
        wheel: Of this tree.
        environment: What compose is told by the administrator.
    """

    def __init__(self, place: Place, directory: Path, wheel: Path, environment: dict[str, str]) -> None:
        self.place = place
        self.directory = directory
        self.volume = directory / "volume"
        self._runtime = Path("/run", f"coati-podman-{uuid.uuid4().hex[:12]}")  # podman wants a short name
        self._wheel = wheel
        self._environment = environment
        self._lives = 0
        self._name = ""
        self._daemon: Daemon

    def __enter__(self) -> Self:
        self.volume.mkdir()
        self._start()
        return self

    def start_again(self) -> None:
        """Start another, with the same volume, in the place of one that was stopped."""
        trees.remove_cgroups(self._name)
        self._start()

    def _start(self) -> None:
        self._lives += 1
        self._name = f"coati-{uuid.uuid4().hex[:12]}"
        folder = self.directory / f"life-{self._lives}"
        folder.mkdir()
        told = trees.variables(self._name, folder) | {"WHEEL": str(self._wheel), "COMMAND": " ".join(command())}
        self._daemon = Daemon(
            "the container",
            ["unshare", "--mount", "sh", "-c", trees.START + _RUN, "sh", *self._podman(), "run", *self._options()],
            folder / "log",
            env=told,
        )
        try:
            self._daemon.wait_for(lambda: "Application startup complete" in self.log(), within=120, what="serves")
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._daemon.stop(grace=30)
        trees.remove_cgroups(self._name)
        shutil.rmtree(self._runtime, ignore_errors=True)

    def _podman(self) -> list[str]:
        # A store that this run alone knows, whatever else podman has on this machine.
        places = ("--root", str(self.directory / "store"), "--runroot", str(self._runtime))
        return [*places, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]

    def _options(self) -> list[str]:
        service = compose()
        options = ["--rm", "--name", self._name, "--cgroups=disabled", "--log-driver=none", *_LIMITS]
        options += ["--network", f"ns:/run/netns/{self.place.name}", "--volume", f"{self.volume}:/var/lib/coati"]
        for option, key in (("--cap-drop", "cap_drop"), ("--cap-add", "cap_add"), ("--device", "devices")):
            options += [word for value in service[key] for word in (option, value)]
        for value in service["security_opt"]:
            options += [
                "--security-opt",
                value.replace("no-new-privileges:true", "no-new-privileges").replace(":", "="),
            ]
        for name, value in {**image_environment(), **self._environment}.items():
            options += ["--env", f"{name}={value}"]
        return options

    def execute(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """``docker compose exec``: run a command in it; give what came of it."""
        return run(["podman", *self._podman(), "exec", "--interactive", self._name, *command], stdin=stdin, timeout=90)

    def coati(self, *words: str, stdin: str = "") -> str:
        """Run the command line in it; give what it printed."""
        return self.execute("coati", *words, stdin=stdin).stdout

    def log(self) -> str:
        return self._daemon.output()

    def stop(self) -> int:
        """Stop it as ``docker stop`` does; give its exit status."""
        run(["podman", *self._podman(), "stop", "--time", "30", self._name], timeout=60)
        return self._daemon.wait(30)


def compose() -> dict[str, Any]:
    """What ``docker-compose.yml`` says of the appliance."""
    service: dict[str, Any] = yaml.safe_load((trees.TREE / "docker-compose.yml").read_text("utf-8"))["services"][
        "coati"
    ]
    return service


def _dockerfile() -> str:
    return (trees.TREE / "Dockerfile").read_text("utf-8").replace("\\\n", "")


def command() -> list[str]:
    """What the image runs."""
    words = [re.findall(rf"^{name} (\[.*\])$", _dockerfile(), re.MULTILINE) for name in ("ENTRYPOINT", "CMD")]
    return [word for (found,) in words for word in json.loads(found)]


def health_check() -> list[str]:
    """What the image looks after itself by."""
    (found,) = re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$", _dockerfile(), re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


def image_environment() -> dict[str, str]:
    """What the image gives every process."""
    (line,) = re.findall(r"^ENV (.*)$", _dockerfile(), re.MULTILINE)
    pairs = (word.split("=", 1) for word in line.split())
    return {name: value.replace("$PATH", "/usr/sbin:/usr/bin:/sbin:/bin") for name, value in pairs}

"""``coati serve`` as real processes: who runs as what, what comes back, what is left, what is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ike_engine.runtime import confine
from ike_engine.runtime.children import program_trees
from ike_engine.runtime.confine import Confinement
from ike_engine.runtime.privileges import Account, give

if TYPE_CHECKING:
    from collections.abc import Iterator

TREE = Path(__file__).parents[2]
PARTS = {"gateway": "appliance.gateway", "esp": "ike_engine.dataplane.userspace", "web": "webui"}
LONGEST_SECONDS = 60
STRANGER = 61_234


class Served:
    """A running ``coati serve`` and what it wrote so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.text = ""

    def wait_for(self, words: str, times: int = 1) -> str:
        """Read its output until ``words`` came so many times."""
        assert self.process.stdout is not None
        while self.text.count(words) < times:
            line = self.process.stdout.readline()
            assert line, f"it ended before it said {words!r}:\n{self.text}"
            self.text += line
        return self.text

    def child(self, part: str) -> int:
        """Give the process of a part."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split()
        [found] = [int(pid) for pid in children if PARTS[part] in arguments(int(pid))]
        return found

    def stop(self) -> int:
        """SIGTERM; give the exit status."""
        self.process.terminate()
        rest, _ = self.process.communicate(timeout=LONGEST_SECONDS)
        self.text += rest
        return self.process.returncode


def arguments(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text("utf-8").split("\0")


def status(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


@contextmanager
def serving(data: Path, *prefix: str, **variables: str) -> Iterator[Served]:
    """``coati serve`` on ports that are nobody's, killed at the latest when the test is over."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(TREE),
        "COATI_DATA_DIR": str(data),
        "COATI_LISTEN": "127.0.0.1:18443",
        "COATI_USER": str(STRANGER),
        **variables,
    }
    process = subprocess.Popen(
        [*prefix, sys.executable, "-P", "-m", "appliance.cli", "serve"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Served(process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


@pytest.mark.root
def test_everything_runs_without_privilege_comes_back_and_leaves_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, *ALONE, COATI_DATA_PLANE="userspace") as served:
        served.wait_for("serving")
        served.wait_for("Application startup complete")
        for part in PARTS:
            of = status(served.child(part))
            assert of["Uid"] == of["Gid"] == [str(STRANGER)] * 4, part
            assert of["Groups"] == [], part
            assert {int(of[name][0], 16) for name in of if name.startswith("Cap")} == {0}, part
            assert of["NoNewPrivs"] == ["1"], part
        for part in ("gateway", "web"):  # they hold passwords: nobody but root may trace or dump them
            assert Path(f"/proc/{served.child(part)}/mem").stat().st_uid == 0, part
        assert status(served.process.pid)["Uid"][0] == "0"
        assert {path.stat().st_uid for path in (data, *data.iterdir())} == {STRANGER}
        assert (data / "master.key").stat().st_mode & 0o777 == 0o600
        # ESP has no business in the data directory and cannot even look into it.
        hidden = subprocess.run(
            ["nsenter", f"--target={served.child('esp')}", "--mount", "ls", data], capture_output=True, check=True
        )
        assert hidden.stdout == b""

        esp, web = served.child("esp"), served.child("web")
        os.kill(served.child("gateway"), signal.SIGKILL)
        served.wait_for("serving", times=2)
        assert (served.child("esp"), served.child("web")) == (esp, web)
        os.kill(web, signal.SIGKILL)
        served.wait_for("Application startup complete", times=2)
        assert served.child("web") != web
        record = data / "log" / "lines.jsonl"
        assert (record.stat().st_uid, record.stat().st_mode & 0o777) == (STRANGER, 0o640)
        told = {(line["process"], line["event"]) for line in map(json.loads, record.read_text("utf-8").splitlines())}
        assert {("gateway", "serving"), ("web", "panel"), ("keeper", "gateway ended (killed by SIGKILL)")} <= told
        assert ("esp", "doing ESP in user space") in told  # which sees nothing of the record

        namespace = f"--net=/proc/{served.process.pid}/ns/net"
        with open(namespace.removeprefix("--net=")) as kept:  # noqa: PTH123  the namespace lives while this is open
            again = f"--net=/proc/self/fd/{kept.fileno()}"
            look = ("nsenter", again, "sh", "-c", "nft list ruleset; ip -br link; ip route")
            during = subprocess.run(look, capture_output=True, text=True, check=True, pass_fds=(kept.fileno(),))
            assert "table ip coati" in during.stdout
            assert "coati0" in during.stdout
            assert served.stop() == 0
            after = subprocess.run(look, capture_output=True, text=True, check=True, pass_fds=(kept.fileno(),))
            assert "coati" not in after.stdout
    assert "killing it" not in served.text


@pytest.mark.root
def test_a_killed_keeper_takes_its_children_with_it_and_the_next_one_starts(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, *ALONE, COATI_DATA_PLANE="none") as served:
        served.wait_for("serving")
        [password] = re.findall(r"password +(\S+)", served.text)
        served.process.kill()
        assert served.process.stdout is not None
        served.process.stdout.read()  # returns when the last process that could write has ended
    with serving(data, *ALONE, COATI_DATA_PLANE="none") as served:
        served.wait_for("serving")
        assert password not in served.text
        assert "password" not in served.text  # the first administrator was made once
        assert served.stop() == 0


@pytest.mark.root
def test_without_root_the_panel_runs_and_says_how_to_have_the_rest(tmp_path: Path) -> None:
    data = tmp_path / "data"
    give(data, Account("stranger", STRANGER, STRANGER))
    # A stranger who could read neither root's Python nor this clone is given a view of them.
    confinement = Confinement(
        keeper=os.getpid(),
        argv=(sys.executable, "-P", "-m", "appliance.cli", "serve"),
        uid=STRANGER,
        gid=STRANGER,
        readable=[str(tree) for tree in program_trees()],
        writable=[str(data)],
        hidden=[],
    )
    become = (sys.executable, "-I", "-S", confine.__file__, confinement.as_argument())
    with serving(data, *ALONE, *become) as served:
        served.wait_for("Application startup complete")
        assert "off: it needs root" in served.text
        assert f"sudo ./coati --data-dir {data} serve" in served.text
        assert status(served.process.pid)["Uid"][0] == str(STRANGER)
        assert served.child("web")
        assert served.stop() == 0


@pytest.mark.root
def test_a_port_in_use_is_told_with_the_remedy(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", 0))
        taken = str(other.getsockname()[1])
        variables = {"COATI_IKE_ADDRESS": "127.0.0.1", "COATI_IKE_PORT": taken, "COATI_DATA_PLANE": "none"}
        with serving(tmp_path / "data", **variables) as served:
            output, _ = served.process.communicate(timeout=LONGEST_SECONDS)
    assert served.process.returncode == 1
    assert f"cannot bind UDP 127.0.0.1:{taken}: Address already in use; stop the other IKE daemon" in output
    # The password of the first administrator is shown once: a start that fails must not have used it up.
    # And nothing else: a directory with something in it and no key would not be taken for ours the next time.
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.root
def test_two_do_not_serve_one_directory(tmp_path: Path) -> None:
    data, quiet = tmp_path / "data", {"COATI_DATA_PLANE": "none", "COATI_METRICS_LISTEN": "off"}
    with serving(data, *ALONE, **quiet) as first:
        first.wait_for("serving")
        with serving(data, *ALONE, **quiet) as second:  # its ports are free, in a network of its own
            output, _ = second.process.communicate(timeout=LONGEST_SECONDS)
        assert second.process.returncode == 1
        assert f"another coati serve runs on {data}; stop that one" in output
        assert first.stop() == 0
    with serving(data, *ALONE, **quiet) as third:
        third.wait_for("serving")
        assert third.stop() == 0


@pytest.mark.root
def test_a_directory_with_somebodys_files_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with serving(tmp_path) as served:
        output, _ = served.process.communicate(timeout=LONGEST_SECONDS)
    assert served.process.returncode == 1
    assert f"{tmp_path} is there, is not empty, and is not Coati's" in output
    assert (tmp_path / "letter").stat().st_uid == 0

"""A real Linux kernel with ESP for tests on machines whose own has none: Debian's user-mode-linux.

``boot(script)`` boots it on this machine's own root file system (read-only), runs the shell script as
root in it and gives what it printed. A boot takes some seconds, so a test should bring its scenarios
together. In the guest, ``$PYTHON`` is our interpreter, the working directory is the repository, and
``/run`` and ``TMPDIR`` are empty and writable, all else is read-only. It has no network but what it makes.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.kernel import modules

REPOSITORY = Path(__file__).parents[2]
# Where the guest may write; it must hide nothing of ours. Not in /run: each charon gets a /run of its own.
_SCRATCH = next(
    place
    for place in map(Path, ("/mnt", "/media", "/srv"))
    if place.is_dir() and not any(used.is_relative_to(place) for used in (REPOSITORY, Path(sys.prefix)))
)

_INIT = """#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run LANG=C.UTF-8
export PYTHON={python} PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc; mount -t sysfs sys /sys
mount -t tmpfs tmp /run; mount -t tmpfs tmp {scratch}; export TMPDIR={scratch}
mount -t tmpfs dev /dev; mkdir /dev/net /dev/shm
for node in "null 1 3" "zero 1 5" "random 1 8" "urandom 1 9" "tty 5 0" "net/tun 10 200"; do
    set -- $node; mknod -m 666 /dev/$1 c $2 $3
done
ln -s /proc/self/fd /dev/fd; ln -s /proc/self/fd/0 /dev/stdin; ln -s /proc/self/fd/1 /dev/stdout
mkdir -p /run/netns /run/modules/lib
# The guest's modules are not where modprobe looks; the kernel calls it too, for algorithms.
ln -s {modules} /run/modules/lib/modules
printf '#!/bin/sh\\nexec /usr/sbin/modprobe -d /run/modules "$@"\\n' >/run/modprobe; chmod 755 /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
ip link set lo up
cd {repository}
for module in {wanted}; do /run/modprobe $module; done
(
{script}
)
echo "guest-exit-code: $?"
sync; poweroff -f 2>/dev/null || halt -f -p
"""

ESP_MODULES = ("esp4", "xfrm_user", "veth", "tun", "iptable_nat", "xt_MASQUERADE", "xt_nat", "iptable_filter")
COMPLETING_MODULES = ("xfrm_interface", "nf_tables", "nft_chain_nat", "nft_masq", "nft_reject_ipv4", "nft_ct")


# Those that want to write, and those that take a guest seconds to load.
_PLUGINS_LEFT_OUT = ("cacheprovider", "hypothesispytest", "schemathesis", "xdist", "xdist.looponfail", "anyio")


def tests_in(*files: Path) -> list[str]:
    """Give the node of each test in these files."""
    found = {file: re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE) for file in files}
    return [f"{file}::{name}" for file, names in found.items() for name in names]


def pytest_command(nodes: list[str], *, each_seconds: int) -> str:
    """Give the words that run these tests in a guest."""
    left_out = " ".join(f"-p no:{plugin}" for plugin in _PLUGINS_LEFT_OUT)
    return f'"$PYTHON" -m pytest {left_out} --timeout {each_seconds} --color no --durations 0 -v {" ".join(nodes)}'


def boot(script: str, *, seconds: float, completed: Path | None = None, megabytes: int = 512) -> str:
    """Run a script in a guest; fail the test when the script does or takes too long.

    Args:
        script: What the shell runs.
        seconds: When it is given up.
        completed: The modules of a kernel that has all (``modules.build``); ``None``: as Debian ships it.
        megabytes: The guest's memory.
    """
    kernel = shutil.which("linux.uml")
    if kernel is None:
        pytest.fail("no linux.uml: run tests/apt.sh")
    # Not in a place for temporary files: the guest has its own.
    (REPOSITORY / "build").mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="uml-", dir=REPOSITORY / "build"))
    init = directory / "init"
    init.write_text(
        _INIT.format(
            python=sys.executable,
            modules=completed or modules.SHIPPED,
            repository=REPOSITORY,
            wanted=" ".join((*ESP_MODULES, *(COMPLETING_MODULES if completed else ()))),
            script=script,
            scratch=_SCRATCH,
        )
    )
    init.chmod(0o755)
    try:
        return _run(kernel, init, directory, seconds, megabytes)
    finally:
        shutil.rmtree(directory)


def _run(kernel: str, init: Path, directory: Path, seconds: float, megabytes: int) -> str:
    guest = subprocess.Popen(
        [
            kernel,
            *(f"mem={megabytes}M", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", "quiet"),
            *("con=null", "con0=fd:0,fd:1", "ssl=null"),
        ],
        cwd=directory,
        env={name: value for name, value in os.environ.items() if name != "TMPDIR"},  # its memory belongs in /dev/shm
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = guest.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(guest.pid, signal.SIGKILL)
        output, _ = guest.communicate()
        pytest.fail(f"the guest took more than {seconds:.0f} s; it said:\n{output}")
    finally:
        if guest.poll() is None:
            os.killpg(guest.pid, signal.SIGKILL)
            guest.wait()
    code = re.search(r"^guest-exit-code: (\d+)", output, re.MULTILINE)
    if code is None or code[1] != "0":
        pytest.fail(f"the script failed in the guest; it said:\n{output}")
    return output

"""What a machine or a container of the tests has for its file system: this machine's own, and Coati added to it.

``START`` is shell: after it ``$root`` is that tree, in the mount namespace that the shell must have for itself;
``variables`` are what it is told. Python packages come from the environment that runs the tests; how pip brings them
is shown by ``test_wheel.py``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.interop.lab.processes import eventually

TREE = Path(__file__).parents[2]
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"

START = r"""
set -eu
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$NAME"
echo $$ >"/sys/fs/cgroup/$NAME/cgroup.procs"

root=$FOLDER/root
mkdir -p "$root" "$FOLDER/written" "$FOLDER/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$FOLDER/written,workdir=$FOLDER/work" "$root"
(cd "$root" && rm -rf var/lib/coati etc/coati etc/systemd/system/coati.service etc/sysusers.d/coati.conf)
sed -i /^coati:/d "$root/etc/passwd" "$root/etc/shadow" "$root/etc/group" "$root/etc/gshadow"
mkdir -p "$root/opt/coati" "$root/opt/packages"
mount --bind "$PACKAGES" "$root/opt/packages"

# An environment whose packages are those of the tests, and whose program is ours.
packages=$root/opt/coati/.venv/lib/$PYTHON/site-packages
chroot "$root" "$INTERPRETER" -m venv --without-pip /opt/coati/.venv
printf '/opt/packages\n' >"$packages/packages.pth"
program=$root/opt/coati/.venv/bin/coati
printf '#!/opt/coati/.venv/bin/python\nimport sys\nfrom appliance.cli import main\nsys.exit(main())\n' >"$program"
chmod 755 "$program"
"""


def variables(name: str, folder: Path) -> dict[str, str]:
    """What ``START`` is told.

    Args:
        name: Of its cgroup.
        folder: For what is written.
    """
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "NAME": name,
        "FOLDER": str(folder),
        "TREE": str(TREE),
        "PACKAGES": sysconfig.get_path("purelib"),
        "PYTHON": _PYTHON,
        "INTERPRETER": str(Path(sys.executable).resolve()),
    }


def remove_cgroups(name: str) -> None:
    """Remove the cgroups of what has ended, once the last of its processes is gone."""
    for top in unified_hierarchies():
        eventually(lambda: _removed(Path(top) / name), within=60, what=f"nothing runs in {name}")  # noqa: B023  at once


def _removed(cgroup: Path) -> bool:
    with contextlib.suppress(OSError):  # busy
        for folder, _, _ in os.walk(cgroup, topdown=False):
            Path(folder).rmdir()
    return not cgroup.exists()


def unified_hierarchies() -> list[str]:
    """Where this machine shows the cgroups that ``START`` makes."""
    lines = [line.split() for line in Path("/proc/mounts").read_text("ascii").splitlines()]
    return [fields[1] for fields in lines if fields[2] == "cgroup2"]


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this tree, as ``pip install .`` does."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(TREE)]
    subprocess.run(pip, check=True, timeout=240, stdin=subprocess.DEVNULL)
    (wheel,) = folder.glob("coati-*.whl")
    return wheel

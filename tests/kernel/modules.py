"""Builds what Debian's user-mode-linux leaves out: XFRM interfaces, and nftables' chains of IPv4 (filter, nat, reject).

Five modules, from Debian's source of the very kernel (package linux-source-6.1) and with the configuration that the
package ships, but for the switches below. It takes some forty seconds of CPU time, a third of it to unpack. The
result lies in ``build/`` beside the other modules, as modprobe likes it, and is made once for each kernel.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SHIPPED = Path("/usr/lib/uml/modules")
_CONFIGURATION = Path("/usr/share/doc/user-mode-linux/config.gz")
_SOURCE = Path("/usr/src/linux-source-6.1.tar.xz")
_TREE = "linux-source-6.1"
# What is compiled nowhere here; the files named Kconfig are read from everywhere.
_LEFT_OUT = (
    *("Documentation/*/*", "samples/*/*.[ch]", "tools/perf/*", "tools/testing/*", "include/dt-bindings/*"),
    *(f"{folder}/*.[chSr]*" for folder in ("drivers", "sound", "fs")),
    *(f"arch/{family}*/*.[chSd]*" for family in "achilmnoprs"),
)
_SWITCHES = ("-m", "XFRM_INTERFACE", "-e", "NF_TABLES_IPV4", "-m", "NFT_NAT", "-m", "NFT_REJECT_IPV4")
_MODULES = (
    "net/xfrm/xfrm_interface.ko",
    "net/netfilter/nf_tables.ko",
    "net/netfilter/nft_chain_nat.ko",
    "net/netfilter/nft_nat.ko",
    "net/ipv4/netfilter/nft_reject_ipv4.ko",
)


class CannotBuild(Exception):
    """What is missing or went wrong, in words."""


def build(folder: Path) -> Path:
    """Give a directory for ``modprobe -d``: all modules of the kernel, those it lacks among them.

    Args:
        folder: Where it is made, or found from an earlier time.

    Raises:
        CannotBuild: tests/apt.sh was not run, or the compiler failed.
    """
    (shipped,) = SHIPPED.iterdir()
    release = shipped.name
    made = folder / f"uml-modules-{release}"
    if made.exists():
        return made
    if not _SOURCE.exists():
        raise CannotBuild(f"no {_SOURCE}: run tests/apt.sh")
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="linux-", dir=folder) as work:
        tree = _configured(Path(work), release)
        # No vmlinux to check symbols against: the kernel does when it loads them.
        _run("make", "-s", "ARCH=um", f"-j{os.cpu_count()}", "KBUILD_MODPOST_WARN=1", *_MODULES, cwd=tree)
        half_made = Path(work) / "modules"
        modules = half_made / "lib/modules" / release
        modules.mkdir(parents=True)
        (modules / "kernel").symlink_to(shipped / "kernel")
        for listing in shipped.glob("modules.*"):
            shutil.copy(listing, modules)
        (modules / "updates").mkdir()  # depmod prefers what lies there
        for module in _MODULES:
            shutil.copy(tree / module, modules / "updates")
        _run("depmod", "-b", str(half_made), release, cwd=half_made)
        half_made.rename(made)
    return made


def _configured(work: Path, release: str) -> Path:
    excluded = [f"--exclude={_TREE}/{pattern}" for pattern in _LEFT_OUT]
    _run("tar", "-xf", str(_SOURCE), *excluded, cwd=work)
    tree = work / _TREE
    source = _run("make", "-s", "ARCH=um", "kernelversion", cwd=tree).strip()
    if source != release:
        raise CannotBuild(f"user-mode-linux is {release}, {_SOURCE} is {source}: run tests/apt.sh")
    (tree / ".config").write_bytes(gzip.decompress(_CONFIGURATION.read_bytes()))
    _run("scripts/config", *_SWITCHES, cwd=tree)
    for target in ("olddefconfig", "modules_prepare"):
        _run("make", "-s", "ARCH=um", f"-j{os.cpu_count()}", target, cwd=tree)
    return tree


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise CannotBuild(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout

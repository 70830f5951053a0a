"""``coati doctor``: what this machine lacks, and how to mend it."""

import asyncio
import errno
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import typer

from appliance.cli import console
from appliance.settings import Settings
from appliance.wording import octets
from ike_engine.dataplane import firewall, xfrm_interface, xfrm_probe

_TUN: Final = Path("/dev/net/tun")
_KEEPER: Final = "appliance.keeper"
_SANE_CLOCK: Final = 1_760_000_000  # October 2025: a clock before that makes certificates not yet valid
_LEAST_FREE_OCTETS: Final = 100_000_000


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        good: Nothing to mend; what is said then is for information.
        remedy: How to mend it.
    """

    what: str
    good: bool
    words: str
    remedy: str = ""


def doctor() -> None:
    """Say what this machine lacks to be a gateway, and how to mend it."""
    console.here_only("this looks at this machine")
    findings = list(examine(Settings()))
    console.tell([finding._asdict() for finding in findings])
    for finding in findings:
        console.say(f"{'ok ' if finding.good else 'NO '} {finding.what}: {finding.words}")
        if finding.remedy and not finding.good:
            console.say(f"      {finding.remedy}")
    if not all(finding.good for finding in findings):
        raise typer.Exit(console.FAILED)


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything that a gateway needs; changes nothing."""
    yield _privilege()
    yield from _data_planes()
    yield _firewall()
    for port in (settings.ike_port, settings.natt_port):
        yield _port(socket.SOCK_DGRAM, str(settings.ike_address), port, "COATI_IKE_PORT and COATI_NATT_PORT")
    yield _port(socket.SOCK_STREAM, settings.listen.host, settings.listen.port, "COATI_LISTEN")
    yield _data_directory(settings.data_dir)
    yield _clock()


def _privilege() -> Finding:
    if os.geteuid() == 0:
        return Finding("privilege", True, "root; everything but the keeper runs without it")
    return Finding("privilege", False, "not root: only the panel can run", "start it as root: sudo ./coati serve")


def _data_planes() -> Iterator[Finding]:
    why_not = xfrm_probe.probe() if os.geteuid() == 0 else "only root can try"
    tun = _TUN.exists() and os.access(_TUN, os.R_OK | os.W_OK)
    kernel = "the kernel does ESP" if why_not is None else f"not by the kernel ({why_not})"
    if tun:
        yield Finding("ESP", True, f"{kernel}; user space is possible")
    else:
        yield Finding(
            "ESP",
            why_not is None,
            f"{kernel}; no access to {_TUN}",
            "load the module tun (modprobe tun), or give the container the device",
        )
    if why_not is None:
        lacking = xfrm_interface.probe()
        words = "before ESP" if lacking is None else f"after ESP only, which some NATs and firewalls drop ({lacking})"
        yield Finding("fragmentation", True, f"packets that are too large for the tunnel are cut {words}")


def _firewall() -> Finding:
    hindrances = asyncio.run(firewall.hindrances())
    if not hindrances:
        return Finding("forwarding", True, "nftables works and the kernel can forward")
    return Finding("forwarding", False, "; ".join(hindrances), "install nftables: apt-get install nftables")


def _port(kind: socket.SocketKind, host: str, port: int, setting: str) -> Finding:
    name = f"{'UDP' if kind is socket.SOCK_DGRAM else 'TCP'} {host}:{port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            programs = set(_holders(kind, port)) if error.errno == errno.EADDRINUSE else set()
            if any(_KEEPER in program for program in programs):
                return Finding(name, True, "Coati has it, and runs")
            by = f" by {', '.join(sorted(programs))}" if programs else ""
            return Finding(name, False, f"{error.strerror}{by}", f"stop what uses it, or change {setting}")
    return Finding(name, True, "free")


def _holders(kind: socket.SocketKind, port: int) -> Iterator[str]:
    """Give the command lines of the processes that have a port, as far as we may look (proc(5))."""
    table, states = ("udp", ("07",)) if kind is socket.SOCK_DGRAM else ("tcp", ("0A",))  # unconnected, listening
    entries = [
        line.split()
        for file in (Path("/proc/net", table), Path("/proc/net", f"{table}6"))
        if file.exists()
        for line in file.read_text("ascii").splitlines()[1:]
    ]
    sockets = {
        f"socket:[{inode}]"
        for _, local, _, state, *_, inode in (entry[:10] for entry in entries)
        if state in states and int(local.rpartition(":")[2], 16) == port
    }
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is not ours to look at
            if any(_target(descriptor) in sockets for descriptor in (process / "fd").iterdir()):
                yield (process / "cmdline").read_text("utf-8", "replace").replace("\0", " ").strip()


def _target(link: Path) -> str:
    """Tell what a descriptor is of; it may have been closed since it was listed."""
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _data_directory(directory: Path) -> Finding:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding("data directory", False, f"{existing} is not writable", "change COATI_DATA_DIR")
    free = shutil.disk_usage(existing).free
    if free < _LEAST_FREE_OCTETS:
        return Finding("data directory", False, f"{octets(free)} free in {existing}", "make room")
    return Finding("data directory", True, f"{directory}, {octets(free)} free")


def _clock() -> Finding:
    if time.time() < _SANE_CLOCK:
        return Finding("clock", False, "it is in the past: certificates will not be valid", "set it: timedatectl")
    return Finding("clock", True, time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))

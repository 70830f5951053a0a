"""Telling this host's resolver about the name servers of a tunnel, and making it forget them again.

    systemd-resolved    by link, with split DNS; forgets with the link (resolvectl(1))
    resolvconf          by link, Debian's or openresolv (resolvconf(8))
    /etc/resolv.conf    rewritten in place; what stood there stays in it as comments until it is put back

The file carries its own past, so that a client that was killed leaves nothing that the next one could not
mend. It is never replaced by another file: in a container or namespace it may be a mount.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address

logger = logging.getLogger(__name__)

RESOLV_CONF: Final = Path("/etc/resolv.conf")
_RESOLVED_SOCKET: Final = Path("/run/systemd/resolve/io.systemd.Resolve")
_SECONDS: Final = 10.0

_MARK: Final = "# By Coati, while its tunnel is up. What stood here before follows, and is put back then.\n"
_BEFORE: Final = "#| "
_ABSENT: Final = "#! there was no such file\n"
_ANY_OCTETS: Final = "surrogateescape"  # what somebody wrote into the file is not ours to judge


class NameServers(Protocol):
    """One way to tell the host's resolver."""

    async def set_up(
        self, interface: str, servers: Sequence[IPv4Address], domain: str, only_for: Sequence[str]
    ) -> None:
        """Use these name servers from now on.

        Args:
            interface: The tunnel's.
            servers: In the order of preference.
            domain: To complete short names with; may be empty.
            only_for: Domains whose names the servers are for, where the resolver can tell; empty: all.

        Raises:
            OSError: the resolver did not take them, in words.
        """

    async def restore(self) -> None:
        """Forget them."""


def of_this_host(resolv_conf: Path = RESOLV_CONF, resolved_socket: Path = _RESOLVED_SOCKET) -> NameServers:
    """Choose by what runs here."""
    if resolved_socket.exists() and shutil.which("resolvectl"):
        return SystemdResolved()
    if shutil.which("resolvconf"):
        return Resolvconf()
    return ResolvConfFile(resolv_conf)


class SystemdResolved:
    """By ``resolvectl``."""

    def __init__(self) -> None:
        self._interface = ""

    async def set_up(
        self, interface: str, servers: Sequence[IPv4Address], domain: str, only_for: Sequence[str]
    ) -> None:
        """Give the link its servers; ``~`` makes a domain one to route questions by, ``~.`` takes all."""
        self._interface = interface
        await _run("resolvectl", "dns", interface, *map(str, servers))
        routed = [f"~{name}" for name in only_for] or ["~."]
        await _run("resolvectl", "domain", interface, *([domain] if domain else []), *routed)

    async def restore(self) -> None:
        """Forget the link's servers."""
        if self._interface:
            await _run("resolvectl", "revert", self._interface)
            self._interface = ""


class Resolvconf:
    """By ``resolvconf``."""

    def __init__(self) -> None:
        self._record = ""

    async def set_up(
        self, interface: str, servers: Sequence[IPv4Address], domain: str, only_for: Sequence[str]
    ) -> None:
        """Add a record of our own."""
        self._record = f"{interface}.coati"
        await _run("resolvconf", "-a", self._record, standard_input=_lines(servers, domain, only_for))

    async def restore(self) -> None:
        """Delete our record."""
        if self._record:
            await _run("resolvconf", "-d", self._record)
            self._record = ""


class ResolvConfFile:
    """By writing the file.

    Args:
        file: Normally /etc/resolv.conf.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    async def set_up(
        self,
        interface: str,  # noqa: ARG002  a file knows no links
        servers: Sequence[IPv4Address],
        domain: str,
        only_for: Sequence[str],
    ) -> None:
        """Write the servers into the file, the old content beneath them."""
        await self.restore()  # what a client left that was killed
        before = self._read()
        kept = _ABSENT if before is None else "\n".join(_BEFORE + line for line in before.split("\n"))
        self._write(_lines(servers, domain, only_for) + _MARK + kept)

    async def restore(self) -> None:
        """Put back what was there, unless somebody else has written the file since."""
        now = self._read()
        if now is None or _MARK not in now:
            return
        kept = now.partition(_MARK)[2]
        if kept == _ABSENT:
            self._file.unlink()
        else:
            self._write("\n".join(line.removeprefix(_BEFORE) for line in kept.split("\n")))

    def _write(self, content: str) -> None:
        self._file.write_text(content, errors=_ANY_OCTETS)

    def _read(self) -> str | None:
        try:
            return self._file.read_text(errors=_ANY_OCTETS)
        except FileNotFoundError:
            return None


def _lines(servers: Sequence[IPv4Address], domain: str, only_for: Sequence[str]) -> str:
    """In the syntax of resolv.conf(5), where a server is for all names."""
    search = list(dict.fromkeys(name for name in (domain, *only_for) if name))
    lines = [f"nameserver {server}\n" for server in servers]
    return "".join([*lines, f"search {' '.join(search)}\n"] if search else lines)


async def _run(*command: str, standard_input: str = "") -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
    )
    try:
        async with asyncio.timeout(_SECONDS):
            _, errors = await process.communicate(standard_input.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise OSError(f"{command[0]} did not end within {_SECONDS:.0f} s") from None
    if process.returncode != 0:
        raise OSError(f"{' '.join(command)}: {errors.decode(errors='replace').strip()}")

"""The three ways to tell a host of name servers: what each is told, and that all is as before afterwards."""

# ruff: noqa: ASYNC240  nothing else runs in the loop of such a test

from __future__ import annotations

import shutil
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from ike_engine.runtime import name_servers
from ike_engine.runtime.name_servers import NameServers, Resolvconf, ResolvConfFile, SystemdResolved, of_this_host

if TYPE_CHECKING:
    from pathlib import Path

SERVERS = (IPv4Address("10.1.0.53"), IPv4Address("10.1.0.54"))
BEFORE = "# as the machine had it\nnameserver 192.0.2.53\noptions edns0\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "resolv.conf"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of a host that has nothing but ``resolvectl`` and ``resolvconf``, which write down what they are told."""
    log, folder = tmp_path / "told", tmp_path / "bin"
    folder.mkdir()
    for name in ("resolvectl", "resolvconf"):
        program = folder / name
        program.write_text(
            f'#!/bin/sh\necho "{name} $*" >>{log}\n[ "$1" = -a ] && {shutil.which("cat")} >>{log}\n'
            '[ "$2" != refused0 ] || { echo "no such link" >&2; exit 1; }\n'
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return log


async def use(found: NameServers, domain: str = "office.example.net", only_for: tuple[str, ...] = ()) -> None:
    await found.set_up("coati0", SERVERS, domain, only_for)


# ---- the file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [BEFORE, "", "no newline at the end", "\n\n", "caf\xe9 \n"])
async def test_the_file_is_put_back_as_it_was(file: Path, before: str) -> None:
    file.write_bytes(before.encode("latin-1"))
    inode = file.stat().st_ino
    servers = ResolvConfFile(file)
    await use(servers)
    written = file.read_text(errors="replace")
    assert written.startswith("nameserver 10.1.0.53\nnameserver 10.1.0.54\nsearch office.example.net\n# By Coati")
    assert [line for line in written.splitlines()[3:] if not line.startswith("#")] == []
    await servers.restore()
    assert file.read_bytes() == before.encode("latin-1")
    assert file.stat().st_ino == inode  # it may be a mount


async def test_a_host_without_the_file_has_none_afterwards(file: Path) -> None:
    servers = ResolvConfFile(file)
    await use(servers)
    assert "nameserver 10.1.0.53\n" in file.read_text()
    await servers.restore()
    assert not file.exists()


@pytest.mark.parametrize("before", [BEFORE, None])
async def test_what_a_killed_client_left_is_mended_by_the_next(file: Path, before: str | None) -> None:
    if before is not None:
        file.write_text(before)
    await use(ResolvConfFile(file))  # killed
    servers = ResolvConfFile(file)
    await use(servers)
    assert file.read_text().count("# By Coati") == 1
    await servers.restore()
    assert (file.read_text() if file.exists() else None) == before


async def test_a_file_that_somebody_else_has_written_since_is_left_alone(file: Path) -> None:
    file.write_text(BEFORE)
    servers = ResolvConfFile(file)
    await use(servers)
    file.write_text("nameserver 203.0.113.53\n")
    await servers.restore()
    assert file.read_text() == "nameserver 203.0.113.53\n"
    file.unlink()
    await servers.restore()
    assert not file.exists()


async def test_a_file_cannot_split_and_searches_instead(file: Path) -> None:
    await use(ResolvConfFile(file), "office.example.net", ("example.org", "office.example.net"))
    assert file.read_text().splitlines()[2] == "search office.example.net example.org"


async def test_no_domain_no_search(file: Path) -> None:
    await use(ResolvConfFile(file), "")
    assert "search" not in file.read_text()


# ---- the programs -----------------------------------------------------------------------------------


async def test_systemd_resolved_is_asked_for_all_names(commands: Path) -> None:
    servers = SystemdResolved()
    await use(servers)
    await servers.restore()
    await servers.restore()
    assert commands.read_text().splitlines() == [
        "resolvectl dns coati0 10.1.0.53 10.1.0.54",
        "resolvectl domain coati0 office.example.net ~.",
        "resolvectl revert coati0",
    ]


async def test_systemd_resolved_splits(commands: Path) -> None:
    await use(SystemdResolved(), "", ("example.net", "example.org"))
    assert commands.read_text().splitlines()[1] == "resolvectl domain coati0 ~example.net ~example.org"


async def test_resolvconf_gets_a_record_of_ours_and_forgets_it(commands: Path) -> None:
    servers = Resolvconf()
    await use(servers)
    await servers.restore()
    await servers.restore()
    assert commands.read_text().splitlines() == [
        "resolvconf -a coati0.coati",
        "nameserver 10.1.0.53",
        "nameserver 10.1.0.54",
        "search office.example.net",
        "resolvconf -d coati0.coati",
    ]


async def test_a_resolver_that_refuses_is_quoted(commands: Path) -> None:
    with pytest.raises(OSError, match=r"resolvectl dns refused0 .*: no such link"):
        await SystemdResolved().set_up("refused0", SERVERS, "", ())
    assert commands.exists()


async def test_a_resolver_that_hangs_is_not_waited_for(
    commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = shutil.which("sleep", path="/usr/bin:/bin")
    (tmp_path / "bin" / "resolvectl").write_text(f"#!/bin/sh\nexec {sleep} 60\n")
    monkeypatch.setattr(name_servers, "_SECONDS", 0.1)
    with pytest.raises(OSError, match="resolvectl did not end within"):
        await use(SystemdResolved())
    assert not commands.exists()


def test_the_way_is_chosen_by_what_runs_here(commands: Path, file: Path, tmp_path: Path) -> None:
    resolved = tmp_path / "io.systemd.Resolve"
    assert isinstance(of_this_host(file, resolved), Resolvconf)
    resolved.touch()
    assert isinstance(of_this_host(file, resolved), SystemdResolved)
    for program in commands.with_name("bin").iterdir():
        program.unlink()
    assert isinstance(of_this_host(file, resolved), ResolvConfFile)

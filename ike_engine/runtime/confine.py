"""The step between the keeper and an unprivileged child: give up everything, then become the child.

Run by its path in a process of its own (``python -I -S confine.py CONFINEMENT``), with nothing but
the standard library, so that root runs little and none of it between fork and exec. Each thing that
is taken away is explained where it is taken.

A service user must be able to read the program, and a clone or a Python below somebody's home
(``/root`` is 0700) is out of its reach. Then the child gets its own mount namespace, where the
directory in the way is covered by an empty one that holds just the trees the child needs, read-only
and at their own paths. The rest of that home does not exist for the child.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import json
import os
import resource
import signal
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CANNOT_CONFINE = 78
"""Exit status (EX_CONFIG of sysexits.h): the child was not started, the words are on standard error."""

_libc = ctypes.CDLL(None, use_errno=True)

# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522  # <linux/capability.h>

# <linux/sched.h> and <linux/mount.h>
_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_MS_RDONLY = 1
_MS_NOSUID = 2
_MS_NODEV = 4
_MS_REMOUNT = 32
_MS_BIND = 4096
_MS_REC = 16384
_MS_SLAVE = 1 << 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What a child may still do.

    Attributes:
        keeper: Process that starts it; the child ends when that one does.
        argv: The program, by its full path, and its arguments.
        uid, gid: What it runs as; ``None`` when the keeper itself has no privilege to give up.
        readable: Directories that it must be able to read.
        writable: Directories that it must be able to write in.
        hidden: Directories that it must not see.
        network: It has the machine's network; otherwise one of its own, without an interface that is up.
    """

    keeper: int
    argv: Sequence[str]
    uid: int | None
    gid: int | None
    readable: Sequence[str]
    writable: Sequence[str]
    hidden: Sequence[str]
    network: bool = True

    def as_argument(self) -> str:
        """Give it in the form that ``main`` takes."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> Confinement:
        """Read it again."""
        return cls(**json.loads(argument))


def main(argument: str) -> None:
    """Confine this process and become the child; returns never."""
    confinement = Confinement.from_argument(argument)
    try:
        if not confinement.network:
            _checked(_libc.unshare(_CLONE_NEWNET), "no network of its own")
        if confinement.uid is not None and confinement.gid is not None:
            _build_view(confinement, confinement.uid, confinement.gid)
            _drop_privilege(confinement.uid, confinement.gid)
        _settle(confinement)
        os.execv(confinement.argv[0], list(confinement.argv))  # noqa: S606  no shell is what is wanted
    except OSError as error:
        sys.stderr.write(f"coati: cannot start {' '.join(confinement.argv)}: {error}\n")
        sys.exit(CANNOT_CONFINE)


def _checked(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


# ---- what the child can see -----------------------------------------------------------------


def _build_view(confinement: Confinement, uid: int, gid: int) -> None:
    """Put every tree that the child needs within its reach, and what it must not see out of it."""
    trees = {Path(tree).resolve(): False for tree in confinement.readable}
    trees |= {Path(tree).resolve(): True for tree in confinement.writable}
    os.setgroups([])
    in_the_way = {tree: part for tree in trees if (part := _unreachable_part(tree, uid, gid)) is not None}
    hidden = [Path(path).resolve() for path in confinement.hidden if Path(path).exists()]
    if not in_the_way and not hidden:
        return
    if _libc.unshare(_CLONE_NEWNS) != 0:
        blocking = ", ".join(map(str, in_the_way.values()))
        raise PermissionError(
            f"the service user cannot read {blocking} and this machine allows no mount namespace to get round it "
            f"({os.strerror(ctypes.get_errno())}); move Coati to a directory that everybody may enter, such as /opt"
            if blocking
            else f"no mount namespace: {os.strerror(ctypes.get_errno())}"
        )
    # What is mounted here stays here; what the machine mounts or unmounts later is followed.
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)
    for cover in _topmost(in_the_way.values()):
        needed = {tree: writable for tree, writable in trees.items() if tree.is_relative_to(cover)}
        _cover(cover, needed, uid, gid)
    for path in hidden:
        _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_RDONLY, "size=4k,mode=000")
    for tree, writable in trees.items():
        if (part := _unreachable_part(tree, uid, gid)) is not None:
            raise PermissionError(f"the service user (uid {uid}) cannot read {part}; chmod -R go+rX {tree}")
        if writable and not _may(tree, os.W_OK, uid, gid):
            raise PermissionError(f"the service user (uid {uid}) cannot write in {tree}")


def _may(path: Path, mode: int, uid: int, gid: int) -> bool:
    """Tell whether the service user may: ask the kernel as that user, for it knows of ACLs as well."""
    os.setegid(gid)
    os.seteuid(uid)
    try:
        return os.access(path, mode, effective_ids=True)
    finally:
        os.seteuid(0)
        os.setegid(0)


def _unreachable_part(tree: Path, uid: int, gid: int) -> Path | None:
    """Give the first directory on the way to ``tree`` (itself included) that the service user cannot enter or read."""
    for part in reversed(tree.parents):
        if not _may(part, os.X_OK, uid, gid):
            return part
    return None if _may(tree, os.R_OK | os.X_OK, uid, gid) else tree


def _topmost(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in sorted(set(paths)):
        if not found or not path.is_relative_to(found[-1]):
            found.append(path)
    return found


def _cover(cover: Path, needed: dict[Path, bool], uid: int, gid: int) -> None:
    """Cover ``cover`` by an empty directory with only the ``needed`` trees in it."""
    # Opened before they vanish below the cover; a mount follows /proc/self/fd to where they are.
    os.umask(0o022)
    sources: list[tuple[Path, bool, int]] = []
    for tree, writable in sorted(needed.items()):
        # A clone made under umask 077: stand in for the directory itself, show what is in it.
        shown = [tree] if _is_open_to(tree, uid, gid) else list(tree.iterdir())
        sources += [(path, writable, os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)) for path in shown]
    _mount("tmpfs", cover, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    for target, writable, source in sources:
        kind = os.fstat(source).st_mode
        if target.exists():  # below a tree that is there already
            pass
        elif stat.S_ISLNK(kind):
            target.symlink_to(os.readlink("", dir_fd=source))
            continue
        elif stat.S_ISDIR(kind):
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        _mount(f"/proc/self/fd/{source}", target, None, _MS_BIND | _MS_REC)
        if not writable:
            _mount(None, target, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
        os.close(source)
    _mount(None, cover, None, _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)


def _is_open_to(tree: Path, uid: int, gid: int) -> bool:
    """Tell whether the service user could read ``tree`` itself if it only got there."""
    os.chdir(tree)
    try:
        return _may(Path("."), os.R_OK | os.X_OK, uid, gid)  # noqa: PTH201  the path must stay relative
    finally:
        os.chdir("/")


def _mount(source: str | None, target: Path | str, kind: str | None, flags: int, options: str | None = None) -> None:
    def octets(text: str | None) -> bytes | None:
        return None if text is None else os.fsencode(text)

    result = _libc.mount(octets(source), os.fsencode(target), octets(kind), ctypes.c_ulong(flags), octets(options))
    _checked(result, f"mount on {target}")


# ---- what the child can do ------------------------------------------------------------------


def _drop_privilege(uid: int, gid: int) -> None:
    """Become ``uid`` with no way back.

    Raises:
        PermissionError: some privilege is left.
    """
    # The bounding set: not even a file with capabilities, or root's uid regained by a bug, gives any back.
    capability = 0
    while _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    if (number := ctypes.get_errno()) not in (errno.EINVAL, errno.EPERM):  # EINVAL: behind the last one
        raise OSError(number, f"bounding set: {os.strerror(number)}")
    # The ambient set is what survives an exec without privilege.
    _checked(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "ambient capabilities")
    # The groups before the user: without root they could not be changed any more.
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # Leaving uid 0 emptied the effective and permitted sets; the inheritable set is ours to empty.
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc.capset(header, nothing), "capabilities")
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid) or uid == 0 or os.getgroups():
        raise PermissionError(f"privilege is left after the change to uid {uid}")


def _settle(confinement: Confinement) -> None:
    """Do what needs no privilege to do and stays over the exec."""
    # Set-user-ID programs and file capabilities have no effect from here on.
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    # A keeper that was killed cannot stop its children: the kernel does. (A change of user clears this.)
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0), "signal on the keeper's death")
    if os.getppid() != confinement.keeper:
        raise PermissionError("the keeper is gone")
    # Keys and passwords must not land in a core file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    # Python ignores it, and what is ignored stays ignored over an exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.chdir("/")


if __name__ == "__main__":
    main(sys.argv[1])

"""What is left to a child: no privilege, and of the machine's files what it was given (as root)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ike_engine.runtime.children import Child, ChildSpec, python_module
from ike_engine.runtime.confine import CANNOT_CONFINE
from ike_engine.runtime.privileges import Account, ensure_account, give

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

TREE = Path(__file__).parents[3]
# A number without an entry in the user database: nothing on this machine is its own.
STRANGER = Account("61234", 61_234, 61_234)
PYTHON = (python_module("x")[0], "-I", "-S", "-c")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


async def told_by(code: str, **how: Any) -> Any:
    """Run ``code`` in a confined child; give what it hands to ``tell``."""
    reading, writing = os.pipe()
    prologue = f"import json, os\ndef tell(value): os.write({writing}, json.dumps(value).encode())\n"
    spec = ChildSpec(
        name="confined", argv=(*PYTHON, prologue + code), descriptors={"out": writing}, account=STRANGER, **how
    )
    status = await Child(spec).run_once()
    os.close(writing)
    with os.fdopen(reading, "rb") as out:
        told = out.read()
    assert status == 0
    return json.loads(told)


async def test_nothing_of_root_is_left() -> None:
    status = await told_by(
        "tell(dict(line.rstrip().split(':', 1) for line in open('/proc/self/status')))", environment={"A": "b"}
    )
    for ids in ("Uid", "Gid"):
        assert status[ids].split() == ["61234"] * 4
    assert status["Groups"].split() == []
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[capabilities], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"


async def test_no_core_no_umask_no_inherited_session() -> None:
    left = await told_by(
        "import resource; tell([resource.getrlimit(resource.RLIMIT_CORE), os.umask(0), os.getcwd(), os.getsid(0)])"
    )
    core, umask, directory, session = left
    assert (core, umask, directory) == ([0, 0], 0o077, "/")
    assert session != os.getsid(0)


async def test_a_set_user_id_program_gives_nothing_back(tmp_path: Path) -> None:
    tool = Path(shutil.copy("/usr/bin/id", tmp_path / "id"))
    tool.chmod(0o4755)  # noqa: ASYNC240  nobody else waits here
    code = f"import subprocess; tell(subprocess.run([{str(tool)!r}, '-u'], capture_output=True).stdout.decode())"
    assert await told_by(code, readable=(tmp_path,)) == "61234\n"


async def test_a_directory_in_the_way_shows_only_what_was_given(tmp_path: Path) -> None:
    home = tmp_path / "home"
    program, data, private = home / "deep" / "program", home / "data", home / "private"
    for directory in (program, data, private):
        directory.mkdir(parents=True)
    (program / "module.py").write_text("x = 1")
    (private / "letter").write_text("dear")
    home.chmod(0o700)
    give(data, STRANGER)
    seen = await told_by(
        f"""
def attempt(do):
    try:
        return do()
    except OSError as error:
        return type(error).__name__ + ' ' + os.strerror(error.errno)
tell([
    sorted(os.listdir({str(home)!r})),
    open({str(program / "module.py")!r}).read(),
    attempt(lambda: open({str(program / "module.py")!r}, 'w')),
    attempt(lambda: open({str(program / "new")!r}, 'w')),
    attempt(lambda: open({str(data / "coati.db")!r}, 'w').write('rows')),
    attempt(lambda: os.mkdir({str(home / "new")!r})),
    attempt(lambda: os.listdir({str(private)!r})),
])""",
        readable=(program,),
        writable=(data,),
    )
    listing, text, change, new_file, write, new_directory, others = seen
    assert (listing, text, write) == (["data", "deep"], "x = 1", 4)
    assert {change, new_file, new_directory} == {"OSError Read-only file system"}
    assert others == "FileNotFoundError No such file or directory"
    assert (data / "coati.db").read_text() == "rows"
    assert (data / "coati.db").stat().st_uid == STRANGER.uid
    # All this was in the child's eyes only.
    assert (private / "letter").read_text() == "dear"


async def test_what_is_hidden_is_not_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    give(data, STRANGER)
    (data / "master.key").write_text("secret")
    code = f"""
try:
    tell(os.listdir({str(data)!r}))
except OSError as error:
    tell(os.strerror(error.errno))
"""
    assert await told_by(code, writable=(data,)) == ["master.key"]
    assert await told_by(code, readable=(tmp_path,), hidden=(data,)) == "Permission denied"
    assert (data / "master.key").read_text() == "secret"


async def test_what_cannot_be_read_is_told_with_the_remedy(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    spec = ChildSpec(name="confined", argv=(*PYTHON, "pass"), account=STRANGER, writable=(data,))
    assert await Child(spec).run_once() == CANNOT_CONFINE
    assert f"the service user (uid 61234) cannot write in {data}" in capfd.readouterr().err


@pytest.mark.parametrize(("clone_mode", "umask"), [(0o755, 0o022), (0o700, 0o077)])
def test_a_clone_below_a_private_home_runs(tmp_path: Path, clone_mode: int, umask: int) -> None:
    """A clone and its environment under a 0700 home, the clone itself perhaps made under umask 077."""
    clone = tmp_path / "home" / "coati"
    shutil.copytree(TREE / "ike_engine", clone / "ike_engine", ignore=shutil.ignore_patterns("__pycache__"))
    venv.create(clone / ".venv", with_pip=False, symlinks=True)
    [packages] = (clone / ".venv").glob("lib/python*/site-packages")
    (packages / "clone.pth").write_text(f"{clone}\n")
    clone.chmod(clone_mode)
    clone.parent.chmod(0o700)
    os.umask(umask)
    keeper = f"""
import asyncio
from ike_engine.runtime.children import Child, ChildSpec, python_module
from ike_engine.runtime.privileges import Account
argv = (*python_module("x")[:2], "-c", "import os, ike_engine.path as p; print(os.getuid(), p.__file__)")
spec = ChildSpec(name="confined", argv=argv, account=Account{tuple(STRANGER)!r})
raise SystemExit(asyncio.run(Child(spec).run_once()))
"""
    ran = subprocess.run(
        [clone / ".venv/bin/python", "-c", keeper], capture_output=True, text=True, check=False, cwd="/"
    )
    assert ran.stderr == ""
    assert ran.stdout.split() == ["61234", str(clone / "ike_engine/path.py")]


def test_children_of_a_killed_keeper_end() -> None:
    reading, writing = os.pipe()
    keeper = f"""
import asyncio, signal
from ike_engine.runtime.children import Child, ChildSpec
code = 'import os, signal; os.write({writing}, b"%d" % os.getpid()); signal.pause()'
spec = ChildSpec(name="confined", argv=(*{PYTHON!r}, code), descriptors={{"out": {writing}}},
                 account=__import__("ike_engine.runtime.privileges").runtime.privileges.Account{tuple(STRANGER)!r})
asyncio.run(Child(spec).run_once())
"""
    killed = subprocess.Popen([sys.executable, "-c", keeper], pass_fds=(writing,), cwd=TREE)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as out:
        pid = int(out.read(100))
        assert os.stat(f"/proc/{pid}").st_uid == STRANGER.uid  # noqa: PTH116
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert out.read() == b""  # returns when the last holder of the other end is gone


def test_the_service_user_is_made_once() -> None:
    name = "coati-test-user"
    try:
        made = ensure_account(name)
        assert made == ensure_account(name) == ensure_account(str(made.uid))
        assert made.uid not in (0, 65_534)
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)


def test_a_number_needs_no_entry() -> None:
    assert ensure_account("61234") == STRANGER


@pytest.mark.parametrize("name", ["root", "0"])
def test_root_is_no_service_user(name: str) -> None:
    with pytest.raises(ValueError, match="root"):
        ensure_account(name)


def test_an_impossible_service_user_is_told() -> None:
    with pytest.raises(ValueError, match="cannot make the service user -x"):
        ensure_account("-x")


def test_give_leaves_nothing_of_root_and_follows_no_link(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    (data / "below").mkdir(parents=True)
    (data / "below" / "coati.db").touch()
    elsewhere.touch()
    (data / "link").symlink_to(elsewhere)
    give(data, STRANGER)
    assert {path.lstat().st_uid for path in (data, *data.rglob("*"))} == {STRANGER.uid}
    assert data.stat().st_mode & 0o777 == 0o700
    assert elsewhere.stat().st_uid == 0
